"""Rows in which nothing is to be learned: all their answers are marked so, or the settings leave nothing of them."""

from collections.abc import Iterator

import numpy as np

from studio.data.doctor.batch import Batch, Ints
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Context, Found, Rows
from studio.data.doctor.checks.lengths import measured
from studio.data.wording import count

_LONGER = "Raise the longest text if the memory allows it, or shorten the rows."
_LOOK = "Look at them as the model sees them."


class Check(Base):
    """Looks at the marks of all rows, and at those rows whose tokens were counted."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._marked = Rows()

    def look(self, batch: Batch) -> None:
        self._marked.add(batch.rows[self.context.unlearned(batch)])

    def findings(self) -> Iterator[Found]:
        marked: Ints = self._marked.joined()
        rows, counted = measured(self.context)
        nothing = np.flatnonzero(np.array([row.nothing for row in counted], bool) & ~np.isin(rows, marked))
        if not len(marked) and not len(nothing):
            return
        total = len(self.context.held)
        number = len(marked) + (round(len(nothing) / len(counted) * total) if counted else 0)
        sampled = len(counted) if len(nothing) and len(counted) < total else 0
        title = f"{'about ' if sampled else ''}{count(number, 'row holds', 'rows hold')} nothing to learn."
        told = []
        if len(marked):
            told.append(self._marks())
        if any(counted[place].lost for place in nothing):
            told.append((f"At {self.context.limit:,} tokens nothing of the answer is left.", _LONGER))
        if any(not counted[place].lost for place in nothing):
            told.append(("As this model reads them, no part of them is an answer.", _LOOK))
        yield self.found(
            "nothing_to_learn",
            "warning",
            title[0].upper() + title[1:],
            np.concatenate([marked, rows[nothing]]),
            why=" ".join(why for why, _ in told) + (f" {sampled:,} rows were counted for this." if sampled else ""),
            advice=" ".join(advice for _, advice in told),
            count=number,
            sampled=sampled,
            part="row",
        )

    def _marks(self) -> tuple[str, str]:
        which = "The last answer is" if self.context.settings.learned_turns == "last" else "All answers are"
        return (
            f'{which} marked with "weight": 0: read with the conversation and not learned.',
            "Take the mark away in the file where an answer is to be learned.",
        )
