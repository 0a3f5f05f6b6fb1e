"""The rows of a dataset on disk: an Arrow IPC stream, which this program and `datasets` both map into memory."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from studio.contract.errors import StudioError
from studio.contract.records import Record

SCHEMA = pa.schema(
    [
        pa.field("messages", pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))),
        pa.field("key", pa.string()),
        pa.field("source_row", pa.int64()),
        pa.field("side", pa.string()),
    ]
)
OPTIONAL = {"group": pa.field("group", pa.string()), "time": pa.field("time", pa.float64())}
"""Columns that only some datasets have, behind the others: what rows are split by (see data/split.py)."""
_BATCH_ROWS = 1000
_BATCH_CHARACTERS = 4_000_000


class RowWriter:
    """Writes records in batches: memory for one batch, whatever the number of rows. Use as a context manager."""

    def __init__(self, path: Path, optional: Sequence[str] = ()) -> None:
        """Begin a file.

        Args:
            path: Where; it must not exist.
            optional: Names of OPTIONAL columns that this file has.

        Raises:
            OSError: It cannot be made.
        """
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _binary(), 0o600), "wb")
        self._optional = tuple(optional)
        self._schema = pa.schema([*SCHEMA, *(OPTIONAL[name] for name in self._optional)])
        self._writer = pa.ipc.new_stream(self._file, self._schema)
        self._start_batch()

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._flush()
                self._writer.close()
                self._file.flush()
                os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def add(self, record: Record, key: str, optional: Mapping[str, object] | None = None) -> None:
        """Append one record.

        Args:
            record: It.
            key: Its key.
            optional: Its values of this file's OPTIONAL columns; None where it has none.
        """
        for message in record.messages:
            self._roles.append(message.role)
            self._contents.append(message.content)
            self._characters += len(message.content)
        self._ends.append(len(self._roles))
        self._keys.append(key)
        self._source_rows.append(record.source_row)
        self._sides.append(record.side)
        for name in self._optional:
            self._values[name].append(optional.get(name) if optional else None)
        if len(self._keys) >= _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
            self._flush()

    def _start_batch(self) -> None:
        self._roles: list[str] = []
        self._contents: list[str] = []
        self._ends = [0]
        self._keys: list[str] = []
        self._source_rows: list[int] = []
        self._sides: list[str] = []
        self._values: dict[str, list[object]] = {name: [] for name in self._optional}
        self._characters = 0

    def _flush(self) -> None:
        if not self._keys:
            return
        text = pa.string()
        fields = list(SCHEMA.field("messages").type.value_type)
        turns = pa.StructArray.from_arrays([pa.array(self._roles, text), pa.array(self._contents, text)], fields=fields)
        messages = pa.ListArray.from_arrays(pa.array(self._ends, pa.int32()), turns)
        columns = [
            messages.cast(SCHEMA.field("messages").type),
            pa.array(self._keys, text),
            pa.array(self._source_rows, pa.int64()),
            pa.array(self._sides, text),
            *(pa.array(self._values[name], OPTIONAL[name].type) for name in self._optional),
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._start_batch()


def open_table(path: Path) -> Any:
    """The rows as a pyarrow table that reads from the mapped file.

    Raises:
        StudioError: Missing, damaged, or no rows of ours.
    """
    try:
        table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
        table.validate()
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, str(error)) from error
    usual = len(SCHEMA)
    if list(table.schema)[:usual] != list(SCHEMA) or any(
        field != OPTIONAL.get(field.name) for field in list(table.schema)[usual:]
    ):
        raise _damaged(path, "Its columns are not those of a dataset.")
    return table


def _damaged(path: Path, reason: str) -> StudioError:
    return StudioError(
        "data.damaged",
        "The rows of this dataset cannot be read.",
        reason.splitlines()[0] if reason else "",
        "Import the original file again.",
        where=str(path.parent.name),
    )


def _binary() -> int:
    return getattr(os, "O_BINARY", 0)
