"""What is said of memory that does not suffice, and of memory that would hold more."""

import pytest

from studio.contract.advice import advise
from studio.contract.fields import build
from studio.contract.memory_fit import LARGEST_BATCH, Planner, changed, fix_after_all, nearest_fix, refusal
from studio.contract.memory_plan import lengths_of
from studio.contract.settings import TrainSettings
from tests.data.test_memory_plan import GB, SKEWED, cpu, planner, shape

LEANEST = {"batch_size": 1, "gradient_checkpointing": "on", "quantisation": "nf4", "optimiser": "adamw_8bit"}
SHORT = lengths_of([40] * 1000, 0.5, own=1000)


@pytest.mark.parametrize("free", [5.0, 64.0])
def test_after_it_ran_out_a_change_is_named_however_much_seemed_free(free: float) -> None:
    settings = build(TrainSettings, {"gradient_checkpointing": "off"})
    there = planner(free)
    assert there.fits(settings)
    fix = fix_after_all(there, settings)
    assert "Read 2 instead of 8 examples at once, and gather 4 times. (--batch-size 2 --accumulation 4)" in fix
    assert "By the estimate that takes" in fix
    assert "Then it needs" not in fix  # how much it needs is not known: the estimate was too low


def test_after_it_ran_out_with_all_changes_made_it_is_said_that_none_is_left() -> None:
    there, settings = planner(64, SHORT), build(TrainSettings, LEANEST)
    assert fix_after_all(there, settings) == (
        "Close other programs, or choose a smaller model: no setting is left that saves memory."
    )


def test_no_sum_is_told_where_no_change_was() -> None:
    assert nearest_fix(planner(64), TrainSettings()) == "By the estimate it fits as it is. Start it again."
    hopeless = nearest_fix(planner(0.2, SHORT), build(TrainSettings, LEANEST))
    assert hopeless.endswith("no change of these settings makes it fit.")


def test_a_refusal_tells_what_is_missing_and_how_far_all_changes_would_lead() -> None:
    problem = refusal(Planner(shape(), SKEWED, cpu(2)), TrainSettings())
    assert problem is not None
    needed = planner_total(2)
    assert f"2.0 GB are free; {needed - 2:.1f} GB are missing." in problem.what
    assert "(with all of them it still needs about " in problem.fix


def test_where_not_even_the_least_fits_no_text_is_cut_for_nothing_and_it_is_said() -> None:
    ample, least = planner(64), build(TrainSettings, {"batch_size": 1, "max_tokens": 64})
    tight = planner(0.9 * ample.estimate(least).high / GB)
    advice = {one.path: one for one in advise(TrainSettings(), tight)}
    assert advice["max_tokens"].value == 960
    assert advice["batch_size"].value == 1
    assert advice["batch_size"].reason.startswith("Not even one at a time is sure to fit")
    fit = tight.make_it_fit(TrainSettings())
    assert not fit.fits
    assert not tight.is_beyond(fit)  # it may fit
    beyond = planner(0.9 * fit.estimate.total / GB)
    assert beyond.is_beyond(beyond.make_it_fit(TrainSettings()))
    assert not ample.is_beyond(ample.make_it_fit(TrainSettings()))


def planner_total(free: float) -> float:
    return Planner(shape(), SKEWED, cpu(free)).estimate(TrainSettings()).total / GB


def test_where_our_limit_ends_the_batch_it_is_said_and_where_memory_does_not() -> None:
    settings = build(TrainSettings, {"batch_size": 8, "gradient_checkpointing": "off"})
    many = lengths_of([40] * 50_000, 0.5, own=50_000)
    (capped,) = planner(64, many).use_memory(settings).changes
    assert capped.sets["batch_size"] == LARGEST_BATCH
    assert f"Memory would hold more; beyond {LARGEST_BATCH} we propose none" in capped.costs
    needs = planner(64, many).estimate(changed(settings, {"batch_size": LARGEST_BATCH})).high / GB
    (bounded,) = planner(needs * 1.001, many).use_memory(settings).changes
    assert bounded.sets["batch_size"] == LARGEST_BATCH
    assert "Memory would hold more" not in bounded.costs
    few = lengths_of([40] * 500, 0.5, own=500)
    (short,) = planner(64, few).use_memory(build(TrainSettings, {"batch_size": 4, "epochs": 3.0})).changes
    assert short.sets["batch_size"] < LARGEST_BATCH
    assert short.costs.endswith("Memory would hold more, but too few corrections would be left.")
    (same,) = planner(64, few).use_memory(build(TrainSettings, {"batch_size": 1, "accumulation": 16})).changes
    assert same.sets == {"batch_size": 16, "accumulation": 1}
    assert same.costs == "Faster; the result stays the same. " + short.costs.partition("fewer. ")[2]
