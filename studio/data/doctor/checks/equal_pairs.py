"""Preference rows whose rejected answer is the chosen one."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio.data.doctor.batch import Batch
from studio.data.doctor.beside import CALL_ID
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Context, Found, Rows
from studio.data.wording import count


class Check(Base):
    """Compares whole answers, without the space around their texts: reasoning and calls are part of them."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rows = Rows()

    def look(self, batch: Batch) -> None:
        rejected = batch.columns.get("rejected")
        if rejected is None:
            return
        lengths = pc.fill_null(pc.list_value_length(rejected), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        rows = np.flatnonzero((lengths > 0) & (batch.answers >= 0))
        if not len(rows):
            return
        last = pa.array(np.cumsum(lengths)[rows] - 1)
        theirs = pc.fill_null(pc.struct_field(rejected.flatten(), "content").take(last), "")
        ours = batch.contents.take(pa.array(batch.answers[rows]))
        equal = pc.equal(pc.utf8_trim_whitespace(ours), pc.utf8_trim_whitespace(theirs))
        ends_alike = rows[equal.to_numpy(zero_copy_only=False)]
        self._rows.add(batch.rows[[row for row in ends_alike.tolist() if _are_equal(batch.columns, row)]])

    def findings(self) -> Iterator[Found]:
        rows = self._rows.joined()
        if len(rows):
            yield self.found(
                "equal_pairs",
                "error",
                f"In {count(len(rows), 'row')} the rejected answer is the same as the chosen one.",
                rows,
                why="Nothing can be learned from a choice between equals.",
                fix="drop_equal_pairs",
            )


def _are_equal(columns: dict[str, Any], row: int) -> bool:
    """Whether the two answers of a row are the same from first to last, and say anything at all."""
    messages = columns["messages"][row].as_py()
    shared = columns["shared"][row].as_py() if "shared" in columns else len(messages) - 1
    ours, theirs = (
        [_said(turn) for turn in turns] for turns in (messages[shared or 0 :], columns["rejected"][row].as_py())
    )
    return ours == theirs and any(any(turn[1:]) for turn in ours)


def _said(turn: dict[str, str | None]) -> tuple[str, ...]:
    role, content, reasoning, calls = (turn.get(name) or "" for name in ("role", "content", "reasoning", "tool_calls"))
    return role, content.strip(), reasoning.strip(), re.sub(CALL_ID, '{"name": ', calls)
