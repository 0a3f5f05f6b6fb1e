"""What is proposed after the memory ran out, and what a checkpoint bears."""

from typing import Any

import msgspec
import pytest

from studio.contract.memory_fit import Planner, changed
from studio.contract.memory_plan import Calibration
from studio.contract.methods import METHODS
from studio.contract.relief import LEAST_SHARE, relief
from studio.contract.settings import TrainSettings
from studio.contract.taking_up import may_follow
from tests.data.test_memory_plan import cpu, gpu, planner, shape


def settings(**values: Any) -> TrainSettings:
    return TrainSettings(**{"batch_size": 16, "gradient_checkpointing": "off"} | values)


def test_even_where_it_was_thought_to_fit_less_is_proposed() -> None:
    """The memory ran out, so the estimate was too low, or other programs took what was free."""
    plans, now = planner(64), settings()
    assert plans.fits(now)
    found = relief(plans, now)
    assert found.suggested[0] == "batch"
    then = changed(now, found.sets(found.suggested))
    assert then.batch_size < now.batch_size
    assert then.batch_size * then.accumulation == now.batch_size * now.accumulation
    assert plans.estimate(then).total < plans.estimate(now).total


def test_everything_that_can_be_done_is_listed_mildest_first_with_gain_and_cost() -> None:
    found = relief(Planner(shape(), planner(1).lengths, gpu(14)), settings(quantisation="none", precision="bf16"))
    assert [change.kind for change in found.changes] == [
        *("batch", "checkpointing", "offload", "quantisation", "length")
    ]
    assert all(change.gains_bytes > 0 and change.what and change.costs for change in found.changes)


def test_a_model_that_takes_most_while_it_is_loaded_is_helped_by_the_formula() -> None:
    """The dry step says that nothing of the settings matters; but the memory ran out in a step."""
    plain, now = planner(8), settings()
    most = 2 * plain.estimate(now).total
    measured = Calibration(settled_bytes=0, work=1.0, pack=1.0, least_bytes=most, settings=now)
    assert Planner(plain.shape, plain.lengths, plain.machine, measured).changes(now, ("batch",)) == ()
    found = relief(Planner(plain.shape, plain.lengths, plain.machine, measured), now)
    assert found.suggested[0] == "batch"


def test_texts_are_shortened_only_where_nothing_else_is_left() -> None:
    tight = Planner(shape(), planner(1).lengths, cpu(2))
    found = relief(tight, settings())
    assert not found.enough
    assert "length" not in found.suggested
    assert "length" in [change.kind for change in found.changes]
    last = relief(tight, settings(batch_size=1, gradient_checkpointing="on", quantisation="nf4"))
    assert last.suggested == ("length",)


def test_what_gains_next_to_nothing_is_listed_but_not_suggested() -> None:
    """A small model is helped by fewer examples at once; 4-bit weights would cost exactness for two megabytes."""
    tiny = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
    small = Planner(shape(**tiny, vocab_size=50_000), planner(1).lengths, cpu(0.001))
    now = settings()
    found = relief(small, now)
    total = small.estimate(now).total
    gains = {change.kind: change.gains_bytes / total for change in found.changes}
    assert gains["quantisation"] < LEAST_SHARE < gains["batch"]
    assert "quantisation" not in found.suggested
    assert "batch" in found.suggested
    assert not found.enough


def test_what_a_way_of_tuning_does_not_bear_is_not_proposed() -> None:
    found = relief(Planner(shape(), planner(1).lengths, cpu(2)), settings(method=METHODS["full"].settings()))
    assert "quantisation" not in [change.kind for change in found.changes]


def test_where_nothing_is_left_nothing_is_proposed() -> None:
    least = settings(batch_size=1, gradient_checkpointing="on", quantisation="nf4", max_tokens=64)
    found = relief(Planner(shape(), planner(1).lengths, cpu(1)), least)
    assert (found.changes, found.suggested, found.enough) == ((), (), False)


def test_every_proposal_may_follow_the_run_s_own_settings() -> None:
    now = settings()
    for free in (0.5, 2, 8, 64):
        found = relief(Planner(shape(), planner(1).lengths, cpu(free)), now)
        assert may_follow(now, changed(now, found.sets(tuple(change.kind for change in found.changes))))


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"batch_size": 4, "accumulation": 4}, True),
        ({"batch_size": 8}, False),
        ({"gradient_checkpointing": "on", "quantisation": "nf4", "save_every_minutes": 9.0}, True),
        ({"max_tokens": 512}, True),
        ({"max_tokens": 4096}, False),
        ({"max_tokens": 512, "seed": 3}, False),
        ({"optimiser": "adamw_8bit"}, False),
        ({"learning_rate": 1e-3}, False),
    ],
)
def test_only_what_leaves_the_optimiser_s_memory_valid_may_change(changes: dict[str, Any], allowed: bool) -> None:
    assert may_follow(settings(), msgspec.structs.replace(settings(), **changes)) is allowed
