"""While an export is written: how far it is, and Stop. Afterwards: how the files compare with the adapter."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QProgressBar, QVBoxLayout, QWidget

from studio.contract.events import Progress
from studio.contract.parity import Parity, differences, sentences
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import IconLabel, label
from studio.ui.widgets.section import clear_layout, row


class ExportProgress(QWidget):
    """Hidden while nothing is written. `stop_wanted`: the button was clicked."""

    stop_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.stage = label("", "muted", wrap=True)
        self.bar = QProgressBar()
        self.bar.setAccessibleName(self.tr("Progress of the export"))
        self.bar.setTextVisible(False)
        self.stop = buttons.secondary(self.tr("Stop"), self._on_stop, "stop")
        self.stop.setAccessibleName(self.tr("Stop the export; nothing of it is kept"))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(GRID // 2)
        line = row(self.bar, self.stop)
        line.setStretch(0, 1)
        outer.addWidget(self.stage)
        outer.addLayout(line)
        self.hide()

    def start(self) -> None:
        """An export began."""
        self.stage.setText(self.tr("Starting…"))
        self.bar.setRange(0, 0)
        self.stop.setEnabled(True)
        self.show()

    def show_progress(self, progress: Progress) -> None:
        """How far it is."""
        text = f"{wording.told(progress.stage)}…"
        if progress.total:
            form = wording.size if progress.unit == "bytes" else wording.number
            amount = self.tr("{done} of {total}").format(done=form(progress.done), total=form(progress.total))
            text = f"{wording.told(progress.stage)}: {amount}"
        self.stage.setText(text)
        # 32-bit integers are all that QProgressBar has, and files may be larger.
        self.bar.setRange(0, 1000 if progress.total else 0)
        if progress.total:
            self.bar.setValue(min(1000, 1000 * progress.done // progress.total))

    def _on_stop(self) -> None:
        self.stop.setEnabled(False)
        self.stage.setText(self.tr("Stopping…"))
        self.stop_wanted.emit()


class ParityCard(QFrame):
    """Whether what was written behaves as the adapter did, with the figures. Hidden until there are any."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._icon = IconLabel("check", "success")
        self.headline = label("", "strong", wrap=True)
        self._rows = QGridLayout()
        self._rows.setHorizontalSpacing(2 * GRID)
        self._rows.setVerticalSpacing(GRID // 2)
        self._rows.setColumnStretch(0, 1)
        self._rows.setColumnStretch(1, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2 * GRID, GRID + 4, 2 * GRID, GRID + 4)
        outer.setSpacing(GRID)
        head = row(self._icon, self.headline)
        head.setStretch(1, 1)
        outer.addLayout(head)
        outer.addLayout(self._rows)
        self.hide()

    def show_parity(self, parity: Parity | None) -> None:
        """Tell what was found; None hides it."""
        self.setVisible(parity is not None)
        clear_layout(self._rows)
        if parity is None:
            return
        if not parity.prompts:
            kind, words = ("info", "accent"), self.tr("The files were not compared with the adapter.")
        elif parity.same:
            kind, words = ("check", "success"), self.tr("The files behave as the adapter did.")
            if parity.base_noted is False:
                words = self.tr("The files behave as the adapter does on the base model as it is now.")
        elif parity.holds:
            kind = ("info", "accent")
            words = self.tr(
                "The files differ from the adapter, as rounding to {numbers} can make them: {what}."
            ).format(numbers=parity.numbers.upper(), what=differences(parity))
        else:
            kind = ("warning", "warning")
            words = self.tr("The files differ from the adapter: {what}.").format(what=differences(parity))
            if parity.numbers == "f32":  # nothing was rounded
                words += " " + self.tr("Look at the rows below.")
            else:
                words += " " + self.tr("Try another number format, or look at the rows below.")
        self._icon.set_icon(*kind)
        self.headline.setText(words)
        self.setAccessibleName(words)
        told = sentences(parity)
        self.setAccessibleDescription("; ".join(f"{name}: {value}" for name, value in told))
        for number, (name, value) in enumerate(told):
            self._rows.addWidget(label(wording.told(name), "muted", wrap=True), number, 0, Qt.AlignmentFlag.AlignTop)
            self._rows.addWidget(label(value, wrap=True, selectable=True), number, 1, Qt.AlignmentFlag.AlignTop)

    def text(self) -> str:
        """All that is said."""
        return f"{self.headline.text()} {self.accessibleDescription()}"
