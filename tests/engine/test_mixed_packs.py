"""The formula's longest pack where general rows are mixed in: never shorter than the loop's, and not much longer."""

import numpy as np
import pytest

from studio.contract.lengths import Lengths, lengths_of
from studio.contract.settings import TrainSettings
from studio.engine.batches import Plan
from studio.engine.planner import longest_pack


def sizes(rows: int, middle: float, seed: int) -> np.ndarray:
    """Skewed lengths of so many rows."""
    return np.random.default_rng(seed).lognormal(np.log(middle), 0.5, rows).astype(int) + 4


def told(own: np.ndarray, general: np.ndarray) -> Lengths:
    return lengths_of(own.tolist(), 0.5, len(own)).mixed_with(lengths_of(general.tolist(), 0.5, len(general)))


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize(("batch", "accumulation"), [(8, 1), (2, 4), (64, 1), (4096, 1)])
@pytest.mark.parametrize(
    ("own", "general"), [((40, 30), (30_000, 200)), ((2000, 30), (1500, 200)), ((600, 200), (900, 30))]
)
def test_a_pack_holds_its_share_of_general_rows_however_many_there_are(
    own: tuple[int, float], general: tuple[int, float], batch: int, accumulation: int, packing: bool
) -> None:
    settings = TrainSettings(batch_size=batch, accumulation=accumulation, packing=packing, epochs=3)
    first, second = sizes(*own, 1), sizes(*general, 2)
    lengths = np.concatenate((first, second))
    plan = Plan(lengths, len(first), settings.replay_share, batch * accumulation, seed=0)
    pack = plan.lengths[longest_pack(plan, settings)]
    made = int(pack.sum()) if packing else len(pack) * int(pack.max())
    formula = told(first, second).pack(settings)
    assert made <= 1.02 * formula
    assert formula < (4 if packing else 5) * made  # the longest of all general rows may be drawn, and mostly is not


@pytest.mark.parametrize(
    ("own", "general", "share", "batch", "accumulation"),
    [
        ([1000] * 4 + [100] * 96, [1000] * 4 + [100] * 96, 0.5, 8, 2),  # long rows of both kinds make the longest
        ([100] * 100, [1000] + [100] * 9, 0.9, 16, 1),  # few general rows, each drawn many times
        ([100] * 1000, [2000] + [100] * 19, 0.5, 16, 1),
    ],
)
def test_the_formula_is_never_below_what_the_loop_packs(
    own: list[int], general: list[int], share: float, batch: int, accumulation: int
) -> None:
    settings = TrainSettings(batch_size=batch, accumulation=accumulation, replay_share=share, epochs=3)
    plan = Plan(np.array(own + general), len(own), share, batch * accumulation, seed=0)
    made = int(plan.lengths[longest_pack(plan, settings)].sum())
    assert made <= 1.02 * told(np.array(own), np.array(general)).pack(settings)
