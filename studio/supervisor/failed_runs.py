"""Runs that failed and that nobody has dealt with yet: the next one in line must not hide their failure."""

import msgspec
from PySide6.QtCore import QObject, Signal, SignalInstance

from studio.contract import events
from studio.contract.errors import Problem, StudioError, agreeing
from studio.contract.job import load
from studio.contract.run_folder import RunFolder
from studio.data.run_history import has_checkpoint


class FailedRun(msgspec.Struct, frozen=True):
    """One of them: its folder, and why it failed."""

    folder: RunFolder
    problem: Problem

    @property
    def name(self) -> str:
        """Its name as it is now."""
        try:
            return getattr(load(self.folder.job), "name", "") or self.folder.id
        except StudioError:
            return self.folder.id


class FailedRuns(QObject):
    """Kept until the user closes them, goes on with them or looks at them.

    Signals:
        changed: One came, or one is dealt with.
    """

    changed = Signal()

    def __init__(self, parent: QObject, started: SignalInstance, told: SignalInstance, changed: SignalInstance) -> None:
        """Args:
        parent: Owner.
        started: Tells the folder of a run that becomes the active one.
        told: Tells each event of the active run.
        changed: The runs on the disk are others.
        """
        super().__init__(parent)
        self._runs: list[FailedRun] = []
        self._active: RunFolder | None = None
        started.connect(self._on_started)
        told.connect(self._on_told)
        changed.connect(self._on_runs_changed)

    def newest_first(self, without: RunFolder | None = None) -> list[FailedRun]:
        """All of them, but for one that is seen already."""
        return [one for one in reversed(self._runs) if one.folder != without]

    def tell(self, problem: Problem | None) -> bool:
        """Whether this is why one of them failed."""
        return problem in [one.problem for one in self._runs]

    def drop(self, *folders: RunFolder) -> None:
        """These are dealt with."""
        self._keep([one for one in self._runs if one.folder not in folders])

    def _on_started(self, folder: RunFolder) -> None:
        self._active = folder
        self.drop(folder)

    def _on_told(self, event: object) -> None:
        if isinstance(event, events.Failed) and self._active is not None:
            problem = agreeing(event.problem, has_checkpoint(self._active))
            others = [one for one in self._runs if one.folder != self._active]
            self._keep([*others, FailedRun(self._active, problem)])

    def _on_runs_changed(self) -> None:
        self._keep([one for one in self._runs if one.folder.path.exists()])

    def _keep(self, runs: list[FailedRun]) -> None:
        if runs != self._runs:
            self._runs = runs
            self.changed.emit()
