"""Advice for settings, by rule and by a range test."""

import math

import msgspec
import pytest

from studio.contract.advice import MOST_PASSES, advise, advised_rate, is_tested, sets_of
from studio.contract.fields import build
from studio.contract.memory_fit import changed
from studio.contract.memory_plan import (
    lengths_of,
)
from studio.contract.range_test import is_over, rates, result_of
from studio.contract.settings import TrainSettings
from tests.data.test_memory_plan import planner, shape


def test_a_larger_batch_leaves_enough_corrections() -> None:
    few = lengths_of([50] * 40, 0.5, own=40)
    assert planner(64, few).use_memory(build(TrainSettings, {"batch_size": 8})).changes == ()


@pytest.mark.parametrize(("rows", "passes"), [(10, MOST_PASSES), (150, 3), (60, 7), (5000, 3), (80_000, 1)])
def test_small_data_is_read_more_often(rows: int, passes: int) -> None:
    lengths = lengths_of([60] * rows, 0.5, own=rows)
    advice = {one.path: one for one in advise(TrainSettings(), planner(64, lengths))}
    assert advice["epochs"].value == passes
    assert f"{rows:,} examples" in advice["epochs"].reason


def test_the_advised_rate_follows_the_models_width() -> None:
    wide, narrow = shape(), shape(hidden_size=256, num_attention_heads=4)
    settings = TrainSettings()
    assert advised_rate(settings, wide) == pytest.approx(2.9e-4)  # 5e-4 * (2000 / 4096) ** 0.781
    assert advised_rate(settings, narrow) == pytest.approx(2.5e-3)
    qwen = msgspec.structs.replace(wide, kind="qwen3")
    assert advised_rate(settings, qwen) == pytest.approx(4.7e-4)
    assert advised_rate(build(TrainSettings, {"optimiser": "lion"}), wide) < 1e-4


def test_the_advised_length_is_that_of_the_longest_example() -> None:
    advice = {one.path: one for one in advise(TrainSettings(), planner(64))}
    assert advice["max_tokens"].value == 960
    long = lengths_of([20_000] * 300, 0.5, own=300)
    reason = {one.path: one for one in advise(TrainSettings(), planner(64, long))}["max_tokens"]
    assert (reason.value, "no more than 8,192" in reason.reason) == (8192, True)


def test_advice_that_is_taken_leaves_nothing_to_advise_and_fits() -> None:
    for rows, free in ((30, 4.0), (1000, 1.5), (20_000, 64.0)):
        lengths = lengths_of([60] * (rows - 5) + [900] * 5, 0.5, own=rows)
        asked = planner(free, lengths)
        settings = changed(TrainSettings(), sets_of(advise(TrainSettings(), asked)))
        assert sets_of(advise(settings, asked)) == {}, (rows, free)
        assert asked.fits(settings)


def test_every_piece_of_advice_has_a_reason_and_a_source() -> None:
    for one in advise(TrainSettings(), planner(64)):
        assert one.reason.endswith(".")
        assert one.source


def valley(rate: float) -> float:
    """Flat, then falling to its lowest at 1e-2, then rising."""
    place = math.log10(rate)
    return 3.0 - max(0.0, min(1.0, (place + 4) / 2)) * 2 + max(0.0, (place + 2)) * 8


def test_a_range_test_suggests_where_the_loss_falls_and_stays_clear_of_where_it_rises() -> None:
    result = result_of([(rate, valley(rate)) for rate in rates(60)])
    assert result.suggestion is not None
    assert 1e-4 < result.suggestion <= 1.3e-3
    assert "a safe distance" in result.reason


def test_a_range_test_that_was_still_falling_where_it_ends_lowers_no_advice() -> None:
    def falling(highest: float) -> list[tuple[float, float]]:
        return [
            (rate, 3.0 - min(1.0, place / 10) - place / 60) for place, rate in enumerate(rates(60, highest=highest))
        ]

    kept = result_of(falling(1.0), highest=1.0, by_rule=3e-2)
    assert kept.suggestion == 3e-2
    assert "was still falling at 1, where the test ends: it found no reason to go below the 0.03" in kept.reason
    less = result_of(falling(1.0), highest=1.0, by_rule=1e-9)
    assert less.suggestion is not None
    assert less.suggestion < 3e-2
    assert "was still falling at 1;" in less.reason
    blown = result_of([*falling(1.0)[:40], (1.0, float("nan"))], highest=1.0, by_rule=3e-2)
    assert blown.suggestion is not None
    assert blown.suggestion < 3e-2
    assert "was lost above" in blown.reason


def test_a_flat_or_too_short_range_test_suggests_nothing() -> None:
    assert result_of([(rate, 2.0) for rate in rates(60)]).suggestion is None
    assert result_of([(rate, valley(rate)) for rate in rates(60)[:5]]).suggestion is None
    broken = result_of([(rate, float("nan")) for rate in rates(60)])
    assert (broken.suggestion, broken.points) == (None, ())


def test_a_range_test_ends_where_the_loss_blows_up() -> None:
    assert not is_over([3.0] * 20)
    assert not is_over([3.0] * 19 + [9.0])  # one bad batch
    assert is_over([3.0] * 18 + [9.0, 9.0])
    assert is_over([3.0, float("nan")])


def test_a_range_test_is_advised_in_place_of_the_rule_and_says_so() -> None:
    settings, there = TrainSettings(), planner(16)
    tested = result_of([(rate, 3.0 - min(2.0, max(0.0, place - 30) / 10)) for place, rate in enumerate(rates(60))])
    by_rule = next(one for one in advise(settings, there) if one.path == "learning_rate")
    tried = next(one for one in advise(settings, there, tested) if one.path == "learning_rate")
    assert tried.value == tested.suggestion != by_rule.value
    assert tested.reason in tried.reason
    assert f"{by_rule.value:.2g} would be advised" in tried.reason
    nothing = next(one for one in advise(settings, there, result_of([])) if one.path == "learning_rate")
    assert nothing == by_rule
    assert is_tested(changed(settings, {"learning_rate": 1e-3, "epochs": 9.0}), settings)
    assert not is_tested(changed(settings, {"batch_size": settings.batch_size * 2}), settings)
