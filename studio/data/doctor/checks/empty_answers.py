"""Answers in which there is nothing to learn: blank ones, and stand-ins such as "n/a"."""

from collections.abc import Iterator

import numpy as np

from studio.data.doctor.batch import Batch
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Context, Found, Rows
from studio.data.wording import count

PLACEHOLDERS = {
    "-", "--", "—", ".", "..", "...", "…", "?", "??", "n/a", "na", "nan", "null", "none", "nil", "tbd", "todo", "xxx",
    "#n/a", "undefined", "k.a.", "s.o.", "{}", "[]",
}  # fmt: skip
_LONGEST = 40  # bytes; longer than any stand-in, and long enough for invisible characters


class Check(Base):
    """Looks at short answers only; all others hold something."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._empty, self._stand_ins = Rows(), Rows()

    def look(self, batch: Batch) -> None:
        answers = batch.answers
        sizes = np.where(answers >= 0, batch.sizes[answers] if len(batch.sizes) else 0, 0)
        empty, stand_ins = [], []
        for row in np.flatnonzero(sizes <= _LONGEST):
            text = batch.text(int(answers[row])) if answers[row] >= 0 else ""
            if answers[row] >= 0 and batch.calls[answers[row]]:
                continue  # it calls a tool, which says enough
            if not any(letter.isprintable() and not letter.isspace() for letter in text):
                empty.append(batch.rows[row])
            elif text.strip().casefold() in PLACEHOLDERS:
                stand_ins.append(batch.rows[row])
        self._empty.add(empty)
        self._stand_ins.add(stand_ins)

    def findings(self) -> Iterator[Found]:
        rows = self._empty.joined()
        if len(rows):
            yield self.found(
                "empty_answers",
                "error",
                f"{count(len(rows), 'row has', 'rows have')} an empty answer.",
                rows,
                why="There is nothing to learn in them, or the model learns to say nothing.",
                fix="drop_empty_answers",
                part="row",
            )
        rows = self._stand_ins.joined()
        if len(rows):
            yield self.found(
                "placeholder_answers",
                "warning",
                f"{count(len(rows), 'answer looks', 'answers look')} like a stand-in for a missing one.",
                rows,
                why='Answers such as "n/a" are learned word for word.',
                advice="Leave the rows out, or write the answers, unless this is what the model should say.",
                part="row",
            )
