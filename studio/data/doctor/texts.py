"""Texts of some rows as one stretch of bytes: searched, hashed and told apart without a Python string each."""

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

MOST_BYTES = 1_000_000
"""A batch is cut to about this size (a single row may be larger), so that its arrays stay in the processor's cache."""

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_MIX = np.uint64(0xFF51AFD7ED558CCD)


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


powers = _Powers()


def mixed(hashes: Hashes) -> Hashes:
    """Hashes whose every bit depends on every bit of the input."""
    out = hashes ^ (hashes >> np.uint64(32))
    out *= _MIX
    out ^= out >> np.uint64(29)
    return out


class Texts:
    """Texts, and the rows that they belong to.

    Attributes:
        rows: Stored rows, (rows).
        contents: The texts in order of their rows, an Arrow array of strings, (texts).
        row_of: Which of the rows each text belongs to, (texts).
        data: Bytes of all texts, one behind the other.
        offsets: Where each text's bytes begin, (texts + 1).
    """

    def __init__(self, rows: Ints, contents: Any, row_of: Ints) -> None:
        self.rows, self.contents, self.row_of = rows, contents, row_of
        self.data, self.offsets = _bytes_of(contents)

    @cached_property
    def sizes(self) -> Ints:
        """Bytes of each text, (texts)."""
        return np.diff(self.offsets)

    @cached_property
    def text_hashes(self) -> Hashes:
        """A hash of each text's bytes, 0 where there are none, (texts)."""
        hashes = np.zeros(len(self.sizes), np.uint64)
        filled = np.flatnonzero(self.sizes)
        if len(filled):
            powers.upto(len(self.data))
            values = (self.data.astype(np.uint64) + np.uint64(1)) * powers.powers[: len(self.data)]
            begins = self.offsets[filled]
            hashes[filled] = mixed(np.add.reduceat(values, begins) * powers.inverses[begins])
        return hashes

    def matching(self, pattern: str) -> Ints:
        """Texts that hold what a regular expression (RE2) describes."""
        return np.flatnonzero(pc.match_substring_regex(self.contents, pattern).to_numpy(zero_copy_only=False))

    def text(self, number: int) -> str:
        """One of them."""
        begin, end = self.offsets[number : number + 2]
        return self.data[begin:end].tobytes().decode("utf-8", "replace")

    def rows_of(self, numbers: Ints) -> Ints:
        """Stored rows of some texts, each once."""
        return self.rows[np.unique(self.row_of[numbers])]


def ints(array: Any) -> Ints:
    """An Arrow array of whole numbers without gaps."""
    return array.to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]


def _bytes_of(strings: Any) -> tuple[NDArray[np.uint8], Ints]:
    _, where, data = strings.buffers()
    if where is None or not len(strings):
        return np.zeros(0, np.uint8), np.zeros(len(strings) + 1, np.int64)
    begin = strings.offset
    offsets = np.frombuffer(where, np.int32, len(strings) + 1, 4 * begin).astype(np.int64)
    if data is None:
        return np.zeros(0, np.uint8), offsets - offsets[0]
    return np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]], offsets - offsets[0]
