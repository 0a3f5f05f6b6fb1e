"""How long the run takes: training time without pauses, the estimate of the rest, the time box."""

import statistics
import time
from collections import deque
from collections.abc import Callable

from studio.contract.settings import TrainSettings

MIN_STEPS = 5
MIN_SECONDS = 5.0
WINDOW = 30


class Pace:
    """A clock that can be held.

    Attributes:
        test_seconds: What one test during training last cost.
        save_seconds: What one checkpoint last cost.
        end_seconds: What the tests at the end will cost, by those at the start.
    """

    def __init__(self, already: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Start counting; `already` seconds of training lie in earlier parts of this run."""
        self._clock = clock
        self._began = clock() - already
        self._held_since: float | None = None
        self._steps: deque[float] = deque(maxlen=WINDOW)
        self.test_seconds = 0.0
        self.save_seconds = 0.0
        self.end_seconds = 0.0

    @property
    def train_seconds(self) -> float:
        """Training time so far, pauses left out."""
        now = self._held_since if self._held_since is not None else self._clock()
        return now - self._began

    def hold(self) -> None:
        """The run pauses."""
        self._held_since = self._clock()

    def go_on(self) -> None:
        """The pause is over."""
        if self._held_since is not None:
            self._began += self._clock() - self._held_since
            self._held_since = None

    def took(self, seconds: float) -> None:
        """One more step took this long."""
        self._steps.append(seconds)

    def step_seconds(self) -> float:
        """Median of the last steps; the very first ones, which warm everything up, weigh little in it."""
        return statistics.median(self._steps)

    def eta(self, steps_left: int, tests_left: int, settings: TrainSettings) -> float | None:
        """Estimated rest in seconds, tests and saving included; None before 5 steps and 5 seconds."""
        if len(self._steps) < MIN_STEPS or self.train_seconds < MIN_SECONDS:
            return None
        rest = steps_left * self.step_seconds() + tests_left * self.test_seconds
        every = settings.save_every_minutes * 60
        saves = 1 + (rest // every if every else 0)
        return rest + saves * self.save_seconds + self.end_seconds

    def steps_in_box(self, box_seconds: float, spent_before: float, steps_done: int, tests_per_step: float) -> int:
        """How many steps fit into the time box, those done included.

        Args:
            box_seconds: The whole box.
            spent_before: Seconds before training began (loading, tests of the base).
            steps_done: Steps so far.
            tests_per_step: Tests during training, by the steps planned.
        """
        left = box_seconds - spent_before - self.train_seconds - self.end_seconds - self.save_seconds
        each = min(self._steps) if len(self._steps) < 2 else statistics.median(list(self._steps)[1:])
        return steps_done + max(0, int(left / (each + tests_per_step * self.test_seconds)))
