"""Where a run stands, told by its events: one state, one set of figures. Knows no widget."""

from dataclasses import dataclass, field
from typing import Literal

from studio.contract import events
from studio.contract.errors import Problem

State = Literal["preparing", "running", "pausing", "paused", "stopping", "done", "stopped", "discarded", "failed"]

ENDED: tuple[State, ...] = ("done", "stopped", "discarded", "failed")


@dataclass
class RunProgress:
    """Fed with every event of one run, in order.

    Attributes:
        stage: The named stage of preparation (or of the end) that goes on.
        notices: Risky but allowed, newest last, each once.
        answers: Sample answers, oldest first.
        silent_seconds: Since the last sign of life, where that is long.
    """

    state: State = "preparing"
    stage: events.Progress | None = None
    started: events.Started | None = None
    step: events.Step | None = None
    report: events.DataReport | None = None
    planned: events.MemoryPlanned | None = None
    finished: events.Finished | None = None
    failed: events.Failed | None = None
    paused_by: Problem | None = None
    saved: events.CheckpointSaved | None = None
    stop_saves: bool = True
    silent_seconds: int = 0
    notices: list[Problem] = field(default_factory=list)
    answers: list[events.SampleAnswer] = field(default_factory=list)
    _saved_step: events.Step | None = None

    def feed(self, event: object) -> bool:
        """Take in one event. True where the state changed."""
        before = (self.state, self.silent_seconds > 0)
        self.silent_seconds = 0
        match event:
            case events.Hello():
                self.begin_again()
            case events.Progress():
                self.stage = event
            case events.Started():
                self.started, self.stage = event, None
                self.answers = [answer for answer in self.answers if answer.step < event.first_step]
                self._become("running")
            case events.Step():
                self.step, self.stage = event, None
                if self.state == "preparing":
                    self.state = "running"
            case events.DataReport():
                self.report = event
            case events.MemoryPlanned():
                self.planned = event
            case events.Notice():
                if event.problem not in self.notices:
                    self.notices.append(event.problem)
            case events.SampleAnswer():
                self.answers.append(event)
            case events.CheckpointSaved():
                self.saved = event
            case events.Pausing():
                self._become("pausing")
            case events.Paused():
                self.paused_by = event.problem
                if event.problem is not None:
                    self.state = "paused"  # even on the way out: someone must make room on the disk
                self._become("paused")
            case events.Resumed():
                self.paused_by = None
                self._become("running")
            case events.Stopping():
                self.stop_saves = event.save
                self._become("stopping")
            case events.Finished():
                self.finished, self.stage = event, None
                if event.went_back:
                    self.step = self._saved_step
                    self.answers = [answer for answer in self.answers if answer.step <= event.steps]
                elif event.adapter and self.step is not None and self.step.step == event.steps:
                    self._saved_step = self.step
                self.state = _END.get(event.reason, "done")
            case events.Failed():
                self.failed, self.stage = event, None
                self.state = "failed"
        return before != (self.state, False)

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        return self.state in ENDED

    @property
    def share(self) -> float:
        """Done part of the steps, 0 to 1."""
        return self.step.step / max(1, self.step.total_steps) if self.step is not None else 0.0

    def begin_again(self) -> None:
        """A worker said hello: a first one, or one that takes the run up again."""
        self.state, self.stage = "preparing", None
        self.finished = self.failed = self.started = self.paused_by = None

    def _become(self, state: State) -> None:
        """A stop that was asked for stays asked for."""
        if self.state != "stopping":
            self.state = state


_END: dict[str, State] = {"stopped": "stopped", "discarded": "discarded"}
