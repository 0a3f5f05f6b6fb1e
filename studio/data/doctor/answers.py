"""The last answer of each row as a number, and whether answers are classes."""

import numpy as np

from studio.data.doctor.batch import Batch, Hashes, Ints
from studio.data.doctor.check import Check, Context, Rows

SHORT_BYTES = 64
MOST_CLASSES = 50
ROWS_A_CLASS = 5


class AnswerHashes(Check):
    """A check that compares whole answers with each other."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._hashes, self._short = Rows(), Rows()

    def look(self, batch: Batch) -> None:
        answers = batch.answers
        there = answers >= 0
        hashes = np.zeros(len(batch), np.uint64)
        hashes[there] = batch.text_hashes[answers[there]]
        self._hashes.add(hashes)
        short = np.zeros(len(batch), bool)
        short[there] = batch.sizes[answers[there]] <= SHORT_BYTES
        self._short.add(short)

    def hashes(self) -> Hashes:
        """Of each row's last answer; 0 where it is empty or missing, (rows)."""
        found: Hashes = self._hashes.joined(np.uint64)
        return found

    def classes(self) -> tuple[Ints, Ints]:
        """Of each short answer: the first row that gives it, and how many do, most frequent first."""
        short = np.flatnonzero(self._short.joined(bool) & (self.hashes() != 0))
        _, first, times = np.unique(self.hashes()[short], return_index=True, return_counts=True)
        order = np.lexsort((first, -times))
        return short[first[order]], times[order]

    def are_classes(self) -> bool:
        """Whether the answers are a few short texts, each given several times."""
        rows = len(self.hashes())
        _, times = self.classes()
        return len(times) > 1 and int(times[:MOST_CLASSES].sum()) >= 0.95 * rows and ROWS_A_CLASS * len(times) <= rows
