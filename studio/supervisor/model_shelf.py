"""Models into the library and out of it, for the window: adding is a worker's job, taking away can be undone."""

from pathlib import Path

import msgspec
from PySide6.QtCore import QObject, Signal

from studio.contract import events, job, online
from studio.contract.errors import Problem, StudioError
from studio.contract.settings import TrainSettings
from studio.data import model_library
from studio.data.model_fit import ModelFit, fit_of
from studio.supervisor.forecast import machine_of
from studio.supervisor.run_trash import into_trash, out_of_trash
from studio.supervisor.short_job import ShortJob
from studio.supervisor.workplace import Workplace


class Removed(msgspec.Struct, frozen=True):
    """A model that was taken away.

    Attributes:
        model: What was known of it.
        trashed: Where its copy lies in the trash, if it had one.
        was_chosen: It was the one to be taught.
    """

    model: events.ModelChecked
    trashed: Path | None
    was_chosen: bool = False


class ModelShelf(QObject):
    """Adds one model after the other.

    Signals:
        progressed: `Progress`, of the model named by `adding`.
        failed: `Problem`.
        changed: A model came, or adding began or ended.
    """

    progressed = Signal(object)
    failed = Signal(object)
    changed = Signal()

    def __init__(self, workplace: Workplace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workplace = workplace
        self._waiting: list[job.AddModelJob | job.DownloadModelJob] = []
        self._job = ShortJob(workplace, self)
        self._job.progressed.connect(self.progressed)
        self._job.done.connect(self._on_done)
        self._job.failed.connect(self._on_failed)

    @property
    def adding(self) -> str:
        """Name of the folder or the model that is being added, or ""."""
        work = self._job.work if self._job.going else None
        if isinstance(work, job.DownloadModelJob):
            return work.repository
        return Path(work.path).name if isinstance(work, job.AddModelJob) else ""

    @property
    def connected_to(self) -> str:
        """Name of the computer on the internet that a download connects to just now, or ""."""
        return online.host() if self._job.going and isinstance(self._job.work, job.DownloadModelJob) else ""

    @property
    def waiting(self) -> int:
        """How many more are to be added after this one."""
        return len(self._waiting)

    def add(self, folders: list[Path], copy: bool) -> None:
        """Check, hash and (where wished) copy model folders, one after the other."""
        self._waiting += [job.AddModelJob(path=str(folder), copy=copy) for folder in folders]
        self._next()

    def download(self, repository: str, revision: str) -> None:
        """Fetch a model from the hub, in a process of its own: the user has asked for it by name."""
        self._waiting.append(job.DownloadModelJob(repository=repository, revision=revision))
        self._next()

    def stop(self) -> None:
        """Add no more; what is half copied is removed by the worker."""
        self._waiting.clear()
        self._job.stop()

    def fit(self, model: events.ModelChecked) -> ModelFit | None:
        """Whether a model fits this computer, as far as it was looked at."""
        return fit_of(Path(model.path), machine_of(TrainSettings(), self._workplace.device)) if model.usable else None

    def remove(self, model: events.ModelChecked) -> Removed:
        """Take a model away: a copy of ours goes to the trash, a folder of the user's stays where it is.

        Raises:
            StudioError: The copy cannot be moved to the trash.
        """
        trashed = None
        if model.copied and model_library.is_our_copy(Path(model.path)):
            there, fault = into_trash(Path(model.path))
            if fault:
                raise StudioError(
                    "model.no_trash",
                    f"The copy of {model.name} could not be moved to the trash.",
                    fault,
                    "Delete its folder yourself.",
                    where=model.path,
                )
            trashed = there if there.name else None
        chosen = self._workplace.model
        was_chosen = chosen is not None and chosen.path == model.path
        return Removed(self._workplace.models.remove(model), trashed, was_chosen)

    def take_back(self, removed: Removed) -> None:
        """Undo `remove`; what was chosen is chosen again.

        Raises:
            StudioError: The copy is not in the trash any more.
        """
        if removed.trashed is not None:
            try:
                out_of_trash(removed.trashed, Path(removed.model.path))
            except OSError as error:
                raise StudioError(
                    "model.take_back",
                    f"{removed.model.name} could not be taken back from the trash.",
                    f"{error.strerror}.",
                    "Look for it in the trash of your computer.",
                    where=str(removed.trashed),
                ) from error
        model_library.put_model(removed.model)
        if removed.was_chosen:
            self._workplace.models.choose(model_library.as_it_is(removed.model))
        self._workplace.models_changed.emit()

    def _next(self) -> None:
        if self._waiting and not self._job.going:
            self._job.start(self._waiting.pop(0))
        self._workplace.connected.emit(self.connected_to)
        self.changed.emit()

    def _on_done(self, event: events.ModelChecked) -> None:
        self._workplace.models.take(event)
        self._next()

    def _on_failed(self, problem: Problem) -> None:
        self.failed.emit(problem)
        self._next()
