"""Answers of a single word, where answers are no classes."""

from collections.abc import Iterator

import numpy as np

from studio.data.doctor.answers import AnswerHashes
from studio.data.doctor.batch import Batch
from studio.data.doctor.check import Context, Found, Rows
from studio.data.wording import count


class Check(AnswerHashes):
    """Counts the words of each last answer."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rows = Rows()

    def look(self, batch: Batch) -> None:
        super().look(batch)
        answers = batch.answers
        words = np.diff(batch.word_offsets)
        there = np.flatnonzero(answers >= 0)
        self._rows.add(batch.rows[there[words[answers[there]] == 1]])

    def findings(self) -> Iterator[Found]:
        rows = self._rows.joined()
        if not len(rows) or self.are_classes():
            return
        all_rows = len(self.hashes())
        yield self.found(
            "one_word_answers",
            "warning" if 0.05 * all_rows < len(rows) < 0.9 * all_rows else "hint",
            f"{count(len(rows), 'answer is', 'answers are')} a single word.",
            rows,
            why="A model that reads many of them answers other questions just as briefly.",
            advice="Write whole sentences, unless one word is what you want.",
            part="row",
        )
