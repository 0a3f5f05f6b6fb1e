"""Training rows that a test would ask about: by the same text, and by almost the same."""

from collections.abc import Iterator

import numpy as np

from studio.data.doctor.batch import Ints
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Found
from studio.data.doctor.keys import stored_rows
from studio.data.wording import count


class Check(Base):
    """Compares the two sides of the dataset, and all of it with the chosen test file."""

    def findings(self) -> Iterator[Found]:
        held, stored = self.context.held, stored_rows(self.context)
        train, tested = np.flatnonzero(~held), np.flatnonzero(held)
        learned, asked, because = self._across(train, tested)
        if len(learned):
            yield self.found(
                "overlap",
                "warning",
                f"{count(len(asked), 'held-back row is', 'held-back rows are')} also learned from, "
                "word for word or nearly.",
                stored[learned],
                why="Tests on them show memory, not learning.",
                fix="drop_overlap",
                because=stored[because],
                count=len(asked),
                part="row",
            )
        outside = np.arange(len(held), len(self.context.similar.orders))
        learned, asked, _ = self._across(np.arange(len(held)), outside)
        if len(learned):
            yield self.found(
                "test_overlap",
                "warning",
                f"{count(len(asked), 'row of the test file is', 'rows of the test file are')} also in this dataset, "
                "word for word or nearly.",
                stored[learned],
                why="A test on them shows memory, not learning.",
                fix="drop_test_overlap",
                count=len(asked),
                part="row",
            )

    def _across(self, some: Ints, others: Ints) -> tuple[Ints, Ints, Ints]:
        """Rows of `some` that are like one of `others`; those others; and for each of the first, one of the second."""
        pairs = list(self.context.similar.across(some, others))
        ones = np.concatenate([np.zeros(0, np.int64), *(pair[0] for pair in pairs)])
        twos = np.concatenate([np.zeros(0, np.int64), *(pair[1] for pair in pairs)])
        learned, place = np.unique(ones, return_index=True)
        return learned, np.unique(twos), twos[place]
