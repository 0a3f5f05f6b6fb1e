"""Keys of rows as numbers, and which rows repeat another."""

import numpy as np

from studio.data.doctor.batch import Hashes, Ints
from studio.data.doctor.check import Context


def stored_rows(context: Context) -> Ints:
    """The stored row of each row, (rows)."""
    dataset = context.dataset
    rows = np.arange(dataset.table.num_rows)
    if not dataset.edits.excluded:
        return rows
    keep = np.ones(len(rows), bool)
    keep[list(dataset.edits.excluded)] = False
    return rows[keep]


def key_numbers(context: Context) -> Hashes:
    """`Record.key` of each row as a number, (rows)."""
    keys = context.dataset.keys()
    return np.fromiter((int(key, 16) for key in keys), np.uint64, len(keys))


def repeats(context: Context) -> tuple[Ints, Ints]:
    """Rows that repeat an earlier one of their side, ascending, and the first such row of each; numbers among all."""
    keys = key_numbers(context)
    keys[context.held] ^= np.uint64(0x5555555555555555)  # two sides, two sets of keys
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = ranked[1:] != ranked[:-1]
    first = order[np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))]
    later = order[~is_first]
    earlier = first[~is_first]
    by_row = np.argsort(later)
    return later[by_row], earlier[by_row]
