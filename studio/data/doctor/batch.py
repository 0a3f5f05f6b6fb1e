"""A batch of rows as flat arrays: the bytes of all texts, where each begins, and the hash of every word.

Everything is computed when first asked for and shared by all checks. Texts are UTF-8 bytes, never Python strings: a
million rows take seconds, not minutes.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from studio.contract.records import Record
from studio.data.doctor.beside import CALLS, More, more_of, weighed
from studio.data.doctor.texts import MOST_BYTES, Hashes, Ints, Texts, ints, mixed, powers

__all__ = ["Batch", "Hashes", "Ints", "Texts", "batches", "hash_words", "mixed"]

SYSTEM, USER, ASSISTANT, OTHER, TEXT = range(5)
"""Codes of roles; TEXT is a row of plain text, all of which is learned."""

SAID, ASKED = (USER, ASSISTANT, OTHER, TEXT), (USER,)
"""What a row is about: all but its system prompt; and its questions alone."""


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


def hash_words(text: str) -> list[int]:
    """The hashes of a text's words, as batches have them."""
    words = Batch.of_texts([text]).words
    return [int(word) for word in words]


class Batch(Texts):
    """Some rows of a dataset, as they read now.

    Attributes:
        rows: Stored rows, (rows).
        first: Number of the first row among all rows that are looked at.
        contents: Texts of all messages in order, an Arrow array of strings, (messages).
        roles: Role of each message, (messages).
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
        self.first, self.columns = first, columns
        turns = columns["messages"]
        lengths = ints(pc.fill_null(pc.list_value_length(turns), 0))
        values = turns.flatten()
        contents = pc.fill_null(pc.struct_field(values, "content"), "")
        known = pa.array(["system", "user", "assistant"])
        roles = ints(pc.fill_null(pc.index_in(pc.struct_field(values, "role"), known), OTHER)).astype(np.uint8)
        row_of = np.repeat(np.arange(len(rows)), lengths)
        if "text" in columns and not lengths.all():
            bare = np.flatnonzero(lengths == 0)  # rows without turns get their plain text as their one message
            lengths[bare] = 1
            row_of = np.concatenate((row_of, bare))
            order = np.argsort(row_of, kind="stable")
            texts = pc.fill_null(columns["text"].take(pa.array(bare)), "").cast(contents.type)
            contents = pa.concat_arrays([contents, texts]).take(pa.array(order))
            roles = np.concatenate((roles, np.full(len(bare), TEXT, np.uint8)))[order]
            row_of = row_of[order]
        super().__init__(rows, contents, row_of)
        self.roles = roles
        self.starts = np.concatenate(([0], np.cumsum(lengths)))

    @classmethod
    def of_texts(cls, texts: list[str]) -> "Batch":
        """Rows of one answer each, for comparison with rows of a dataset."""
        turns = pa.array([[{"role": "assistant", "content": text}] for text in texts])
        return cls(np.arange(len(texts)), 0, {"messages": turns})

    @classmethod
    def of_records(cls, records: Sequence[Record]) -> "Batch":
        """Rows that lie in memory, as far as they are compared with those of a dataset."""
        names = ("role", "content", "tool_calls")
        turns = [[{name: getattr(turn, name) for name in names} for turn in record.messages] for record in records]
        kind = pa.list_(pa.struct([(name, pa.string()) for name in names]))
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
    def more(self) -> More | None:
        """What these rows say beside the contents of their turns; None where they say nothing."""
        return more_of(self.rows, self.columns)

    def every(self) -> Iterator[Texts]:
        """All that there is to read in these rows."""
        yield self
        if self.more is not None:
            yield self.more

    def rows_where(self, find: Callable[[Texts], Ints]) -> Ints:
        """Stored rows, each once, of all texts that `find` gives the numbers of."""
        found: Ints = np.unique(np.concatenate([texts.rows_of(find(texts)) for texts in self.every()]))
        return found

    @cached_property
    def calls(self) -> NDArray[np.bool_]:
        """Whether each message calls a tool, (messages)."""
        found = np.zeros(len(self.roles), bool)
        if self.more is not None:
            which = self.more.kinds == CALLS
            found[self.starts[self.more.row_of[which]] + self.more.places[which]] = True
        return found

    def unlearned(self, last_only: bool) -> Ints:
        """Which of these rows have answers that are all marked as not to be learned; `last_only`: whose last one is."""
        marks = weighed(self.rows, self.columns)
        if marks is None:
            return np.zeros(0, np.int64)
        marked = np.zeros(len(self.roles), bool)
        marked[self.starts[marks[0]] + marks[1]] = True
        if last_only:
            there = np.flatnonzero(self.answers >= 0)
            return there[marked[self.answers[there]]]
        answers = self.roles == ASSISTANT
        total = np.bincount(self.row_of[answers], minlength=len(self))
        return np.flatnonzero((total > 0) & (total == np.bincount(self.row_of[answers & marked], minlength=len(self))))

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
        powers.upto(size)
        values = _VALUE[self.data]
        values *= powers.powers[:size]
        return mixed(np.add.reduceat(values, starts) * powers.inverses[starts]), counts

    @property
    def words(self) -> Hashes:
        """A hash of each word, whatever its capitals, (words)."""
        return self._words[0]

    @property
    def word_offsets(self) -> Ints:
        """Where each message's words begin, (messages + 1)."""
        return self._words[1]


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
