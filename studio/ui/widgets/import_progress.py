"""An import that is going on: what is read, how far, and Cancel; in place, not in a window of its own."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QWidget

from studio.contract.events import Inspected, Progress
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import ElidedLabel, label


class ImportProgress(QFrame):
    """Hidden while nothing is imported. `cancel_wanted`: the button was clicked."""

    cancel_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.title = ElidedLabel("", "")
        self.stage = label("", "muted")
        self.bar = QProgressBar()
        self.bar.setAccessibleName(self.tr("Progress of the import"))
        self.bar.setTextVisible(False)
        self.bar.setMinimumWidth(160)
        self.cancel = buttons.secondary(self.tr("Cancel import"), self.cancel_wanted.emit, "close")
        line = QHBoxLayout(self)
        line.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        line.setSpacing(2 * GRID)
        line.addWidget(self.title, 1)
        line.addWidget(self.stage)
        line.addWidget(self.bar)
        line.addWidget(self.cancel)
        self.hide()

    def start(self, name: str) -> None:
        """An import began."""
        self.title.set_text(self.tr("Importing {name}").format(name=name))
        self.stage.setText(self.tr("Starting…"))
        self.bar.setRange(0, 0)
        self.show()

    def show_event(self, event: object) -> None:
        """Take a `Progress` or `Inspected`."""
        if isinstance(event, Inspected):
            self.stage.setText(self.tr("Looking at the columns…"))
        elif isinstance(event, Progress):
            self._show_progress(event)

    def _show_progress(self, progress: Progress) -> None:
        form = wording.size if progress.unit == "bytes" else wording.number
        amount = form(progress.done)
        if progress.total:
            amount = self.tr("{done} of {total}").format(done=amount, total=form(progress.total))
        self.stage.setText(f"{progress.stage}: {amount}")
        # 32-bit integers are all that QProgressBar has, and files may be larger.
        self.bar.setRange(0, 1000 if progress.total else 0)
        if progress.total:
            self.bar.setValue(min(1000, 1000 * progress.done // progress.total))
