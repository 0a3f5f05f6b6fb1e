"""Closing the window while a run goes on: keep training in the background, stop and save, or stay.

What ends with the window (an export, a copy of a model, an import: `unfinished`) is asked about first.
"""

from collections.abc import Sequence

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QDialog, QVBoxLayout, QWidget

from studio.contract.run_folder import RunFolder
from studio.supervisor.workplace import Workplace
from studio.ui import wording
from studio.ui.preferences import Preferences
from studio.ui.theme import GRID
from studio.ui.unfinished import Going, Unfinished
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


class EndQuestion(QDialog):
    """Asks without blocking whether something may end with the window: `accepted` says yes."""

    def __init__(self, going: Sequence[Going], parent: QWidget) -> None:
        """Args:
        going: What would be lost.
        parent: The window.
        """
        super().__init__(parent)
        self.setWindowTitle(self.tr("Something is not finished"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.wait = buttons.primary(self.tr("Wait"), self.reject)
        self.end = buttons.secondary(self.tr("Close and stop it"), self.accept)
        self._what = label("", "title", wrap=True)
        self._lost = label("", wrap=True)
        self._lost.setMinimumWidth(480)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 2 * GRID)
        self._column.setSpacing(2 * GRID)
        self._column.addWidget(self._what)
        self._column.addWidget(self._lost)
        self._column.addLayout(row(1, self.end, self.wait))
        self.wait.setDefault(True)
        self.wait.setFocus()
        self.show_going(going)

    def show_going(self, going: Sequence[Going]) -> None:
        """Name what would be lost now, and how far it is."""
        self._what.setText("\n".join(one.sentence() for one in going))
        kept = [one.loss.resumed for one in going]
        words = self.tr("It ends with the window, and nothing of it is kept; it can be started again later.")
        if all(kept):
            words = self.tr("It ends with the window. What was fetched is kept for two weeks, and can be gone on with.")
        elif any(kept):
            words = self.tr("They end with the window, and only what was fetched is kept, for two weeks.")
        self._lost.setText(words)
        if self.isVisible():  # a dialog that is shown already does not grow with its words by itself
            self.resize(self.width(), max(self.height(), self._column.totalHeightForWidth(self.width())))


class Closing(QObject):
    """Decides whether the window may close, asks where that is unclear, and closes it once a run is saved.

    A question goes by itself when what it asks about has ended; the window then stays. Nobody has answered, what ended
    may want to be read (how an export compares, why a copy failed), and closing once more is one click; a window that
    closed under the hand that reaches for "Wait" would have taken that away.

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
        self._question: CloseQuestion | EndQuestion | None = None
        self._may_end = False  # the user said so of what ends with the window
        self._decided = False
        self.saving = False
        self.unfinished = Unfinished(workplace, self)
        self.unfinished.changed.connect(self._on_work_changed)
        self.unfinished.ended.connect(self._on_work_ended)
        workplace.run_ended.connect(self._on_run_ended)

    def may_close(self) -> bool:
        """Whether nothing stands against it; otherwise asks, or waits for the run to be saved."""
        if self._decided:
            return True
        going = [] if self._may_end else self.unfinished.going()
        if going and self._question is None:
            self._ask_to_end(going)
        if going:
            return False
        if self._workplace.active is None:
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
        self.saving = self._may_end = False

    def _ask_to_end(self, going: Sequence[Going]) -> None:
        self._question = EndQuestion(going, self._window)
        self._question.finished.connect(self._on_told_to_end)
        self._question.open()

    def _on_work_changed(self) -> None:
        if not isinstance(self._question, EndQuestion):
            return
        if going := self.unfinished.going():
            self._question.show_going(going)
        elif self.unfinished.all_gone:
            self._question.reject()

    def _on_work_ended(self, sentence: str) -> None:
        if isinstance(self._question, EndQuestion):  # it hides the page that tells it
            self._workplace.told.emit(sentence)

    def _on_told_to_end(self, answer: int) -> None:
        self._question = None
        if answer == QDialog.DialogCode.Accepted:
            self._may_end = True
            self._window.close()  # where a run goes on, that is asked now

    def _ask(self) -> None:
        work = self._workplace.active_job
        name, waiting = work.name if work is not None else "", len(self._workplace.queue.waiting())
        question = self._question = CloseQuestion(name, waiting, self._window)
        question.answered.connect(self._on_answered)
        question.open()

    def _on_answered(self, answer: str, remember: bool) -> None:
        self._question = None
        if remember and answer == "keep":
            self._preferences.on_close = "keep"
        elif remember and answer == "stop":
            self._preferences.on_close = "stop"
        if answer == "keep":
            self.close_now()
        elif answer == "stop":
            self._save_first()
        else:
            self._may_end = False

    def _save_first(self) -> None:
        self.saving = True
        self.saving_began.emit()

    def _on_run_ended(self, folder: RunFolder) -> None:
        if self.saving:
            self.close_now()
        elif isinstance(self._question, CloseQuestion):
            self._question.reject()
