"""One and the same answer to several questions, where answers are no classes."""

from collections.abc import Iterator

import numpy as np

from studio.data.doctor.answers import AnswerHashes
from studio.data.doctor.check import Found
from studio.data.doctor.keys import repeats, stored_rows
from studio.data.wording import count

FEWEST = 3


class Check(AnswerHashes):
    """Counts each text of an answer; rows that repeat another as a whole do not count twice."""

    def findings(self) -> Iterator[Found]:
        hashes, stored = self.hashes(), stored_rows(self.context)
        if self.are_classes():
            return
        rows = np.setdiff1d(np.flatnonzero(hashes), repeats(self.context)[0])
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
            why="What is the answer to many questions is learned as the answer to all.",
            advice="Vary such answers, or leave some of the rows out, unless the model should always say this.",
        )
