"""What the window can say of a run's memory before anything is loaded, and better once a dry step was made."""

from pathlib import Path

from studio.contract.diagnosis import Histogram
from studio.contract.errors import Problem
from studio.contract.events import DeviceReport, ModelChecked
from studio.contract.job import TrainJob
from studio.contract.memory_fit import Planner
from studio.contract.memory_plan import Lengths, Machine, MemoryPlan
from studio.contract.model_shape import ModelShape
from studio.contract.settings import TrainSettings
from studio.contract.size_limits import sizes_of, unfitting
from studio.contract.trainable import virtual_tokens
from studio.data.dataset import DatasetInfo
from studio.data.doctor.found import last_diagnosis
from studio.data.edits import EDITS_FILE
from studio.data.host_memory import host_memory
from studio.data.model_fit import read_shape
from studio.supervisor.checkup import known_longest

TOKEN_BYTES = 3.5
"""Of text and its quotes in a file, for each token: a guess until tokens are counted."""
LONGEST = 4
"""The longest row, as multiple of the mean, until lengths are known."""
HEAD_BYTES = 1 << 18
"""Of a file of general rows, from which their number is guessed: this runs in the window's thread."""


class Forecast:
    """Gives a `Planner` for what is chosen; remembers the last dry step."""

    def __init__(self) -> None:
        self._shapes: dict[str, ModelShape | None] = {}
        self._plan: MemoryPlan | None = None
        self._plan_of: tuple[str, str, str, int] | None = None

    def keep(self, work: TrainJob, plan: MemoryPlan) -> None:
        """Remember what a dry step found."""
        self._plan, self._plan_of = plan, _identity(work.model, work.dataset, work.general)

    def planner(
        self,
        model: ModelChecked | None,
        data: DatasetInfo | None,
        settings: TrainSettings,
        train_rows: int,
        report: DeviceReport | None,
    ) -> Planner | None:
        """What is known of model, examples and machine; None where one is missing or unknown.

        Args:
            model, data: As they are chosen.
            settings: Decide the processor.
            train_rows: The user's rows that are learned from.
            report: What this computer has; None while it is being looked at.
        """
        if model is None or data is None or not model.usable:
            return None
        shape = self._shape(model.path)
        if shape is None:
            return None
        machine = machine_of(settings, report)
        if self._plan is not None and self._plan_of == _identity(model.path, data.folder, model.general):
            found, lengths = self._plan.calibration, self._plan.lengths
            if found is not None and lengths.longer and settings.max_tokens > found.settings.max_tokens:
                lengths = _lengths(data, model, train_rows, settings)  # of what it left out nothing was counted
            return Planner(shape, lengths, machine, found if self._plan.machine.device == machine.device else None)
        return Planner(shape, _lengths(data, model, train_rows, settings), machine)

    def knows(self, model: ModelChecked | None, data: DatasetInfo | None) -> bool:
        """Whether anything can be told of this model with these examples."""
        return model is not None and data is not None and model.usable and self._shape(model.path) is not None

    def unfitting(
        self, model: ModelChecked | None, data: DatasetInfo | None, settings: TrainSettings, goes_on: bool = False
    ) -> tuple[Problem, ...]:
        """Settings that the chosen model's sizes forbid, as far as they are known before it is loaded.

        Args:
            model, data: As they are chosen.
            settings: Each within its own limits.
            goes_on: The size is that of an adapter that is there.
        """
        shape = self._shape(model.path) if model is not None and model.usable else None
        if model is None or shape is None:
            return ()
        longest = likely = 0
        if data is not None and (shape.steady or virtual_tokens(settings.method)):
            longest, likely = known_longest(data, settings, model), _lengths(data, model, 0, settings).longest
        return tuple(unfitting(settings, sizes_of(shape), longest, likely, goes_on))

    def _shape(self, path: str) -> ModelShape | None:
        if path not in self._shapes:
            self._shapes[path] = read_shape(Path(path))
        return self._shapes[path]


def machine_of(settings: TrainSettings, report: DeviceReport | None) -> Machine:
    """What trains by these settings, as far as this computer was looked at."""
    gpus = [gpu for gpu in report.gpus if gpu.device] if report is not None else []
    chosen = next((gpu for gpu in gpus if settings.device in ("auto", gpu.device)), None)
    if chosen is not None:
        return Machine(
            device=chosen.device,
            total_bytes=chosen.memory_bytes,
            free_bytes=chosen.free_bytes,
            has_bf16=chosen.has_bf16,
        )
    total, free = host_memory()
    return Machine(device="cpu", total_bytes=total, free_bytes=free)


def _lengths(data: DatasetInfo, model: ModelChecked, train_rows: int, settings: TrainSettings) -> Lengths:
    """By the doctor's histograms where he counted this model's tokens, else by the size of the files."""
    own = max(1, train_rows or data.usable)
    found = last_diagnosis(Path(data.folder))
    if found is not None and found.lengths is not None and found.lengths.unit == "tokens" and found.model == model.path:
        lengths = Lengths(rows=own, own=own, points=_points(found.lengths), source="doctor")
    else:
        found = None
        size = sum(source.size_bytes for source in data.sources)
        lengths = _guessed(own, size / max(1, data.rows))
    if not model.general or not settings.replay_share:
        return lengths
    if found is not None and found.general == model.general and found.general_lengths is not None:
        rows, points = found.general_rows, _points(found.general_lengths)
        return lengths.mixed_with(Lengths(rows=rows, own=rows, points=points, source="doctor"))
    general = _guessed_file(Path(model.general))
    return lengths if general is None else lengths.mixed_with(general)


def _guessed(rows: int, row_bytes: float) -> Lengths:
    mean = row_bytes / TOKEN_BYTES
    points = tuple(round(max(8.0, mean * share)) for share in (0.25, 0.5, 0.75, 1, 1.25, 1.75, LONGEST))
    return Lengths(rows=rows, own=rows, points=points, source="guess")


def _guessed_file(path: Path) -> Lengths | None:
    """General rows by the first lines of their file; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            head, size = file.read(HEAD_BYTES), path.stat().st_size
    except OSError:
        return None
    row_bytes = len(head) / max(1, head.count(b"\n"))
    return _guessed(max(1, round(size / row_bytes)), row_bytes) if head else None


def _points(histogram: Histogram) -> tuple[int, ...]:
    """Lengths at evenly spaced ranks from bars: the upper edge of the bar that holds the rank."""
    total = max(1, sum(histogram.counts))
    points: list[int] = []
    passed, ranks = 0, 64
    for place, count in enumerate(histogram.counts):
        passed += count
        while len(points) < ranks and (len(points) + 1) / ranks <= passed / total + 1e-9:
            points.append(min(histogram.edges[place + 1], histogram.longest))
    return (*points, histogram.longest)


def _identity(model: str, dataset: str, general: str) -> tuple[str, str, str, int]:
    """What a dry step was about; another one where the rows were edited since."""
    try:
        changed = (Path(dataset) / EDITS_FILE).stat().st_mtime_ns
    except OSError:
        changed = 0
    return model, dataset, general, changed
