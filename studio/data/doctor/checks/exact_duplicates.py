"""Rows that repeat an earlier row of their side word for word."""

from collections.abc import Iterator

from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Found
from studio.data.doctor.keys import repeats, stored_rows
from studio.data.wording import count


class Check(Base):
    """Compares keys; the same row on both sides is the business of `overlap`."""

    def findings(self) -> Iterator[Found]:
        later, earlier = repeats(self.context)
        if not len(later):
            return
        stored = stored_rows(self.context)
        share = len(later) / len(stored)
        yield self.found(
            "exact_duplicates",
            "warning" if share > 0.001 or len(later) >= 10 else "hint",
            f"{count(len(later), 'row repeats', 'rows repeat')} an earlier row word for word.",
            stored[later],
            why="What is repeated is learned more strongly, and counts more than once in tests.",
            fix="drop_duplicates",
            because=stored[earlier],
            part="row",
        )
