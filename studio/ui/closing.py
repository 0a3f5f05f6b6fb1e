"""Closing the window while a run goes on: keep training in the background, stop and save, or stay."""

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QDialog, QVBoxLayout, QWidget

from studio.contract.run_folder import RunFolder
from studio.supervisor.workplace import Workplace
from studio.ui import wording
from studio.ui.preferences import Preferences
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import row


class CloseQuestion(QDialog):
    """Asks without blocking; `answered` carries "keep", "stop" or "cancel", and whether to remember it."""

    answered = Signal(str, bool)

    def __init__(self, run_name: str, waiting: int, parent: QWidget) -> None:
        """Args:
        run_name: Of the run that goes on.
        waiting: Runs in line behind it.
        parent: The window.
        """
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
                "It can go on without the window: when you open Apprentice Studio again, it shows the run as it is. "
                "Or stop it now; what it has learned so far is saved before the window closes."
            ),
            wrap=True,
        )
        words.setMinimumWidth(480)
        outer.addWidget(words)
        if waiting:
            line = self.tr("{count} in line behind it: what waits is started only while a window is open.")
            outer.addWidget(label(line.format(count=wording.number(waiting)), "muted", wrap=True))
        outer.addWidget(self.remember)
        outer.addLayout(row(1, self.cancel, self.stop, self.keep))
        self.keep.setDefault(True)
        self.keep.setFocus()
        self.finished.connect(lambda: self.answered.emit(self._answer, self.remember.isChecked()))

    def _end(self, answer: str) -> None:
        self._answer = answer
        self.accept()


class Closing(QObject):
    """Decides whether the window may close, asks where that is unclear, and closes it once a run is saved.

    Attributes:
        saving: The window closes as soon as the run has ended.
        saving_began: The window stops the run now.
    """

    saving_began = Signal()

    def __init__(self, window: QWidget, workplace: Workplace, preferences: Preferences) -> None:
        super().__init__(window)
        self._window = window
        self._workplace = workplace
        self._preferences = preferences
        self._question: CloseQuestion | None = None
        self._decided = False
        self.saving = False
        workplace.run_ended.connect(self._on_run_ended)

    def may_close(self) -> bool:
        """Whether nothing stands against it; otherwise asks, or waits for the run to be saved."""
        if self._workplace.active is None or self._decided:
            return True
        if not self.saving and self._question is None:
            match self._preferences.on_close:
                case "keep":
                    return True
                case "stop":
                    self._save_first()
                case _:
                    self._ask()
        return False

    def close_now(self) -> None:
        """Close; a run goes on in the background."""
        self._decided = True
        self._window.close()

    def stay_open(self) -> None:
        """The run still stops, the window stays."""
        self.saving = False

    def _ask(self) -> None:
        work = self._workplace.active_job
        self._question = CloseQuestion(
            work.name if work is not None else "", len(self._workplace.queue.waiting()), self._window
        )
        self._question.answered.connect(self._on_answered)
        self._question.open()

    def _on_answered(self, answer: str, remember: bool) -> None:
        self._question = None
        if remember and answer == "keep":
            self._preferences.on_close = "keep"
        elif remember and answer == "stop":
            self._preferences.on_close = "stop"
        if answer == "keep" or (answer == "stop" and self._workplace.active is None):
            self.close_now()
        elif answer == "stop":
            self._save_first()

    def _save_first(self) -> None:
        self.saving = True
        self.saving_began.emit()

    def _on_run_ended(self, folder: RunFolder) -> None:
        if self.saving:
            self.close_now()
