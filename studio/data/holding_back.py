"""Few rows, of which chance holds back none: another seed under which some are.

The rule stays what it is (same row, same side, always): a seed is chosen once, by a person, and kept with the dataset.
Holding back the nearest row instead would move rows from one side to the other whenever some are added or left out.
"""

from studio.data.dataset import Dataset
from studio.data.split import position

MOST_HASHES = 100_000
"""Some 0.1 s. More rows than a few hundred need no more than a few seeds."""
_MOST_SEEDS = 5_000


def seed_that_holds_back(dataset: Dataset, share: float) -> tuple[int, int] | None:
    """A seed under which some rows are held back and some are not, and how many are; None where there is none.

    The first whose number comes nearest to the share, but not to none.

    Args:
        dataset: As it reads now; split by chance.
        share: The setting `held_back_share`.
    """
    if dataset.info.split.by != "hash" or share <= 0:
        return None
    keys = [key for key, side in zip(dataset.keys(), dataset.given_sides(), strict=True) if not side]
    if len(set(keys)) < 2:
        return None
    wanted = max(1, round(share * len(keys)))
    best: tuple[int, int] | None = None
    for seed in range(1, min(_MOST_SEEDS, max(10, MOST_HASHES // len(keys)))):
        if seed == dataset.info.split.seed:
            continue
        held = sum(position(key, seed) < share for key in keys)
        if 0 < held < len(keys) and (best is None or abs(held - wanted) < abs(best[1] - wanted)):
            best = seed, held
        if best is not None and best[1] == wanted:
            break
    return best
