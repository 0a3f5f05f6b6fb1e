"""The curves of one run, fed event by event: live from the worker or replayed from its events.jsonl. Knows no Qt."""

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from studio.contract import events
from studio.ui.widgets.curve import Series

CurveName = Literal["loss", "held_back", "learning_rate", "grad_norm", "speed", "memory"]

CURVES: tuple[CurveName, ...] = ("loss", "held_back", "learning_rate", "grad_norm", "speed", "memory")

_SPIKE_AFTER_STEPS = 20
_SPIKE_DEVIATIONS = 8.0
_SPIKE_RATIO = 1.5


@dataclass
class _Watch:
    """A slow average of the loss and of its usual distance from it: what a spike stands out from."""

    steps: int = 0
    mean: float = 0.0
    deviation: float = 0.0

    def is_spike(self, loss: float) -> bool:
        """Whether a loss stands far out; otherwise it joins the average."""
        distance = loss - self.mean
        if (
            self.steps >= _SPIKE_AFTER_STEPS
            and distance > _SPIKE_DEVIATIONS * self.deviation
            and loss > _SPIKE_RATIO * self.mean
        ):
            return True
        self.steps += 1
        weight = max(0.05, 1 / self.steps)
        self.mean += weight * distance
        self.deviation += weight * (abs(distance) - self.deviation)
        return False


@dataclass
class RunCurves:
    """Every point of one run.

    Attributes:
        series: By name; memory in bytes, speed in tokens per second.
        checkpoints: Steps at which one was saved.
        spikes: Steps whose loss stood far out, with the loss.
        broken_step: First step whose loss was not a number, or 0.
        total_steps: Planned.
        version: Rises with every change, so that a plot knows whether there is anything new.
    """

    series: dict[CurveName, Series] = field(default_factory=lambda: {name: Series() for name in CURVES})
    checkpoints: list[int] = field(default_factory=list)
    spikes: list[tuple[int, float]] = field(default_factory=list)
    broken_step: int = 0
    total_steps: int = 0
    held_back_rows: int | None = None
    version: int = 0
    _watch: _Watch = field(default_factory=_Watch)
    _best: list[tuple[int, float]] = field(default_factory=list)
    _tests: list[int] = field(default_factory=list)
    _kept: dict[int, bool | None] = field(default_factory=dict)

    def feed(self, event: object) -> bool:
        """Take in one event at a cost that does not grow with the run. True where it changed a curve."""
        match event:
            case events.Step():
                self._add_step(event)
            case events.Evaluated():
                self._add_test(event)
            case events.CheckpointSaved():
                self.checkpoints.append(event.step)
            case events.Started():
                self.total_steps = event.total_steps
                self.cut(event.first_step)
            case events.Finished() if event.went_back:
                self.cut(event.steps + 1)
            case events.DataReport():
                self.held_back_rows = event.held_back_rows
            case _:
                return False
        self.version += 1
        return True

    def cut(self, first_step: int) -> None:
        """Drop what came after the checkpoint that the run was taken up from; it is trained again."""
        for series in self.series.values():
            series.cut(first_step)
        self.checkpoints = [step for step in self.checkpoints if step < first_step]
        self.spikes = [(step, loss) for step, loss in self.spikes if step < first_step]
        self._best = [(step, loss) for step, loss in self._best if step < first_step]
        self._tests = [step for step in self._tests if step < first_step]
        if self.broken_step >= first_step:
            self.broken_step = 0
        self._watch = _Watch()

    def _add_step(self, event: events.Step) -> None:
        self.total_steps = event.total_steps
        seconds = event.train_seconds
        add = self.series
        add["loss"].append(event.step, seconds, event.loss)
        add["learning_rate"].append(event.step, seconds, event.learning_rate)
        add["grad_norm"].append(event.step, seconds, event.grad_norm)
        speed = event.tokens / event.step_seconds if event.step_seconds > 0 else math.nan
        add["speed"].append(event.step, seconds, speed)
        add["memory"].append(event.step, seconds, event.memory_bytes)
        if not math.isfinite(event.loss):
            self.broken_step = self.broken_step or event.step
        elif self._watch.is_spike(event.loss):
            self.spikes.append((event.step, event.loss))

    def _add_test(self, event: events.Evaluated) -> None:
        steps = self.series["loss"]
        seconds = float(steps.seconds[-1]) if len(steps) and event.step > 0 else 0.0
        self.series["held_back"].append(event.step, seconds, event.loss)
        self._tests.append(event.step)
        if math.isfinite(event.loss) and (not self._best or event.loss < self._best[-1][1]):
            self._best.append((event.step, event.loss))
            self._kept[event.step] = event.kept

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and loss of the best test on held-back rows."""
        return self._best[-1] if self._best else None

    @property
    def best_is_kept(self) -> bool | None:
        """Whether what was learned at the best test is kept; None where that is not known."""
        return self._kept.get(self._best[-1][0]) if self._best else None

    @property
    def tests_without_gain(self) -> int:
        """Tests since the best one."""
        best = self.best
        return sum(step > best[0] for step in self._tests) if best else 0

    @property
    def last_step(self) -> int:
        """Step of the newest point."""
        steps = self.series["loss"].steps
        return int(steps[-1]) if len(steps) else 0


class PlottedRun(NamedTuple):
    """A run in the plot, by its shown name."""

    name: str
    curves: RunCurves
