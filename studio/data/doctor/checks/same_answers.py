"""One and the same answer to several questions, where answers are no classes."""

from collections.abc import Iterator

import numpy as np

from studio.data.doctor.answers import AnswerHashes
from studio.data.doctor.batch import Batch, Hashes, Ints
from studio.data.doctor.check import Context, Found, Rows
from studio.data.doctor.keys import repeats, stored_rows
from studio.data.wording import count

FEWEST = 3


class Check(AnswerHashes):
    """Counts to how many questions each text is the answer; rows that ask the same again do not count twice."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._questions = Rows()

    def look(self, batch: Batch) -> None:
        super().look(batch)
        self._questions.add(_questions(batch))

    def findings(self) -> Iterator[Found]:
        hashes, stored = self.hashes(), stored_rows(self.context)
        if self.are_classes():
            return
        rows = np.setdiff1d(np.flatnonzero(hashes), repeats(self.context)[0])
        rows = rows[_first_of_each(hashes[rows], self._questions.joined(np.uint64)[rows])]
        _, which, times = np.unique(hashes[rows], return_inverse=True, return_counts=True)
        shared = times[which] >= FEWEST
        number = int(shared.sum())
        if not number:
            return
        order = np.argsort(-times[which][shared], kind="stable")
        most = int(times.max())
        yield self.found(
            "same_answers",
            "warning" if most > 0.1 * len(stored) else "hint",
            f"{count(number, 'row shares its', 'rows share their')} answer with others; the most frequent one "
            f"stands in {most:,} rows.",
            stored[rows[shared][order]],
            why="An answer to many different questions is learned as the answer to all. Where the questions are one "
            "and the same, asked in several ways, it is as it should be: the model learns the fact, not the wording.",
            advice="Look whether the questions differ. If so, vary such answers, or leave some of the rows out, unless "
            "the model should always say this.",
        )


def _questions(batch: Batch) -> Hashes:
    """Of each row what stands before its last answer, as a number, (rows); 0 where nothing does."""
    summed = np.concatenate((np.zeros(1, np.uint64), np.cumsum(batch.text_hashes, dtype=np.uint64)))  # wraps around
    ends = np.maximum(batch.answers, batch.starts[:-1])
    found: Hashes = summed[ends] - summed[batch.starts[:-1]]
    return found


def _first_of_each(answers: Hashes, questions: Hashes) -> Ints:
    """Which rows are the first with their question and answer: a preference may name several worse ones, (found)."""
    _, first = np.unique(np.stack((answers, questions)), axis=1, return_index=True)
    return np.sort(first)
