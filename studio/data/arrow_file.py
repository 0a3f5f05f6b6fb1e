"""The rows of a dataset on disk: an Arrow IPC stream, which this program and `datasets` both map into memory."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from studio.contract.records import Message, Record
from studio.data.quick_lane import ROLE_NAMES, Plain
from studio.data.row_sums import SummedFile, read_sums, write_sums
from studio.data.settled_file import SettledFile
from studio.data.stored_rows import ALWAYS, StoredRows, damaged

_TURN_FIELDS = Message.__struct_fields__
_TURNS = pa.list_(pa.struct([pa.field(name, pa.string()) for name in _TURN_FIELDS]))
SCHEMA = pa.schema(
    [
        pa.field("messages", _TURNS),
        pa.field("key", pa.string()),
        pa.field("source_row", pa.int64()),
        pa.field("side", pa.string()),
        pa.field("text", pa.string()),
        pa.field("rejected", _TURNS),
        pa.field("shared", pa.int32()),
        pa.field("label", pa.bool_()),
        pa.field("tools", pa.string()),
    ]
)
"""What is written. Older datasets may have the first four columns and turns of the first two fields (or six) only; what
a file lacks is empty."""
OPTIONAL = {"group": pa.field("group", pa.string()), "time": pa.field("time", pa.float64())}
"""Columns that only some datasets have, behind the others: what rows are split by (see data/split.py)."""
_BATCH_ROWS = 1000
_FEW_ROWS = 100
"""So many plain rows between others go with them into one batch: one of their own costs more than it holds."""
_BATCH_CHARACTERS = 4_000_000


_TEXT = pa.string()
_ROLES = pa.array(ROLE_NAMES, _TEXT)


def _hex(keys: bytes) -> Any:
    """Keys of 8 bytes each as a column of 16 digits."""
    ends = pa.py_buffer(np.arange(0, 2 * len(keys) + 16, 16, dtype=np.int32).tobytes())
    return pa.StringArray.from_buffers(len(keys) // 8, ends, pa.py_buffer(keys.hex().encode()))


class _TurnColumn:
    """Collects the turns of many rows as one column."""

    def __init__(self) -> None:
        self._roles: list[str] = []
        self._contents: list[str] = []
        self._rich: list[tuple[int, Message]] = []  # turns that say more than role and content: few, mostly none
        self._ends = [0]

    def add(self, turns: tuple[Message, ...]) -> int:
        """Append the turns of one row; gives the number of their characters."""
        characters = 0
        for turn in turns:
            if turn.reasoning or turn.tool_calls or turn.name or turn.call_id or turn.weight:
                self._rich.append((len(self._roles), turn))
                characters += len(turn.reasoning) + len(turn.tool_calls)
            self._roles.append(turn.role)
            self._contents.append(turn.content)
            characters += len(turn.content)
        self._ends.append(len(self._roles))
        return characters

    def array(self) -> Any:
        """The column."""
        text = pa.string()
        columns = [pa.array(self._roles, text), pa.array(self._contents, text)]
        for name in _TURN_FIELDS[2:]:
            if not self._rich:
                columns.append(pa.repeat(pa.scalar("", text), len(self._roles)))
                continue
            values = [""] * len(self._roles)
            for place, turn in self._rich:
                values[place] = getattr(turn, name)
            columns.append(pa.array(values, text))
        turns = pa.StructArray.from_arrays(columns, fields=list(_TURNS.value_type))
        return pa.ListArray.from_arrays(pa.array(self._ends, pa.int32()), turns).cast(_TURNS)


class RowWriter:
    """Writes records in batches, and their checksums: memory for one batch, whatever the number of rows.

    Use as a context manager.
    """

    def __init__(self, path: Path, optional: Sequence[str] = ()) -> None:
        """Begin a file.

        Args:
            path: Where; it must not exist.
            optional: Names of OPTIONAL columns that this file has.

        Raises:
            OSError: It cannot be made.
        """
        self._path = path
        self._file = SettledFile(path)
        self._summed = SummedFile(self._file)
        self._optional = tuple(optional)
        self._schema = pa.schema([*SCHEMA, *(OPTIONAL[name] for name in self._optional)])
        self._writer = pa.ipc.new_stream(self._summed, self._schema)
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
                self._summed.end_stretch()
                self._file.finish()
                write_sums(self._path, self._summed.sums())
        finally:
            self._file.close()

    def add(self, record: Record, key: str, optional: Mapping[str, object] | None = None) -> None:
        """Append one record.

        Args:
            record: It.
            key: Its key.
            optional: Its values of this file's OPTIONAL columns; None where it has none.
        """
        self._characters += self._messages.add(record.messages) + self._rejected.add(record.rejected)
        self._characters += len(record.text) + len(record.tools)
        self._keys.append(key)
        self._source_rows.append(record.source_row)
        self._sides.append(record.side)
        self._texts.append(record.text)
        self._shared.append(record.shared)
        self._labels.append(record.label)
        self._tools.append(record.tools)
        for name in self._optional:
            self._values[name].append(optional.get(name) if optional else None)
        if len(self._keys) >= _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
            self._flush()

    def add_plain(self, plain: Plain, side: str) -> None:
        """Append many plain conversations at once.

        Args:
            plain: The rows, with their keys.
            side: Of all of them.
        """
        if len(plain) < _FEW_ROWS:
            self._add_few(plain, side)
            return
        self._flush()
        rows, turns = len(plain), len(plain.codes)
        blank = pa.repeat(pa.scalar("", _TEXT), turns)
        roles = _ROLES.take(pa.array(plain.codes))
        fields = [roles, plain.contents, *[blank] * (len(_TURN_FIELDS) - 2)]
        told = pa.StructArray.from_arrays(fields, fields=list(_TURNS.value_type))
        nothing = pa.repeat(pa.scalar("", _TEXT), rows)
        columns = {
            "messages": pa.ListArray.from_arrays(pa.array(plain.ends.astype(np.int32)), told, type=_TURNS),
            "key": _hex(plain.keys),
            "source_row": pa.array(plain.numbers),
            "side": pa.repeat(pa.scalar(side, _TEXT), rows),
            "text": nothing,
            "rejected": pa.ListArray.from_arrays(pa.array(np.zeros(rows + 1, np.int32)), told[:0], type=_TURNS),
            "shared": pa.array(np.zeros(rows, np.int32)),
            "label": pa.nulls(rows, pa.bool_()),
            "tools": nothing,
        }
        self._write(pa.RecordBatch.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA))

    def _add_few(self, plain: Plain, side: str) -> None:
        names, contents = [ROLE_NAMES[code] for code in plain.codes.tolist()], plain.contents.to_pylist()
        for row, (number, (start, stop)) in enumerate(zip(plain.numbers.tolist(), pairwise(plain.ends), strict=True)):
            turns = tuple(map(Message, names[start:stop], contents[start:stop]))  # type: ignore[arg-type]
            record = Record(messages=turns, source_row=number, side=side)  # type: ignore[arg-type]
            self.add(record, plain.keys[8 * row : 8 * row + 8].hex())

    def _write(self, batch: Any) -> None:
        self._writer.write_batch(batch)
        self._summed.end_stretch()

    def _start_batch(self) -> None:
        self._messages, self._rejected = _TurnColumn(), _TurnColumn()
        self._keys: list[str] = []
        self._source_rows: list[int] = []
        self._sides: list[str] = []
        self._texts: list[str] = []
        self._shared: list[int] = []
        self._labels: list[bool | None] = []
        self._tools: list[str] = []
        self._values: dict[str, list[object]] = {name: [] for name in self._optional}
        self._characters = 0

    def _flush(self) -> None:
        if not self._keys:
            return
        text = pa.string()
        columns = [
            self._messages.array(),
            pa.array(self._keys, text),
            pa.array(self._source_rows, pa.int64()),
            pa.array(self._sides, text),
            pa.array(self._texts, text),
            self._rejected.array(),
            pa.array(self._shared, pa.int32()),
            pa.array(self._labels, pa.bool_()),
            pa.array(self._tools, text),
            *(pa.array(self._values[name], OPTIONAL[name].type) for name in self._optional),
        ]
        self._write(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._start_batch()


def records_of(batch: Any) -> Iterator[Record]:
    """The rows of a batch (or of a table's slice in one piece) as records.

    Args:
        batch: A pyarrow RecordBatch of a dataset, of this version or an older one.
    """
    names = batch.schema.names
    messages = _turns_of(batch.column("messages"))
    rejected = _turns_of(batch.column("rejected")) if "rejected" in names else [()] * len(messages)
    rows = zip(
        messages,
        rejected,
        batch.column("source_row").to_pylist(),
        batch.column("side").to_pylist(),
        _values(batch, "text", ""),
        _values(batch, "shared", 0),
        _values(batch, "label", None),
        _values(batch, "tools", ""),
        strict=True,
    )
    for turns, worse, number, side, text, shared, label, tools in rows:
        yield Record(
            messages=turns,
            rejected=worse,
            source_row=number,
            side=side,
            text=text,
            shared=shared,
            label=label,
            tools=tools,
        )


def _values(batch: Any, name: str, otherwise: object) -> list[Any]:
    if name not in batch.schema.names:
        return [otherwise] * batch.num_rows
    return [otherwise if value is None else value for value in batch.column(name).to_pylist()]


def _turns_of(column: Any) -> list[tuple[Message, ...]]:
    """A column of turns: far quicker than through pyarrow's dictionaries, and most fields of most turns are blank."""
    ends = column.offsets.to_pylist()
    turns = column.values.slice(ends[0], ends[-1] - ends[0])
    names = [field.name for field in turns.type]
    fields = dict(zip(names, turns.flatten(), strict=True))
    told = {name: field.to_pylist() for name, field in fields.items() if name in ("role", "content")}
    more = {name: fields[name].to_pylist() for name in names[2:] if not _is_blank(fields[name])}
    if more:
        every = [Message(*values) for values in zip(*({**told, **_filled(more, len(turns))}).values(), strict=True)]
    else:
        every = [Message(*pair) for pair in zip(told["role"], told["content"], strict=True)]
    first = ends[0]
    return [tuple(every[start - first : end - first]) for start, end in pairwise(ends)]


def _filled(more: dict[str, list[str]], length: int) -> dict[str, list[str]]:
    return {name: more.get(name, [""] * length) for name in _TURN_FIELDS[2:]}


def _is_blank(texts: Any) -> bool:
    """Whether every text is empty, by the buffer that says where each begins and ends."""
    if not len(texts):
        return True
    ends = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, 4 * texts.offset)
    return bool(ends[0] == ends[-1])


def open_table(path: Path) -> StoredRows:
    """The rows, mapped from the disk; each is checked when it is first read.

    Raises:
        StudioError: Missing, damaged, or no rows of ours.
    """
    try:
        mapped = pa.memory_map(str(path)).read_buffer()
        with pa.ipc.open_stream(mapped) as reader:
            table = reader.read_all()
        table.validate()
        is_ours = _fits(table.schema)
    except (OSError, pa.ArrowException, ValueError) as error:  # names of columns may be no text
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "The file's form is broken"
        raise damaged(path, f"{reason}.", error) from error
    if not is_ours:
        raise damaged(path, "Its columns are not those of a dataset.")
    return StoredRows(path, mapped, table, read_sums(path))


def _fits(schema: Any) -> bool:
    """Whether a file's columns are ours, or those of an older version: some of ours."""
    known = {**{field.name: field for field in SCHEMA}, **OPTIONAL}
    if not set(ALWAYS) <= set(schema.names) <= set(known):
        return False
    return all(
        field.type == known[field.name].type or (field.name in ("messages", "rejected") and _are_turns(field.type))
        for field in schema
    )


def _are_turns(kind: Any) -> bool:
    if not pa.types.is_list(kind) or not pa.types.is_struct(kind.value_type):
        return False
    fields = list(kind.value_type)
    known = tuple(field.name for field in fields) == _TURN_FIELDS[: len(fields)]
    return known and len(fields) >= 2 and all(field.type == pa.string() for field in fields)
