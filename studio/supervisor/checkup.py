"""The doctor, as the window sees it: one look at a time, in a worker; what it found is kept in the dataset's folder."""

from pathlib import Path

import msgspec
from PySide6.QtCore import QObject, Signal

from studio.contract import commands, events, job
from studio.contract.errors import Problem, StudioError
from studio.contract.settings import TrainSettings
from studio.data.dataset import Dataset, DatasetInfo
from studio.data.doctor.found import last_diagnosis
from studio.data.edits import read_edits
from studio.supervisor.worker_thread import TrainerThread
from studio.supervisor.workplace import Workplace


class Checkup(QObject):
    """Looks through one dataset with the doctor.

    Signals:
        started, progressed: A look began; its `Progress`.
        diagnosed: `Diagnosed`.
        failed: `Problem`.
        ended: Whatever came of it; also when it was cancelled.
    """

    started = Signal()
    progressed = Signal(object)
    diagnosed = Signal(object)
    failed = Signal(object)
    ended = Signal()

    def __init__(self, workplace: Workplace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workplace = workplace
        self._thread: TrainerThread | None = None
        self.work: job.DoctorJob | None = None
        self.done: job.DoctorJob | None = None
        """The last one that was done to its end: what the diagnosis is about."""

    @property
    def going(self) -> bool:
        """Whether the doctor is looking."""
        return self._thread is not None

    def start(self, work: job.DoctorJob) -> None:
        """Look through a dataset; a look that is going on ends, unless it is the same."""
        if self.going and work == self.work:
            return
        self.cancel()
        self.work = work
        self._thread = self._workplace.start_task(work)
        self._thread.event_received.connect(self._on_event)
        self.started.emit()

    def cancel(self) -> None:
        """End a look; what was found before stays."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.event_received.disconnect(self._on_event)
        if thread.isRunning():
            thread.send(commands.Stop(save=False))
        self.ended.emit()

    def _on_event(self, event: object) -> None:
        if self.sender() is not self._thread:
            return  # of a look that was ended: the event was on its way
        if isinstance(event, events.Progress):
            self.progressed.emit(event)
        elif isinstance(event, events.Diagnosed):
            self._thread = None
            self.done = self.work
            if self.work is not None and self.work.model:
                self._workplace.refusals.pop((self.work.dataset, self.work.model), None)
            self.diagnosed.emit(event)
            self.ended.emit()
        elif isinstance(event, events.Failed):
            self._on_failed(event.problem)

    def _on_failed(self, problem: Problem) -> None:
        self._thread = None
        work = self.work
        if work is not None and work.model and problem.code.startswith("model."):
            self._workplace.refusals[(work.dataset, work.model)] = problem
            self.failed.emit(problem)  # the model cannot read some row; all else can still be found
            self.start(msgspec.structs.replace(work, model=""))
            return
        self.failed.emit(problem)
        self.ended.emit()


def longest_text(settings: TrainSettings, model: events.ModelChecked | None) -> int:
    """Longest text in tokens: what the user chose, and never more than the model was made to read."""
    context = model.context if model is not None else 0
    return min(settings.max_tokens, context) if context else settings.max_tokens


def up_to_date(dataset: Dataset, found: events.Diagnosed, work: job.DoctorJob, limit: int) -> bool:
    """Whether a diagnosis is about a dataset as it reads and is split now, and about this model and longest text.

    Args:
        dataset: It.
        found: The diagnosis.
        work: What would be asked now.
        limit: Longest text in tokens, as the settings and the model say; 0 without a model.
    """
    if found.edits != dataset.edits.digest or found.split != dataset.info.split or found.model != work.model:
        return False
    if found.lengths is None or found.lengths.unit != "tokens":
        return True
    return found.lengths.limit == limit and found.general == work.general


def known_too_long(info: DatasetInfo, settings: TrainSettings, model: events.ModelChecked | None) -> int:
    """How many rows these settings would leave out as too long, as far as the doctor has counted it for this model.

    0 where he has not, or where other settings or another model were asked about.
    """
    if settings.too_long != "leave_out":
        return 0
    found = _counted(info, model)
    if found is None or found.lengths is None or found.lengths.limit != longest_text(settings, model):
        return 0
    return sum(one.count for one in found.findings if one.code == "doctor.left_out_as_too_long")


def known_longest(info: DatasetInfo, settings: TrainSettings, model: events.ModelChecked | None) -> int:
    """Tokens of the longest example that these settings keep, where the doctor has counted it; else 0."""
    found, limit = _counted(info, model), longest_text(settings, model)
    if found is None or found.lengths is None or found.lengths.unit != "tokens":
        return 0
    longest = found.lengths.longest
    if settings.replay_share and model is not None and found.general == model.general and found.general_lengths:
        longest = max(longest, found.general_lengths.longest)
    if longest > limit:
        return 0 if settings.too_long == "leave_out" else limit
    return longest


def _counted(info: DatasetInfo, model: events.ModelChecked | None) -> events.Diagnosed | None:
    """The doctor's last diagnosis, where it is about this model and the rows as they read now."""
    found = last_diagnosis(Path(info.folder))
    if found is None or model is None or found.model != model.path:
        return None
    try:
        same = read_edits(Path(info.folder), info.usable).digest == found.edits
    except StudioError:  # told where the dataset is opened
        return None
    return found if same else None


def kept_diagnosis(dataset: Dataset) -> events.Diagnosed | None:
    """What was found last; None where the dataset was imported anew since."""
    found = last_diagnosis(Path(dataset.folder))
    return found if found is not None and found.rows == dataset.info.rows else None
