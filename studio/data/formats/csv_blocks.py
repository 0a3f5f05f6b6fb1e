"""CSV many rows at once: blocks of whole rows go through pyarrow's reader.

What it could read otherwise than the careful reader does goes to that one.
"""

import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from studio.data.ahead import ahead
from studio.data.formats.batch import BLOCK_BYTES, Batch, count_byte, gathered, next_block
from studio.data.source import MAX_LINE_BYTES

_PIECE_BYTES = 256 * 1024
_QUOTE, _FEED, _RETURN = ord('"'), ord("\n"), ord("\r")

Careful = Callable[[io.TextIOBase, int, Iterator[int]], Iterator[tuple[int, dict[str, object]]]]
"""Reads text from the middle of a file: (text, lines before it, numbers of its rows) -> number and row."""


def blocks(file: io.BufferedIOBase) -> Iterator[tuple[bytearray, bool]]:
    """Whole rows, some megabytes at a time, and whether quotes stand in them: no block ends within quotes, unless the
    file does or a row is too long.
    """
    while block := next_block(file, BLOCK_BYTES):
        if not block.endswith(b"\n"):
            block += file.readline(MAX_LINE_BYTES)
        is_quoted = b'"' in block
        is_open = is_quoted and count_byte(block, b'"') % 2
        while is_open and len(block) <= MAX_LINE_BYTES + BLOCK_BYTES and (more := file.readline(MAX_LINE_BYTES)):
            is_open ^= more.count(b'"') % 2
            block += more
        yield block, is_quoted


def batches(
    file: io.BufferedIOBase,
    columns: list[str],
    delimiter: str,
    lines: int,
    careful: Careful,
    encoding: Callable[[], str],
    schema: Any,
) -> Iterator[Batch]:
    """Yield the rows behind the header.

    Args:
        file: UTF-8 as far as is known, at the first row.
        columns: Names in the header's order.
        delimiter: One character.
        lines: Lines before the first row.
        careful: How a block is read that is not plain.
        encoding: Finds out the file's encoding for certain, once there is reason to ask; what was read stays right.
        schema: pyarrow schema of the columns that are wanted.
    """
    rows = 0
    with closing(ahead(blocks(file))) as reading:
        for block, is_quoted in reading:
            plain = len(block) <= MAX_LINE_BYTES and (not is_quoted or _is_well_quoted(block, delimiter))
            feeds = count_byte(block, b"\n")
            table = _table(block, is_quoted, feeds, columns, delimiter) if plain else None
            if not plain or (table is None and not _is_utf8(block)):
                # A row may be cut, it cannot be told any more where rows end, or what their letters are: all the rest.
                rest = io.TextIOWrapper(io.BufferedReader(_Rest(block, reading)), encoding=encoding(), newline="")
                yield from gathered(careful(rest, lines, itertools.count(rows + 1)), schema)
                return
            if table is not None:
                numbers = np.arange(rows + 1, rows + 1 + table.num_rows, dtype=np.int64)
                yield Batch(table, numbers, _row_of(table), is_sound=True)
                rows += table.num_rows
            else:
                counter = itertools.count(rows + 1)
                found = list(careful(io.StringIO(block.decode("utf-8"), newline=""), lines, counter))
                numbers = np.array([number for number, _ in found], np.int64)
                yield Batch(None, numbers, [row for _, row in found].__getitem__)
                rows = next(counter) - 1  # rows that are left out count, too
            lines += feeds


def _table(block: bytearray, is_quoted: bool, feeds: int, columns: list[str], delimiter: str) -> Any:
    """The block as a record batch of texts, or None where the two readers might differ.

    Args:
        block: Whole rows.
        is_quoted, feeds: Whether it has quotes; how many line feeds.
        columns, delimiter: As `batches` has them.
    """
    if b"\x00" in block:
        return None
    if not is_quoted:
        # A row a line feed and none of them blank: so no carriage return ends a row by itself.
        lines = feeds if block.endswith(b"\n") else feeds + 1
        read = _read(block, columns, delimiter, newlines_in_values=False, ignore_empty_lines=False)
        if read is not None and read.num_rows == lines and not (block.endswith(b"\r") or _has_blank(read)):
            return read
    if _has_lone_return(block):
        return None
    return _read(block, columns, delimiter, newlines_in_values=is_quoted, ignore_empty_lines=True)


def _read(block: bytearray, columns: list[str], delimiter: str, **parsing: bool) -> Any:
    """What pyarrow reads, as one record batch of texts; None where it cannot."""
    parse = pa_csv.ParseOptions(delimiter=delimiter, **parsing)
    convert = pa_csv.ConvertOptions(
        column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False, check_utf8=True
    )
    # In pieces that fit the processor's cache it is twice as quick; a row that is longer than such a piece fails.
    for piece in (_PIECE_BYTES, len(block) + 1):
        options = pa_csv.ReadOptions(column_names=columns, use_threads=False, block_size=piece)
        try:
            read = pa_csv.read_csv(pa.BufferReader(block), options, parse, convert)
        except pa.ArrowException:
            continue
        found = read.combine_chunks().to_batches()
        return found[0] if len(found) == 1 else None
    return None


def _has_blank(table: Any) -> bool:
    """Whether all cells of a row are empty, as those of a blank line are."""
    blank: Any = True
    for column in table.columns:
        blank &= pc.binary_length(column).to_numpy(zero_copy_only=False) == 0
        if not blank.any():
            return False
    return True


def _is_utf8(block: bytearray) -> bool:
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _has_lone_return(block: bytearray) -> bool:
    """Whether a carriage return stands without a line feed behind it; six times as quick as `bytes.count`, which also
    keeps other threads waiting.
    """
    if b"\r" not in block:
        return False
    data = np.frombuffer(block, np.uint8)
    returns = np.flatnonzero(data == _RETURN)
    return bool(returns[-1] + 1 == len(data) or (data[returns + 1] != _FEED).any())


class _Rest(io.RawIOBase):
    """A block that was read already, and those that follow it."""

    def __init__(self, block: bytearray, following: Iterator[tuple[bytearray, bool]]) -> None:
        super().__init__()
        self._block, self._following = memoryview(block), following

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._block:
            self._block = memoryview(next(self._following, (bytearray(), False))[0])
        number = min(len(buffer), len(self._block))
        buffer[:number] = self._block[:number]
        self._block = self._block[number:]
        return number


def _is_well_quoted(block: bytearray, delimiter: str) -> bool:
    """Whether every quote opens a cell, closes one, or is one of a pair within one."""
    data = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    if len(quotes) % 2:
        return False
    ends = np.array([ord(delimiter), _FEED, _RETURN, _QUOTE], np.uint8)
    opening, closing = quotes[0::2], quotes[1::2]
    before = data[opening[opening > 0] - 1]
    after = data[closing[closing + 1 < len(data)] + 1]
    return bool(np.isin(before, ends).all() and np.isin(after, ends).all())


def _row_of(table: Any) -> Callable[[int], dict[str, object]]:
    return lambda place: dict(table.slice(place, 1).to_pylist()[0])
