"""Closing the window while a run goes on: keep training in the background, stop and save, or stay."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QDialog, QVBoxLayout, QWidget

from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import row


class CloseQuestion(QDialog):
    """Asks without blocking; `answered` carries "keep", "stop" or "cancel", and whether to remember it."""

    answered = Signal(str, bool)

    def __init__(self, run_name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("A run is going on"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._answer = "cancel"
        self.keep = buttons.primary(self.tr("Keep training in the background"), lambda: self._end("keep"))
        self.stop = buttons.secondary(self.tr("Stop and save"), lambda: self._end("stop"))
        self.cancel = buttons.secondary(self.tr("Cancel"), self.reject)
        self.remember = QCheckBox(self.tr("Do the same next time (Settings can change it)"))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 2 * GRID)
        outer.setSpacing(2 * GRID)
        outer.addWidget(label(self.tr("{name} is still training.").format(name=run_name), "title"))
        words = label(
            self.tr(
                "It can go on without the window: when you open Apprentice Studio again it shows the run as it is then. "
                "Or stop it now; what it has learned so far is saved before the window closes."
            ),
            wrap=True,
        )
        words.setMinimumWidth(480)
        outer.addWidget(words)
        outer.addWidget(self.remember)
        outer.addLayout(row(1, self.cancel, self.stop, self.keep))
        self.keep.setDefault(True)
        self.keep.setFocus()
        self.finished.connect(lambda: self.answered.emit(self._answer, self.remember.isChecked()))

    def _end(self, answer: str) -> None:
        self._answer = answer
        self.accept()
