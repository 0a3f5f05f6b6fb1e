"""A batch of rows as flat arrays: the bytes of all texts, where each begins, and the hash of every word.

Everything is computed when first asked for and shared by all checks. Texts are UTF-8 bytes, never Python strings: a
million rows take seconds, not minutes.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from studio.contract.records import Record

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

SYSTEM, USER, ASSISTANT, OTHER, TEXT = range(5)
"""Codes of roles; TEXT is a row of plain text, all of which is learned."""

SAID, ASKED = (USER, ASSISTANT, OTHER, TEXT), (USER,)
"""What a row is about: all but its system prompt; and its questions alone."""

MOST_BYTES = 1_000_000
"""A batch is cut to about this size (a single row may be larger), so that its arrays stay in the processor's cache."""

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_MIX = np.uint64(0xFF51AFD7ED558CCD)


def _word_tables() -> tuple[NDArray[np.bool_], NDArray[np.bool_], Hashes]:
    """By byte: is part of a word; begins one always; its value in the hash (0 between words).

    Bytes above 127 belong to words. The first bytes of three- and four-byte characters begin one: Chinese, Japanese or
    Thai put no spaces between words, so each character counts as one there.
    """
    inside, begins = np.zeros(256, bool), np.zeros(256, bool)
    inside[[*range(48, 58), *range(65, 91), *range(97, 123), *range(128, 256)]] = True
    begins[0xE0:0xF5] = True
    value = np.arange(1, 257, dtype=np.uint64) * inside
    value[65:91] = value[97:123]  # the hash knows no capitals
    return inside, begins, value


_INSIDE, _BEGINS, _VALUE = _word_tables()


class _Powers:
    """Powers of the hash's base and their inverses, as many as the largest batch so far needed."""

    def __init__(self) -> None:
        self.powers = self.inverses = np.ones(0, np.uint64)

    def upto(self, size: int) -> None:
        if size > len(self.powers):
            room = max(size, 2 * MOST_BYTES)
            self.powers = np.full(room, _PRIME)
            self.inverses = np.full(room, _INVERSE)
            self.powers[0] = self.inverses[0] = 1
            np.multiply.accumulate(self.powers, out=self.powers)
            np.multiply.accumulate(self.inverses, out=self.inverses)


_powers = _Powers()


def mixed(hashes: Hashes) -> Hashes:
    """Hashes whose every bit depends on every bit of the input."""
    out = hashes ^ (hashes >> np.uint64(32))
    out *= _MIX
    out ^= out >> np.uint64(29)
    return out


def hash_words(text: str) -> list[int]:
    """The hashes of a text's words, as batches have them."""
    words = Batch.of_texts([text]).words
    return [int(word) for word in words]


class Batch:
    """Some rows of a dataset, as they read now.

    Attributes:
        rows: Stored rows, (rows).
        first: Number of the first row among all rows that are looked at.
        contents: Texts of all messages in order, an Arrow array of strings, (messages).
        roles: Role of each message, (messages).
        calls: Whether each message calls a tool, (messages).
        row_of: Which row of the batch each message belongs to, (messages).
        starts: Where the messages of each row begin, (rows + 1).
        data: Bytes of all texts, one behind the other.
        offsets: Where each message's bytes begin, (messages + 1).
    """

    def __init__(self, rows: Ints, first: int, columns: dict[str, Any]) -> None:
        """Make flat arrays of Arrow columns.

        Args:
            rows: Stored rows.
            first: Number of the first one.
            columns: Those of rows.arrow, by name, (rows) each.
        """
        self.rows, self.first, self.columns = rows, first, columns
        turns = columns["messages"]
        lengths = _ints(pc.fill_null(pc.list_value_length(turns), 0))
        values = turns.flatten()
        contents = pc.fill_null(pc.struct_field(values, "content"), "")
        known = pa.array(["system", "user", "assistant"])
        roles = _ints(pc.fill_null(pc.index_in(pc.struct_field(values, "role"), known), OTHER)).astype(np.uint8)
        row_of = np.repeat(np.arange(len(rows)), lengths)
        calls = _calls_of(values)
        if "text" in columns and not lengths.all():
            bare = np.flatnonzero(lengths == 0)  # rows without turns get their plain text as their one message
            lengths[bare] = 1
            row_of = np.concatenate((row_of, bare))
            order = np.argsort(row_of, kind="stable")
            texts = pc.fill_null(columns["text"].take(pa.array(bare)), "").cast(contents.type)
            contents = pa.concat_arrays([contents, texts]).take(pa.array(order))
            roles = np.concatenate((roles, np.full(len(bare), TEXT, np.uint8)))[order]
            calls = np.concatenate((calls, np.zeros(len(bare), bool)))[order]
            row_of = row_of[order]
        self.calls = calls
        self.contents, self.roles, self.row_of = contents, roles, row_of
        self.starts = np.concatenate(([0], np.cumsum(lengths)))
        self.data, self.offsets = _bytes_of(contents)

    @classmethod
    def of_texts(cls, texts: list[str]) -> "Batch":
        """Rows of one answer each, for comparison with rows of a dataset."""
        turns = pa.array([[{"role": "assistant", "content": text}] for text in texts])
        return cls(np.arange(len(texts)), 0, {"messages": turns})

    @classmethod
    def of_records(cls, records: Sequence[Record]) -> "Batch":
        """Rows that lie in memory."""
        turns = [[{"role": turn.role, "content": turn.content} for turn in record.messages] for record in records]
        kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
        columns: dict[str, Any] = {"messages": pa.array(turns, kind)}
        texts = [getattr(record, "text", "") for record in records]
        if any(texts):
            columns["text"] = pa.array(texts, pa.string())
        return cls(np.arange(len(records)), 0, columns)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def answers(self) -> Ints:
        """The last message of each row that is learned; -1 where there is none, (rows)."""
        found = np.full(len(self), -1)
        learned = np.flatnonzero((self.roles == ASSISTANT) | (self.roles == TEXT))
        found[self.row_of[learned]] = learned
        return found

    @cached_property
    def sizes(self) -> Ints:
        """Bytes of each message, (messages)."""
        return np.diff(self.offsets)

    @cached_property
    def text_hashes(self) -> Hashes:
        """A hash of each message's bytes, (messages)."""
        hashes = np.zeros(len(self.sizes), np.uint64)
        filled = np.flatnonzero(self.sizes)
        if len(filled):
            _powers.upto(len(self.data))
            values = (self.data.astype(np.uint64) + np.uint64(1)) * _powers.powers[: len(self.data)]
            begins = self.offsets[filled]
            hashes[filled] = mixed(np.add.reduceat(values, begins) * _powers.inverses[begins])
        return hashes

    @cached_property
    def _words(self) -> tuple[Hashes, Ints]:
        size = len(self.data)
        if not size:
            return np.zeros(0, np.uint64), np.zeros(len(self.offsets), np.int64)
        inside = _INSIDE[self.data]
        before = np.empty(size, bool)
        before[0], before[1:] = False, inside[:-1]
        begins = self.offsets[:-1]
        before[begins[begins < size]] = False  # a word does not go on in the next message
        starts = np.flatnonzero((inside & ~before) | _BEGINS[self.data])
        counts = np.searchsorted(starts, self.offsets)
        if not len(starts):
            return np.zeros(0, np.uint64), counts
        _powers.upto(size)
        values = _VALUE[self.data]
        values *= _powers.powers[:size]
        return mixed(np.add.reduceat(values, starts) * _powers.inverses[starts]), counts

    @property
    def words(self) -> Hashes:
        """A hash of each word, whatever its capitals, (words)."""
        return self._words[0]

    @property
    def word_offsets(self) -> Ints:
        """Where each message's words begin, (messages + 1)."""
        return self._words[1]

    def matching(self, pattern: str) -> Ints:
        """Messages that hold what a regular expression (RE2) describes."""
        return np.flatnonzero(pc.match_substring_regex(self.contents, pattern).to_numpy(zero_copy_only=False))

    def text(self, message: int) -> str:
        """The text of a message."""
        begin, end = self.offsets[message : message + 2]
        return self.data[begin:end].tobytes().decode("utf-8", "replace")

    def rows_of(self, messages: Ints) -> Ints:
        """Stored rows of messages, each once."""
        return self.rows[np.unique(self.row_of[messages])]


def batches(stored: Iterator[tuple[list[int], Any]]) -> Iterator[Batch]:
    """Batches of a dataset's rows, each of about MOST_BYTES at most.

    Args:
        stored: `Dataset.batches()`.
    """
    first = 0
    for rows, arrow in stored:
        numbers = np.asarray(rows, np.int64)
        for start, stop in _pieces(arrow):
            part = arrow.slice(start, stop - start)
            columns = {name: part.column(name) for name in part.schema.names}
            yield Batch(numbers[start:stop], first, columns)
            first += stop - start


def _pieces(arrow: Any) -> Iterator[tuple[int, int]]:
    if not arrow.num_rows:
        return
    count = max(1, -(-arrow.nbytes // MOST_BYTES))
    step = -(-arrow.num_rows // count)
    for start in range(0, arrow.num_rows, step):
        yield start, min(arrow.num_rows, start + step)


def _ints(array: Any) -> Ints:
    return array.to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]


def _calls_of(turns: Any) -> NDArray[np.bool_]:
    if turns.type.get_field_index("tool_calls") < 0:
        return np.zeros(len(turns), bool)
    sizes = pc.fill_null(pc.binary_length(pc.struct_field(turns, "tool_calls")), 0)
    return _ints(sizes) > 0


def _bytes_of(strings: Any) -> tuple[NDArray[np.uint8], Ints]:
    _, where, data = strings.buffers()
    if where is None or not len(strings):
        return np.zeros(0, np.uint8), np.zeros(len(strings) + 1, np.int64)
    begin = strings.offset
    offsets = np.frombuffer(where, np.int32, len(strings) + 1, 4 * begin).astype(np.int64)
    if data is None:
        return np.zeros(0, np.uint8), offsets - offsets[0]
    return np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]], offsets - offsets[0]
