"""How long it takes: schedule, clock without pauses, estimate, time box."""

import itertools
import math

import pytest

from studio.contract.plan import planned_steps
from studio.contract.settings import TrainSettings
from studio.engine.pace import Pace
from studio.engine.schedule import learning_rate, warmup_steps


class Clock:
    """Time that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def paced(*seconds: float) -> tuple[Pace, Clock]:
    clock = Clock()
    pace = Pace(clock=clock)
    for length in seconds:
        clock.now += length
        pace.took(length)
    return pace, clock


@pytest.mark.parametrize(
    ("values", "per_epoch", "expected"),
    [({"epochs": 3.0}, 7, 21), ({"epochs": 0.5}, 7, 4), ({"epochs": 0.01}, 7, 1), ({"max_steps": 5}, 7, 5)],
)
def test_a_run_is_as_long_as_its_settings_say(values: dict[str, float], per_epoch: int, expected: int) -> None:
    assert planned_steps(TrainSettings(**values), per_epoch) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_learning_rate_warms_up_and_then_follows_its_schedule(schedule: str) -> None:
    settings = TrainSettings(learning_rate=1.0, warmup_share=0.1, schedule=schedule)  # type: ignore[arg-type]
    rates = [learning_rate(settings, step, 100) for step in range(1, 101)]
    assert warmup_steps(settings, 100) == 10
    assert rates[:10] == pytest.approx([step / 11 for step in range(1, 11)])
    assert rates[10] == 1.0
    assert all(rate > 0 for rate in rates)
    if schedule == "constant":
        assert set(rates[10:]) == {1.0}
    else:
        assert all(a > b for a, b in itertools.pairwise(rates[10:]))
        assert rates[-1] < 0.02
        assert rates[10 + 45] == pytest.approx(0.5, abs=0.01)


def test_cosine_with_restarts_starts_anew_as_often_as_it_is_told() -> None:
    settings = TrainSettings(learning_rate=1.0, warmup_share=0.0, schedule="cosine_restarts", schedule_cycles=4)
    rates = [learning_rate(settings, step, 100) for step in range(1, 101)]
    starts = [n for n, (before, after) in enumerate(itertools.pairwise(rates), 1) if after > before]
    assert starts == [25, 50, 75]
    assert rates[24] < 0.01
    assert rates[25] == pytest.approx(1.0, abs=0.01)


def test_warm_up_stable_decay_falls_only_at_the_end() -> None:
    settings = TrainSettings(learning_rate=1.0, warmup_share=0.1, schedule="wsd", decay_share=0.2)
    rates = [learning_rate(settings, step, 110) for step in range(1, 111)]
    assert set(rates[11:90]) == {1.0}
    assert all(a > b for a, b in itertools.pairwise(rates[91:]))
    assert rates[-5] == pytest.approx(1 - math.sqrt(0.75), abs=0.04)
    assert 0 < rates[-1] < 0.15


def test_even_one_step_has_a_learning_rate() -> None:
    assert learning_rate(TrainSettings(learning_rate=0.01, warmup_share=0.5), 1, 1) == 0.01


def test_there_is_no_estimate_before_five_steps_and_five_seconds() -> None:
    assert paced(3, 3, 3, 3)[0].eta(10, 0, TrainSettings()) is None
    assert paced(0.5, 0.5, 0.5, 0.5, 0.5)[0].eta(10, 0, TrainSettings()) is None
    assert paced(1, 1, 1, 1, 1)[0].eta(10, 0, TrainSettings(save_every_minutes=0)) == 10


def test_the_estimate_is_the_median_step_and_what_tests_and_saving_cost() -> None:
    pace, _ = paced(30, 1, 1, 1, 1, 1, 1)
    pace.test_seconds, pace.save_seconds, pace.end_seconds = 2.0, 0.5, 4.0
    assert pace.eta(120, 3, TrainSettings(save_every_minutes=1)) == 120 + 3 * 2 + (1 + 2) * 0.5 + 4


def test_pauses_do_not_count() -> None:
    pace, clock = paced(1, 1)
    pace.hold()
    clock.now += 1000
    assert pace.train_seconds == 2
    pace.go_on()
    clock.now += 3
    assert pace.train_seconds == 5


def test_a_run_taken_up_again_keeps_its_time() -> None:
    clock = Clock()
    pace = Pace(40.0, clock)
    clock.now += 2
    assert pace.train_seconds == 42


def test_the_time_box_leaves_room_for_tests_and_the_end() -> None:
    pace, _ = paced(10, 1, 1, 1, 1)
    pace.test_seconds, pace.end_seconds, pace.save_seconds = 5.0, 6.0, 1.0
    # 100 s less 20 before, 14 so far, 6 at the end, 1 to save: 59; a step costs 1 s and a tenth of a test.
    assert pace.steps_in_box(100, 20, 5, 0.1) == 5 + int(59 / 1.5)
    assert pace.steps_in_box(1, 20, 5, 0.1) == 5
