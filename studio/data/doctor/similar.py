"""Rows of almost the same text, found without comparing each with each: MinHash signatures and bands.

A row's text is the set of its runs of three words (system prompts left out, and runs that a fifth of all rows share: an
instruction that stands in every row makes no two rows alike). A signature keeps, for each of 120 orders of all possible
runs, which of the row's comes first; two rows agree in one place as often as their sets overlap (Broder 1997). Rows
that agree in all six places of one of 20 bands are compared by their whole signatures. What rows say beside that text
must be the same: see `beside.apart`, and `beside.called` where rows of two sides are compared.
docs/decisions/0004-near-duplicates.md says why no library does this here.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from studio.data.doctor.batch import ASSISTANT, SAID, Batch, Hashes, Ints, mixed
from studio.data.doctor.beside import Lazily, apart, called

BANDS, PLACES = 20, 6
ORDERS = BANDS * PLACES
ALIKE = 0.8
"""Share of equal places from which rows count as almost the same. The estimate's spread is 0.04, so hardly any pair
whose sets overlap by less than 70 % passes."""
COMMON_SHARE, COMMON_ROWS = 0.2, 20

_generator = np.random.default_rng(20261124)
_FACTORS = _generator.integers(0, 2**32, ORDERS, dtype=np.uint32) | np.uint32(1)
_MASKS = _generator.integers(0, 2**32, ORDERS, dtype=np.uint32)
_PLACE = _generator.integers(0, 2**63, max(PLACES, 3), dtype=np.uint64) | np.uint64(1)
_COMPARED_AT_ONCE = 100_000


class Similar:
    """Signatures of all rows, and which rows are alike.

    Attributes:
        orders: Signature of each row, (rows, ORDERS); made by `close`.
        blank: Rows without a word, which are like none, (rows).
    """

    def __init__(self, common: Hashes | None = None, roles: tuple[int, ...] = SAID) -> None:
        """Begin with no rows.

        Args:
            common: Runs of words that do not count, sorted; see `common_runs`.
            roles: Whose words count; what the others say is left out. Where those of the assistant do, so do its
                calls, and what else is beside the text.
        """
        self._roles = roles
        self._apart, self._called = Lazily(), Lazily()
        self._common = np.zeros(0, np.uint64) if common is None else common
        self._maybe_common = np.zeros(65536, bool)
        self._maybe_common[(self._common >> np.uint64(48)).astype(np.int64)] = True
        self._parts: list[NDArray[np.uint16]] = []
        self._blank: list[NDArray[np.bool_]] = []
        self.orders = np.zeros((0, ORDERS), np.uint16)
        self.blank = np.zeros(0, bool)

    def add(self, batch: Batch) -> None:
        """Sign some rows."""
        runs, counts = runs_of(batch, self._roles)
        if len(self._common):
            runs, counts = self._without_common(runs, counts)
        signed = np.zeros((ORDERS, len(batch)), np.uint16)
        filled = np.flatnonzero(counts)
        if len(filled):
            begins = (np.cumsum(counts) - counts)[filled]
            short = (runs >> np.uint64(32)).astype(np.uint32)
            values = np.empty_like(short)
            for order in range(ORDERS):
                np.bitwise_xor(short, _MASKS[order], out=values)
                values *= _FACTORS[order]
                signed[order, filled] = np.minimum.reduceat(values, begins) >> np.uint32(16)
        self._parts.append(np.ascontiguousarray(signed.T))
        self._blank.append(counts == 0)
        answered = ASSISTANT in self._roles
        self._apart.add(len(batch), apart(batch.rows, batch.columns, batch.more) if answered else None)
        self._called.add(len(batch), called(batch.more) if answered else None)

    def close(self) -> None:
        """All rows are there."""
        if self._parts:
            self.orders = np.concatenate([self.orders, *self._parts])
            self.blank = np.concatenate([self.blank, *self._blank])
            self._parts, self._blank = [], []

    def within(self, rows: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Pairs of alike rows that teach the same: an earlier one and a later one.

        Args:
            rows: Which rows to compare, ascending.
        """
        rows = rows[~self.blank[rows]]
        for band in range(BANDS):
            bands = self._band(band, rows, self._apart)
            order = np.argsort(bands, kind="stable")
            ranked = bands[order]
            is_first = np.ones(len(order), bool)
            is_first[1:] = ranked[1:] != ranked[:-1]
            group = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
            later = np.flatnonzero(~is_first)
            yield self._alike(rows[order[group[later]]], rows[order[later]])

    def across(self, some: Ints, others: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Pairs of alike rows, one of `some` and one of `others`: for each row at least one of those it is like.

        Other reasons for the answer, or another answer that is worse, make no fair test of a row; another call does.
        """
        some, others = some[~self.blank[some]], others[~self.blank[others]]
        if not len(some) or not len(others):
            return
        for band in range(BANDS):
            one, other = (self._band(band, rows, self._called) for rows in (some, others))
            yield self._alike(*_met(one, other, some, others))
            yield self._alike(*reversed(_met(other, one, others, some)))

    def _band(self, band: int, rows: Ints, beside: Lazily) -> Hashes:
        out = np.zeros(len(rows), np.uint64)
        for place in range(PLACES):
            out += self.orders[rows, band * PLACES + place].astype(np.uint64) * _PLACE[place]
            out = mixed(out)
        beside.mix_into(out, rows)
        return out

    def _alike(self, ones: Ints, others: Ints) -> tuple[Ints, Ints]:
        kept = np.zeros(len(ones), bool)
        for start in range(0, len(ones), _COMPARED_AT_ONCE):
            part = slice(start, start + _COMPARED_AT_ONCE)
            equal = (self.orders[ones[part]] == self.orders[others[part]]).sum(axis=1)
            kept[part] = equal >= ALIKE * ORDERS
        return ones[kept], others[kept]

    def _without_common(self, runs: Hashes, counts: Ints) -> tuple[Hashes, Ints]:
        """Take common runs out, except from rows that hold nothing else."""
        maybe = np.flatnonzero(self._maybe_common[(runs >> np.uint64(48)).astype(np.int64)])
        common = maybe[np.isin(runs[maybe], self._common)]
        if not len(common):
            return runs, counts
        row_of = np.repeat(np.arange(len(counts)), counts)
        taken = np.bincount(row_of[common], minlength=len(counts))
        taken[taken == counts] = 0
        keep = np.ones(len(runs), bool)
        keep[common] = taken[row_of[common]] == 0
        return runs[keep], counts - taken


def _met(asking: Hashes, asked: Hashes, asking_rows: Ints, asked_rows: Ints) -> tuple[Ints, Ints]:
    """For each row that asks: the first row with the same band, where there is one."""
    order = np.argsort(asked, kind="stable")
    place = np.searchsorted(asked[order], asking)
    place[place == len(order)] = 0
    hit = np.flatnonzero(asked[order[place]] == asking)
    return asking_rows[hit], asked_rows[order[place[hit]]]


def runs_of(batch: Batch, roles: tuple[int, ...] = SAID) -> tuple[Hashes, Ints]:
    """Runs of three words of each row; a shorter text is one run.

    Args:
        batch: The rows.
        roles: Whose words count.

    Returns:
        Their hashes, row by row, and how many each row has, (rows).
    """
    words, ends = batch.words, batch.word_offsets
    counts = np.diff(ends)
    said = np.isin(batch.roles, roles)
    if not said.all():
        words = words[np.repeat(said, counts)]
        counts = np.where(said, counts, 0)
    total = np.concatenate(([0], np.cumsum(counts)))[batch.starts]
    sizes = np.diff(total)
    if not len(words):
        return words, sizes
    sums = words * _PLACE[0]
    sums[:-1] += words[1:] * _PLACE[1]
    sums[:-2] += words[2:] * _PLACE[2]
    begins = total[:-1]
    one, two = begins[sizes == 1], begins[sizes == 2]
    sums[one] = words[one] * _PLACE[0]
    sums[two] = words[two] * _PLACE[0] + words[two + 1] * _PLACE[1]
    valid = np.ones(len(words), bool)
    last = total[1:][sizes >= 2] - 1
    valid[last] = False
    valid[last[sizes[sizes >= 2] >= 3] - 1] = False
    return mixed(sums[valid]), np.where(sizes >= 3, sizes - 2, np.minimum(sizes, 1))


def common_runs(batches: Iterator[Batch], roles: tuple[int, ...] = SAID) -> Hashes:
    """Runs of words that stand in a fifth of the rows or more, sorted.

    Args:
        batches: A sample of the dataset.
        roles: Whose words count.
    """
    parts, rows = [], 0
    for batch in batches:
        runs, counts = runs_of(batch, roles)
        rows += len(batch)
        row_of = np.repeat(np.arange(len(batch), dtype=np.uint64), counts)
        # Each run once a row: a pair (row, run) is told apart by a hash of both.
        _, first = np.unique(mixed(runs + row_of * _PLACE[0]), return_index=True)
        parts.append(runs[first])
    if not parts:
        return np.zeros(0, np.uint64)
    runs, seen = np.unique(np.concatenate(parts), return_counts=True)
    return runs[seen >= max(COMMON_ROWS, COMMON_SHARE * rows)]
