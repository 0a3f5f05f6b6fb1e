"""What the table asks of all rows at once, a batch of Arrow rows at a time: their length, and who holds a text."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from studio.contract.records import Record

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_TURNS = ("messages", "rejected")


def lengths(batch: Any) -> Ints:
    """Characters of each row, (rows)."""
    total = np.zeros(batch.num_rows, np.int64)
    for name in _TURNS:
        if name in batch.schema.names:
            ends, texts = _turns(batch.column(name))
            sums = np.concatenate(([0], np.cumsum(_letters(texts))))
            total += sums[ends[1:]] - sums[ends[:-1]]
    if "text" in batch.schema.names:
        total += _letters(batch.column("text"))
    return total


def matching(batch: Any, wanted: str) -> Bools:
    """Whether each row holds a text in any of its turns, whatever the case of its letters, (rows)."""
    found = np.zeros(batch.num_rows, np.bool_)
    for name in _TURNS:
        if name in batch.schema.names:
            ends, texts = _turns(batch.column(name))
            sums = np.concatenate(([0], np.cumsum(_holds(texts, wanted))))
            found |= sums[ends[1:]] > sums[ends[:-1]]
    if "text" in batch.schema.names:
        found |= _holds(batch.column("text"), wanted)
    return found


def record_length(record: Record) -> int:
    """Characters of one record, as `lengths` counts them."""
    return sum(len(turn.content) for turn in (*record.messages, *record.rejected)) + len(record.text)


def record_matches(record: Record, wanted: str) -> bool:
    """Whether one record holds a text, as `matching` sees it."""
    texts = [turn.content for turn in (*record.messages, *record.rejected)]
    return any(wanted.casefold() in text.casefold() for text in (*texts, record.text))


def _turns(column: Any) -> tuple[Ints, Any]:
    """Where each row's turns begin and end among all contents of the batch, and these."""
    ends = column.offsets.to_numpy().astype(np.int64)
    turns = column.values.slice(ends[0], ends[-1] - ends[0])
    return ends - ends[0], turns.flatten()[1]


def _letters(texts: Any) -> Ints:
    counted: Ints = pc.fill_null(pc.utf8_length(texts), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return counted


def _holds(texts: Any, wanted: str) -> Bools:
    held = pc.match_substring(texts, wanted, ignore_case=True)
    said: Bools = pc.fill_null(held, pa.scalar(False)).to_numpy(zero_copy_only=False).astype(np.bool_)
    return said
