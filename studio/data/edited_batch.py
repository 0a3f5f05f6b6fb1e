"""A person's edits on a batch of Arrow rows, for what reads whole columns."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from studio.data.edits import TURN_PARTS, Edits

_TEXTS = ("key", "messages", "rejected", "text", "tools")


def edit_batch(batch: Any, rows: range, edits: Edits, key_of: Callable[[int], str]) -> tuple[list[int], Any]:
    """A record batch as it reads now.

    Args:
        batch: Of a dataset's rows.arrow.
        rows: The stored rows that it holds.
        edits: What was changed.
        key_of: The key of a stored row as it reads now; asked for rewritten rows only.

    Returns:
        The stored rows that are not left out, and a batch of them.
    """
    written = [row for row in rows if row in edits.texts] if edits.texts else []
    if written:
        batch = _rewrite(batch, rows.start, written, edits, key_of)
    if edits.excluded.isdisjoint(rows):
        return list(rows), batch
    kept = [row for row in rows if row not in edits.excluded]
    return kept, batch.take(pa.array([row - rows.start for row in kept], pa.int64()))


def _rewrite(batch: Any, first: int, written: list[int], edits: Edits, key_of: Callable[[int], str]) -> Any:
    columns = {name: batch.column(name) for name in batch.schema.names}
    values = {name: columns[name].to_pylist() for name in _TEXTS if name in columns}
    for row in written:
        place = row - first
        values["key"][place] = key_of(row)
        for (part, number), text in edits.texts[row].items():
            if part not in TURN_PARTS:
                values[part][place] = text
                continue
            which, field = TURN_PARTS[part]
            if number < len(values[which][place]):
                values[which][place][number][field] = text
    for name, changed in values.items():
        columns[name] = pa.array(changed, batch.schema.field(name).type)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=batch.schema)
