"""Training rows that a test would ask about: by the same text, and by almost the same."""

from collections.abc import Iterator

import numpy as np

from studio.data.doctor.batch import Batch, Ints
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Context, Found, Rows
from studio.data.doctor.keys import key_numbers, stored_rows
from studio.data.doctor.similar import Similar
from studio.data.wording import count


class Check(Base):
    """Compares the two sides of the dataset, and all of it with the chosen test file.

    Rows that hold nothing to learn have no part in it: they are neither learned from nor asked.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._unlearned = Rows()

    def look(self, batch: Batch) -> None:
        self._unlearned.add(batch.first + self.context.unlearned(batch))

    def findings(self) -> Iterator[Found]:
        held, stored = self.context.held, stored_rows(self.context)
        takes_part = np.ones(len(held), bool)
        takes_part[self._unlearned.joined()] = False
        train, tested = np.flatnonzero(~held & takes_part), np.flatnonzero(held & takes_part)
        learned, asked, because = self._across(train, tested)
        if len(learned):
            yield self.found(
                "overlap",
                "warning",
                f"{count(len(asked), 'held-back row is', 'held-back rows are')} also learned from, "
                f"{self._how_alike(asked, train)}.",
                stored[learned],
                why="Tests on them show memory, not learning.",
                fix="drop_overlap",
                because=stored[because],
                count=len(asked),
                part="row",
            )
        yield from self._with_test_file(stored, np.flatnonzero(takes_part))

    def _how_alike(self, asked: Ints, train: Ints) -> str:
        keys = key_numbers(self.context)
        exact = np.isin(keys[asked], keys[train])
        if exact.all():
            return "word for word"
        return "word for word or nearly" if exact.any() else "in almost the same words"

    def _with_test_file(self, stored: Ints, rows: Ints) -> Iterator[Found]:
        outside = np.arange(len(self.context.held), len(self.context.similar.orders))
        learned, tested, _ = self._across(rows, outside)
        if len(learned):
            yield self.found(
                "test_overlap",
                "warning",
                f"{count(len(tested), 'row of the test file is', 'rows of the test file are')} also in this dataset, "
                "word for word or nearly.",
                stored[learned],
                why="A test on them shows memory, not learning.",
                fix="drop_test_overlap",
                count=len(tested),
                part="row",
            )
        asked = self.context.asked
        if asked is None:
            return
        others, questions, _ = self._across(np.setdiff1d(rows, learned), np.setdiff1d(outside, tested), asked)
        if len(others):
            yield self.found(
                "test_questions",
                "warning",
                f"{count(len(questions), 'more row', 'more rows') if len(learned) else count(len(questions), 'row')} "
                f"of the test file {'asks' if len(questions) == 1 else 'ask'} what is also asked in this dataset.",
                stored[others],
                why="The model has seen an answer to these questions, so the test flatters it.",
                fix="drop_test_overlap",
                count=len(questions),
                part="row",
            )

    def _across(self, some: Ints, others: Ints, by: Similar | None = None) -> tuple[Ints, Ints, Ints]:
        """Rows of `some` that are like one of `others`; those others; and for each of the first, one of the second."""
        pairs = list((by or self.context.similar).across(some, others))
        ones = np.concatenate([np.zeros(0, np.int64), *(pair[0] for pair in pairs)])
        twos = np.concatenate([np.zeros(0, np.int64), *(pair[1] for pair in pairs)])
        learned, place = np.unique(ones, return_index=True)
        return learned, np.unique(twos), twos[place]
