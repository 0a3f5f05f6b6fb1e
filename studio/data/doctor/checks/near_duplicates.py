"""Rows of almost the same text as an earlier row of their side. The first is kept."""

from collections.abc import Iterator

import numpy as np

from studio.data.doctor.batch import Ints
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Found
from studio.data.doctor.keys import repeats, stored_rows
from studio.data.doctor.similar import BANDS
from studio.data.wording import count


class Check(Base):
    """Leaves word-for-word repetitions to `exact_duplicates`."""

    def findings(self) -> Iterator[Found]:
        held = self.context.held
        again = np.zeros(len(held), bool)
        again[repeats(self.context)[0]] = True
        later, earlier = [], []
        for side in (False, True):
            pairs = self._pairs(np.flatnonzero((held == side) & ~again))
            found = _keep_first(pairs)
            later += [row for row, _ in found]
            earlier += [row for _, row in found]
        if not later:
            return
        order = np.argsort(later)
        stored = stored_rows(self.context)
        rows = stored[np.asarray(later)[order]]
        yield self.found(
            "near_duplicates",
            "warning" if len(rows) > 0.01 * len(held) else "hint",
            f"{count(len(rows), 'row is', 'rows are')} almost the same as an earlier row.",
            rows,
            why="Texts that differ in a few words are learned more strongly. About 80 % or more of the runs "
            "of three words are the same in both.",
            fix="drop_near_duplicates",
            because=stored[np.asarray(earlier)[order]],
            part="row",
        )

    def _pairs(self, rows: Ints) -> Ints:
        """(pairs, 2): an earlier and a later row, each pair once, by the later one."""
        found = [np.zeros((0, 2), np.int64)]
        for band, (ones, others) in enumerate(self.context.similar.within(rows)):
            self.context.tick("Comparing rows", band, BANDS)
            found.append(np.stack([others, ones], axis=1))
        return np.unique(np.concatenate(found), axis=0) if len(found) > 1 else found[0]


def _keep_first(pairs: Ints) -> list[tuple[int, int]]:
    """Rows to drop, each with the kept row that it resembles: only likeness to a row that stays counts."""
    dropped: dict[int, int] = {}
    for later, earlier in pairs.tolist():
        if later not in dropped and earlier not in dropped:
            dropped[later] = earlier
    return list(dropped.items())
