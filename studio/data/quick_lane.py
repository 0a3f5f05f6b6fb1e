"""The quick lane: many plain rows at once. What is not plain goes the careful way, row by row, as every row could.

Both ways give the same dataset; only the time differs. A row is plain when its values are of the expected types, its
turns go (system,) user, assistant, user, assistant, and nothing but roles and texts is in it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from studio.contract.job import Mapping
from studio.contract.records import FACTORS, ROLE_NUMBERS
from studio.data.conversation import CONTENT_KEYS, ROLE_KEYS, ROLES, turn_keys
from studio.data.markers import BEGINNINGS, mark_in_text

ROLE_NAMES = ("system", "user", "assistant")
_ROLE_NUMBERS = np.array([ROLE_NUMBERS[name] for name in ROLE_NAMES], np.uint64)
_CODES = {name: code for code, name in enumerate(ROLE_NAMES)}
_ODD = 3
_MOST_SPELLINGS = 64
_TEXT = pa.string()
_BEGINNINGS = {first.encode(): tuple(more.encode() for more in mores) for first, mores in BEGINNINGS.items()}
"""One byte is looked for ten times as quickly as several."""
_PIECE_BYTES = 128 * 1024

_JSON_STARTS = np.isin(np.arange(256), list(b"[{ \t\r\n"))
_TURNS_IN_JSON = rf'(?s)^[ \t\r\n]*[\[{{].*(?:"(?:{"|".join(ROLE_KEYS)})"|\\u00[67])'
"""JSON text with a key that says who speaks; letters of the key may be escaped."""


class Plain(msgspec.Struct, frozen=True):
    """Plain conversations.

    Attributes:
        numbers: (rows,) int64, the file's numbers of the rows.
        ends: (rows + 1,) int64, where each row's turns begin and end among all turns.
        codes: (turns,) int8, who speaks: a place in ROLE_NAMES.
        contents: (turns,) pyarrow strings.
        keys: `Record.key` of each row in 8 bytes, one behind the other, once they are made.
    """

    numbers: Any
    ends: Any
    codes: Any
    contents: Any
    keys: bytes = b""

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, start: int, stop: int) -> "Plain":
        """Some of the rows; nothing is copied."""
        first, last = int(self.ends[start]), int(self.ends[stop])
        return Plain(
            self.numbers[start:stop],
            self.ends[start : stop + 1] - first,
            self.codes[first:last],
            self.contents.slice(first, last - first),
            self.keys[8 * start : 8 * stop],
        )

    def with_keys(self) -> "Plain":
        """The same rows, and their keys."""
        bounds, data = _bounds(self.contents), _bytes(self.contents)
        starts, stops = bounds[self.ends[:-1]].tolist(), bounds[self.ends[1:]].tolist()
        hashed = xxhash.xxh3_64_intdigest
        rows = zip(starts, stops, self._turns_numbers(np.diff(bounds)).tolist(), strict=True)
        keys = np.array([hashed(data[start:stop], seed) for start, stop, seed in rows], ">u8").tobytes()
        return msgspec.structs.replace(self, keys=keys)

    def _turns_numbers(self, sizes: Any) -> Any:
        """`turns_number` of each row, (rows,) uint64."""
        factors = np.array(FACTORS, np.uint64)
        places = np.arange(1, len(sizes) + 1, dtype=np.uint64)
        places -= np.repeat(self.ends[:-1].astype(np.uint64), np.diff(self.ends))
        numbers = sizes.astype(np.uint64) * factors[0] + _ROLE_NUMBERS[self.codes] * factors[1] + places * factors[2]
        numbers = (numbers ^ (numbers >> np.uint64(32))) * factors[3]
        return np.add.reduceat(numbers ^ (numbers >> np.uint64(29)), self.ends[:-1])

    def marked(self) -> Iterator[tuple[int, str]]:
        """Rows (from 0) with marks of a chat template in their text, and the mark."""
        if not self._may_be_marked():
            return
        rows = np.repeat(np.arange(len(self)), np.diff(self.ends))
        told = -1
        for turn, text in enumerate(self.contents.to_pylist()):
            if rows[turn] != told and (mark := mark_in_text(text)):
                told = int(rows[turn])
                yield told, mark

    def _may_be_marked(self) -> bool:
        """Whether a beginning of a mark stands in any of the bytes."""
        bounds, data = _bounds(self.contents), _bytes(self.contents)
        data = data[int(bounds[0]) : int(bounds[-1])]
        # Looked through in pieces that stay in the processor's cache: mostly none of these bytes is there at all.
        pieces = (bytes(data[at : at + _PIECE_BYTES]) for at in range(0, len(data), _PIECE_BYTES))
        found = {byte for piece in pieces for byte in _BEGINNINGS if byte in piece}
        whole = bytes(data) if found else b""
        return any(more in whole for byte in found for more in _BEGINNINGS[byte])


class Lane:
    """Turns batches of one file's rows into `Plain` ones."""

    def __init__(self, mapping: Mapping, role_key: str, content_key: str) -> None:
        self._mapping = mapping
        if mapping.messages:
            turn = pa.struct([pa.field(role_key, _TEXT), pa.field(content_key, _TEXT)])
            self._fields = [pa.field(mapping.messages, pa.list_(turn))]
        else:
            names = (mapping.prompt, mapping.completion, mapping.context)
            self._fields = [pa.field(name, _TEXT) for name in dict.fromkeys(names) if name]
        self.schema = pa.schema(self._fields)
        """The columns that are needed, as they must be."""

    @property
    def is_flat(self) -> bool:
        """Whether all values are texts."""
        return not self._mapping.messages

    def convert(self, batch: Any, numbers: Any, is_sound: bool = False) -> tuple[Plain, Any] | None:
        """The rows as conversations, and which of them are plain: (rows,) bool; None: none of them.

        Args:
            batch: pyarrow record batch with at least the columns of `schema`, or None where there is none.
            numbers: (rows,) int64.
            is_sound: Its texts and offsets need no further check.
        """
        if batch is None:
            return None
        columns = [_column(batch, field) for field in self._fields]
        if any(column is None for column in columns):
            return None
        try:
            for column in () if is_sound else columns:
                column.validate(full=True)
        except pa.ArrowInvalid:  # bytes that are no text
            return None
        return self._conversations(columns[0], numbers) if self._mapping.messages else self._pairs(columns, numbers)

    def _conversations(self, turns: Any, numbers: Any) -> tuple[Plain, Any] | None:
        ends = _bounds(turns).astype(np.int64)
        inner = turns.values.slice(int(ends[0]), int(ends[-1] - ends[0]))
        ends = ends - ends[0]
        roles, contents = inner.field(0), inner.field(1)
        if inner.offset or len(roles) != len(inner):
            roles, contents = inner.flatten()
        codes = _codes(roles)
        if codes is None:
            return None
        bad = _nulls(inner) | _nulls(contents) | _blank(contents, _first_bytes(contents))
        return Plain(numbers, ends, codes, contents), _in_order(ends, codes, bad) & ~_nulls(turns)

    def _pairs(self, columns: list[Any], numbers: Any) -> tuple[Plain, Any]:
        named = dict(zip(self.schema.names, columns, strict=True))
        questions, answers = named[self._mapping.prompt], named[self._mapping.completion]
        good = ~(_nulls(questions) | _nulls(answers))
        for texts in (questions, answers):
            first = _first_bytes(texts)
            good &= ~(_blank(texts, first) | _maybe_turns(texts, first))
        if self._mapping.context:
            more = named[self._mapping.context]
            has_more = pa.array(~(_nulls(more) | _blank(more, _first_bytes(more))))
            questions = pc.if_else(has_more, pc.binary_join_element_wise(questions, more, "\n\n"), questions)
        rows = len(numbers)
        codes = np.tile(np.array([1, 2], np.int8), rows)
        return Plain(numbers, np.arange(rows + 1, dtype=np.int64) * 2, codes, _in_turn(questions, answers)), good


def lane_for(mapping: Mapping, rows: Sequence[dict[str, object]]) -> Lane | None:
    """The lane for a mapping, or None where every row needs a careful look.

    Args:
        mapping: Which columns hold what.
        rows: The first rows; they tell how turns spell their role and content.
    """
    more = (mapping.system, mapping.tools, mapping.history, mapping.instances, mapping.reasoning, mapping.speaker)
    if mapping.kind not in ("chat", "prompt_completion") or any(more):
        return None
    role_key = content_key = ""
    if mapping.messages:
        keys = (turn_keys(row.get(mapping.messages)) for row in rows if isinstance(row.get(mapping.messages), list))
        role_key, content_key = next((pair for pair in keys if all(pair)), ("", ""))
        if role_key not in ROLE_KEYS or content_key not in CONTENT_KEYS:
            return None
    return Lane(mapping, role_key, content_key)


def runs(plain: Plain, good: Any) -> Iterator[Plain | int]:
    """The rows in order: plain ones as long as they go on, and the place of each row that is not."""
    edges = np.flatnonzero(np.diff(good.astype(np.int8))) + 1
    for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(good)], strict=True):
        if start == stop:
            continue
        if good[start]:
            yield plain.part(start, stop)
        else:
            yield from range(start, stop)


def _in_turn(questions: Any, answers: Any) -> Any:
    """Question, answer, question, answer: (2 * rows,) texts. Null counts as empty."""
    questions, answers = (column.fill_null("") if column.null_count else column for column in (questions, answers))
    joined = pc.binary_join_element_wise(questions, answers, "")  # so the bytes lie in this order, in one go
    bounds = np.zeros(2 * len(questions) + 1, np.int32)
    bounds[1::2], bounds[2::2] = np.diff(_bounds(questions)), np.diff(_bounds(answers))
    np.cumsum(bounds, out=bounds)
    return pa.StringArray.from_buffers(2 * len(questions), pa.py_buffer(bounds), joined.buffers()[2])


def _column(batch: Any, field: Any) -> Any:
    """A column of exactly this type (large texts and lists are narrowed), or None."""
    place = batch.schema.get_field_index(field.name)
    if place < 0:
        return None
    column = batch.column(place)
    if column.type == field.type:
        return column
    wide = pa.large_string() if pa.types.is_string(field.type) else None
    if column.type == wide or (wide is None and _is_wide_turns(column.type, field.type)):
        try:
            return column.cast(field.type)
        except pa.ArrowException:
            return None
    return None


def _is_wide_turns(kind: Any, wanted: Any) -> bool:
    """Whether a type is a list of the same two texts, but with the fields turned round, or with wide offsets."""
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_struct(kind.value_type):
        return False
    names = {field.name for field in wanted.value_type}
    fields = list(kind.value_type)
    texts = all(pa.types.is_string(field.type) or pa.types.is_large_string(field.type) for field in fields)
    return texts and len(fields) == 2 and {field.name for field in fields} == names


def _codes(roles: Any) -> Any:
    """Who speaks, (turns,) int8; None where there are too many spellings to be roles."""
    spelled = roles.dictionary_encode()
    names = spelled.dictionary.to_pylist()
    if len(names) > _MOST_SPELLINGS:
        return None
    known = [ROLES.get(name.strip().lower().replace("-", "_").replace(" ", "_"), "") for name in names]
    table = np.array([*(_CODES.get(name, _ODD) for name in known), _ODD], np.int8)
    places = spelled.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
    return table[places]


def _in_order(ends: Any, codes: Any, bad: Any) -> Any:
    """Which rows go (system,) user, assistant, user, assistant without a bad turn: (rows,) bool."""
    counts = np.diff(ends)
    rows = np.repeat(np.arange(len(counts)), counts)
    has_system = np.zeros(len(counts), np.int64)
    filled = counts > 0
    has_system[filled] = codes[ends[:-1][filled]] == 0
    places = np.arange(len(codes)) - ends[:-1][rows] - has_system[rows]
    wrong = bad | (codes != np.where(places < 0, 0, 1 + places % 2))
    turns = counts - has_system
    return (turns >= 2) & (turns % 2 == 0) & (np.bincount(rows, wrong, minlength=len(counts)) == 0)


def _nulls(column: Any) -> Any:
    if not column.null_count:
        return np.zeros(len(column), bool)
    return column.is_null().to_numpy(zero_copy_only=False)


def _first_bytes(texts: Any) -> Any:
    """The first byte of each text, (texts,) uint8; 0 where there is none."""
    bounds = _bounds(texts)
    filled = np.diff(bounds) > 0
    first = np.zeros(len(texts), np.uint8)
    first[filled] = np.frombuffer(_bytes(texts), np.uint8)[bounds[:-1][filled]]
    return first


def _blank(texts: Any, first: Any) -> Any:
    """Which texts are empty or begin with nothing but white space for a while: (texts,) bool. Null counts as blank."""
    bounds = _bounds(texts)
    filled = np.diff(bounds) > 0
    blank = ~filled
    doubtful = np.flatnonzero(filled & ((first <= 0x20) | (first >= 0x80)))
    if len(doubtful):
        begins, stops = bounds[doubtful].tolist(), np.minimum(bounds[doubtful + 1], bounds[doubtful] + 64).tolist()
        raw = _bytes(texts)
        for place, begin, stop in zip(doubtful.tolist(), begins, stops, strict=True):
            blank[place] = bytes(raw[begin:stop]).decode("utf-8", "ignore").isspace()
    return blank


def _maybe_turns(texts: Any, first: Any) -> Any:
    """Which texts may be turns as JSON text: (texts,) bool. Such a row is looked at carefully."""
    maybe = _JSON_STARTS[first]
    places = np.flatnonzero(maybe)
    if len(places):
        some = texts if len(places) == len(texts) else texts.take(pa.array(places))
        begun = pc.match_substring_regex(some, _TURNS_IN_JSON)
        maybe[places] = begun.fill_null(False).to_numpy(zero_copy_only=False)
    return maybe


def _bounds(column: Any) -> Any:
    """Where each text (or list) begins and ends in the bytes (or items) of all: (rows + 1,) int32."""
    buffer = column.buffers()[1]
    if buffer is None:
        return np.zeros(len(column) + 1, np.int32)
    # By number and place: a file from outside may bring a buffer that is longer, by any number of bytes.
    return np.frombuffer(buffer, np.int32, len(column) + 1, 4 * column.offset)


def _bytes(texts: Any) -> memoryview:
    buffer = texts.buffers()[2]
    return memoryview(b"") if buffer is None else memoryview(buffer)
