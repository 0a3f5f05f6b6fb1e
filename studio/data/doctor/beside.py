"""What rows say beside the contents of their turns: reasoning, calls of tools, the worse of two answers, marks.

Rows that say nothing of the kind, as most do, cost one look a batch at where its texts begin and end.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio.data.doctor.texts import Hashes, Ints, Texts, ints, mixed

TURNS = (
    ("messages", "reasoning"),
    ("messages", "tool_calls"),
    ("rejected", "content"),
    ("rejected", "reasoning"),
    ("rejected", "tool_calls"),
)
CALLS = TURNS.index(("messages", "tool_calls"))
TOOLS = len(TURNS)
"""Kinds of `More`: a place in TURNS, or TOOLS for what a row says of its tools."""

CALL_ID = r'\{"id": "(?:[^"\\]|\\.)*", "name": '
"""How a call begins, as data/tool_calls.py writes it: its id says nothing."""
_KIND, _PLACE, _WEIGHT, _LABEL = (
    np.uint64(number) for number in (0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5, 0x85EBCA77C2B2AE63)
)


class More(Texts):
    """Those texts of some rows; none of them is empty.

    Attributes:
        kinds: Of each text, (texts).
        places: Which turn of the row's turns, or of its worse ones, it belongs to, (texts).
    """

    def __init__(self, rows: Ints, parts: list[tuple[int, Any, Ints, Ints]]) -> None:
        row_of = np.concatenate([part[2] for part in parts])
        order = np.argsort(row_of, kind="stable")
        contents = pa.concat_arrays([part[1] for part in parts]).take(pa.array(order))
        super().__init__(rows, contents, row_of[order])
        self.kinds = np.concatenate([np.full(len(part[2]), part[0]) for part in parts])[order]
        self.places = np.concatenate([part[3] for part in parts])[order]

    def is_json(self, number: int) -> bool:
        """Whether a text is that of calls or of tools."""
        kind = int(self.kinds[number])
        return kind == TOOLS or TURNS[kind][1] == "tool_calls"

    def row_hashes(self, which: Any = slice(None)) -> Hashes:
        """A hash of each row's texts, 0 where it has none, (rows); `which`: of some texts alone."""
        hashes = np.zeros(len(self.rows), np.uint64)
        numbers = self.kinds[which].astype(np.uint64) * _KIND + self.places[which].astype(np.uint64) * _PLACE
        np.add.at(hashes, self.row_of[which], mixed(self.text_hashes[which] + numbers))
        return hashes


def more_of(rows: Ints, columns: dict[str, Any]) -> More | None:
    """All such texts of some rows; None where no row has any.

    Args:
        rows: Stored rows.
        columns: Those of rows.arrow, by name, (rows) each.
    """
    parts: list[tuple[int, Any, Ints, Ints]] = []
    for kind, (name, field) in enumerate(TURNS):
        told = _filled(columns.get(name), field, rows)
        if told is not None:
            texts = pc.replace_substring_regex(told[0], CALL_ID, '{"name": ') if field == "tool_calls" else told[0]
            parts.append((kind, texts, told[1], told[2]))
    tools = columns.get("tools")
    if tools is not None and not _is_blank(tools):
        which = np.flatnonzero(ints(pc.fill_null(pc.binary_length(tools), 0)))
        parts.append((TOOLS, tools.take(pa.array(which)).cast(pa.string()), which, np.zeros(len(which), np.int64)))
    return More(rows, parts) if parts else None


def weighed(rows: Ints, columns: dict[str, Any]) -> tuple[Ints, Ints] | None:
    """Row and turn of each answer that is to be read and not learned; None where all are learned."""
    told = _filled(columns.get("messages"), "weight", rows)
    return told[1:] if told is not None else None


def apart(rows: Ints, columns: dict[str, Any], more: More | None) -> Hashes | None:
    """What must be equal in two rows of the same text before one of them says nothing new, (rows); None: nothing is.

    Two reasons for one answer, two worse answers to one question, an answer that is learned and one that is not: each
    row of those teaches something of its own.
    """
    found = [more.row_hashes()] if more is not None else []
    weights = weighed(rows, columns)
    if weights is not None:
        hashes = np.zeros(len(rows), np.uint64)
        np.add.at(hashes, weights[0], mixed(weights[1].astype(np.uint64) * _PLACE + _WEIGHT))
        found.append(hashes)
    label = columns.get("label")
    if label is not None and label.null_count < len(label):
        rated = ints(pc.fill_null(pc.cast(label, pa.int8()), 2))
        found.append(np.where(rated < 2, mixed(rated.astype(np.uint64) + _LABEL), np.uint64(0)))
    return np.add.reduce(found) if found else None


def called(more: More | None) -> Hashes | None:
    """Which tools each row calls, and how, (rows); None where none does."""
    if more is None:
        return None
    which = np.flatnonzero(more.kinds == CALLS)
    return more.row_hashes(which) if len(which) else None


class Lazily:
    """One number a row, of many batches; nothing is kept of batches in which all are 0."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, Hashes]] = []
        self._rows = 0
        self._joined: Hashes | None = None

    def add(self, count: int, numbers: Hashes | None) -> None:
        """Those of the next `count` rows; None: all are 0."""
        if numbers is not None:
            self._parts.append((self._rows, numbers))
            self._joined = None
        self._rows += count

    def mix_into(self, hashes: Hashes, rows: Ints) -> None:
        """Make hashes of some rows differ where the numbers do."""
        if not self._parts:
            return
        if self._joined is None or len(self._joined) < self._rows:
            self._joined = np.zeros(self._rows, np.uint64)
            for start, part in self._parts:
                self._joined[start : start + len(part)] = part
        hashes ^= self._joined[rows]


def _filled(turns: Any, field: str, rows: Ints) -> tuple[Any, Ints, Ints] | None:
    """The texts of a field of turns that are not empty: texts, row and turn of each; None where there are none."""
    if turns is None or turns.type.value_type.get_field_index(field) < 0:
        return None
    texts = pc.struct_field(turns.flatten(), field)
    if _is_blank(texts):
        return None
    which = np.flatnonzero(ints(pc.fill_null(pc.binary_length(texts), 0)))
    lengths = ints(pc.fill_null(pc.list_value_length(turns), 0))
    row_of = np.repeat(np.arange(len(rows)), lengths)[which]
    starts = np.cumsum(lengths) - lengths
    return texts.take(pa.array(which)).cast(pa.string()), row_of, which - starts[row_of]


def _is_blank(texts: Any) -> bool:
    """Whether every text is empty, by the buffer that says where each begins and ends."""
    where = texts.buffers()[1]
    if where is None or not len(texts):
        return True
    ends = np.frombuffer(where, np.int32, len(texts) + 1, 4 * texts.offset)
    return bool(ends[0] == ends[-1])
