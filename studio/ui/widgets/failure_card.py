"""What failed before, above what goes on now: the cause, and the way on."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from studio.contract.errors import Problem
from studio.contract.relief import MEMORY_CODES
from studio.contract.run_folder import RunFolder
from studio.data.run_history import has_checkpoint
from studio.supervisor.failed_runs import FailedRun
from studio.ui import wording
from studio.ui.widgets.message import MessageBar


class FailureCard(MessageBar):
    """Hidden while there is nothing to tell; closed by the user (`dismissed`) for all that it tells of.

    Signals:
        resume_wanted: RunFolder: go on with it.
        run_wanted: RunFolder: show it on Runs.
    """

    resume_wanted = Signal(object)
    run_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._told: list[FailedRun] = []

    def folders(self) -> list[RunFolder]:
        """The runs that it tells of."""
        return [one.folder for one in self._told]

    def show_failures(self, failures: Sequence[FailedRun]) -> None:
        """Tell of the newest, and how many more there are.

        Args:
            failures: Newest first; none hides the card.
        """
        if list(failures) == self._told and self.isHidden() is not bool(failures):
            return
        self._told = list(failures)
        if not failures:
            self.clear()
            return
        newest, more = failures[0], len(failures) - 1
        problem = newest.problem
        what = self.tr("{name} failed: {cause}").format(name=newest.name, cause=wording.told(problem.what))
        others = self.tr("Another run failed, too: it is on Runs.") if more == 1 else ""
        others = self.tr("{count} more failed: they are on Runs.").format(count=more) if more > 1 else others
        self.show_text("error", what, wording.told(problem.why), others, self._ways_on(newest.folder, problem))

    def _ways_on(self, folder: RunFolder, problem: Problem) -> list[tuple[str, Callable[[], None]]]:
        show = (self.tr("Show it"), lambda: self.run_wanted.emit(folder))
        if problem.code in MEMORY_CODES:  # unchanged it would fail again; what needs less is proposed on Runs
            return [(self.tr("What would need less memory"), show[1])]
        saved = has_checkpoint(folder)
        words = self.tr("Go on from the last checkpoint") if saved else self.tr("Start it again")
        return [(words, lambda: self.resume_wanted.emit(folder)), show]
