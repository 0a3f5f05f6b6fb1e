"""JSONL: one JSON object a line. Blank lines are nothing; the row's number is its line's."""

import codecs
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from studio.contract.errors import Problem
from studio.data.ahead import ahead
from studio.data.conversation import kind_of
from studio.data.formats.batch import BLOCK_BYTES, Batch, next_block
from studio.data.json_text import JsonFault, decode
from studio.data.source import MAX_LINE_BYTES, Source

_FIXES = {
    "broken_json": "Correct that line, or leave damaged lines out.",
    "truncated": "The file may be cut off; get it again, or leave damaged lines out.",
    "too_deep": "Rows for training are flat: a question and an answer, or a list of turns.",
    "too_many_values": "Rows for training are a question and an answer, or a list of turns; check the brackets.",
    "not_a_number": "Write null or leave the value out.",
    "number_range": "Write the number as text, or leave it out.",
    "duplicate_key": "Keep one of the two.",
    "invalid_utf8": "Save the file as UTF-8.",
    "broken_character": "Correct that key.",
    "not_an_object": 'Each row must look like {"question": "…", "answer": "…"}.',
}


def rows(source: Source) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield line number and row.

    Raises:
        StudioError: A line is damaged or longer than 64 MB; see `Source.fault`.
    """
    source.settle_json()
    file = source.open_utf8()
    number = 0
    offset = len(codecs.BOM_UTF8) if source.encoding == "utf-8-sig" else 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            source.fault(_too_long(number), number)
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                offset += len(rest)
            offset += len(rest)
        elif not line.isspace():
            try:
                yield number, as_row(_decode_line(line))
            except JsonFault as fault:
                source.fault(json_problem(fault, number, fault.column, offset), number)
        offset += len(line)


def batches(source: Source, schema: Any) -> Iterator[Batch]:
    """Yield some thousand lines at once.

    Args:
        source: The file.
        schema: pyarrow schema of the columns that are wanted as they are declared there; others are looked at only.

    Raises:
        StudioError: As `rows` does.
    """
    source.settle_json()
    number = 0
    offset = len(codecs.BOM_UTF8) if source.encoding == "utf-8-sig" else 0
    with closing(ahead(_whole_lines(source))) as reading:
        for chunk, feeds, skipped in reading:
            if chunk:
                block = _Block(source, chunk, feeds, number, offset)
                yield Batch(block.table(schema), block.numbers, block.row)
                number += block.lines
                offset += len(chunk)
            if skipped:
                number += 1
                source.fault(_too_long(number), number)
                offset += skipped


def _whole_lines(source: Source) -> Iterator[tuple[bytearray, Any, int]]:
    """Some megabytes of lines, where their line feeds are, and the bytes of a line behind them that is too long, which
    is passed over.
    """
    file = source.open_utf8()
    while chunk := next_block(file, BLOCK_BYTES):
        begin = chunk.rfind(b"\n") + 1  # of the last line, of which the chunk may hold a part only
        rest = b"" if begin == len(chunk) else file.readline(MAX_LINE_BYTES + 1 - (len(chunk) - begin))
        skipped = len(chunk) - begin + len(rest)
        if skipped <= MAX_LINE_BYTES:
            chunk += rest
            skipped = 0
        else:  # only what lies before that line can be a row
            del chunk[begin:]
        yield chunk, np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n")), 0
        if skipped:
            while (more := file.readline(MAX_LINE_BYTES)) and not more.endswith(b"\n"):
                skipped += len(more)
            yield bytearray(), None, skipped + len(more)


class _Block:
    """Some whole lines of a file."""

    def __init__(self, source: Source, data: bytearray, feeds: Any, before: int, offset: int) -> None:
        self._source, self._data, self._feeds, self._before, self._offset = source, data, feeds, before, offset
        self.lines = len(feeds) + bool(not data.endswith(b"\n"))
        self._cut: list[bytes] = []
        self.numbers = np.arange(before + 1, before + 1 + self.lines, dtype=np.int64)

    def table(self, schema: Any) -> Any:
        """The lines as a record batch, or None where one of them is not what it should be."""
        if not self._are_objects():
            return None
        read = _table(self._data, schema)
        if read is None:
            return None
        if read.num_rows != self.lines:  # blank lines, which count, or two rows in one line, which is wrong
            kept = np.array([not line.isspace() for line in self._split()], bool)
            self.numbers = self.numbers[kept]
            self._cut = [line for line in self._split() if not line.isspace()]
            if len(self.numbers) != read.num_rows:
                return None
        if any(_has_floats(column.type) and _has_infinite(column.combine_chunks()) for column in read.columns):
            return None
        batches = read.combine_chunks().to_batches()
        return batches[0] if len(batches) == 1 else None

    def _are_objects(self) -> bool:
        """Whether every line with anything in it begins an object: pyarrow 26 dies of a piece that starts with null."""
        data = np.frombuffer(self._data, np.uint8)
        starts = np.concatenate(([0], self._feeds + 1))
        starts = starts[starts < len(data)]
        odd = starts[data[starts] != ord("{")].tolist()
        ends = [self._data.find(b"\n", start) for start in odd]
        lines = (bytes(self._data[start : end if end >= 0 else None]) for start, end in zip(odd, ends, strict=True))
        return all(line.lstrip()[:1] in (b"", b"{") for line in lines)

    def row(self, place: int) -> dict[str, object] | None:
        """One line, decoded strictly; a damaged one is reported to the source."""
        line, number = self._split()[place], int(self.numbers[place])
        if line.isspace():
            return None
        try:
            return as_row(_decode_line(line))
        except JsonFault as fault:
            place = number - self._before - 1
            before = int(self._feeds[place - 1]) + 1 if place else 0
            self._source.fault(json_problem(fault, number, fault.column, self._offset + before), number)
            return None

    def _split(self) -> list[bytes]:
        if not self._cut:
            data = bytes(self._data)
            self._cut = data.splitlines(keepends=True) if b"\r" not in data else _lines(data)
        return self._cut


def _table(data: bytearray, schema: Any) -> Any:
    """Lines as a table; None where pyarrow cannot read one of them.

    In one piece: pyarrow 26 dies where a column becomes a list in the first line of a piece but the first.
    """
    try:
        return pj.read_json(
            pa.BufferReader(data),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
        )
    except (pa.ArrowException, ValueError):
        return None


def _lines(data: bytes) -> list[bytes]:
    """Cut at line feeds only, as `readline` does."""
    *lines, rest = data.split(b"\n")
    return [line + b"\n" for line in lines] + [rest] * bool(rest)


def _has_floats(kind: Any) -> bool:
    """Whether numbers with a point lie anywhere in values of this type."""
    if pa.types.is_struct(kind):
        return any(_has_floats(field.type) for field in kind)
    return _has_floats(kind.value_type) if pa.types.is_list(kind) else pa.types.is_floating(kind)


def _has_infinite(column: Any) -> bool:
    """Whether one of these numbers is none, as JSON has none of them (NaN, Infinity)."""
    if isinstance(column, pa.ChunkedArray):  # a column of no rows, or of more than one array can hold
        return any(map(_has_infinite, column.chunks))
    kind = column.type
    if pa.types.is_struct(kind):
        return any(_has_floats(part.type) and _has_infinite(part) for part in column.flatten())
    if pa.types.is_list(kind):
        return _has_infinite(column.flatten())
    values = column.drop_null().to_numpy(zero_copy_only=False)
    return not bool(np.isfinite(values).all())


def _decode_line(line: bytes) -> object:
    """The value of a line.

    Raises:
        JsonFault: As `decode` does; only a line without a line break may be cut off.
    """
    try:
        return decode(line)
    except JsonFault as fault:
        if fault.code == "truncated" and line.endswith(b"\n"):
            raise JsonFault("broken_json", f"{_UNCLOSED}.", fault.line, fault.column) from fault
        raise


_UNCLOSED = "It ends in the middle of a value: a quote or a bracket is not closed"


def as_row(value: object) -> dict[str, object]:
    """The value as a row.

    Raises:
        JsonFault: It is no object.
    """
    if isinstance(value, dict):
        return value
    kind = "a text" if isinstance(value, str) else kind_of(value)
    raise JsonFault("not_an_object", f"This row is {kind}, not an object with named values.")


def json_problem(fault: JsonFault, line: int, column: int, offset: int = 0) -> Problem:
    """A fault in words, with its place in the file.

    Args:
        fault: What the decoder found.
        line, column: Place in the file, from 1; column 0: not known.
        offset: Bytes of the file before the piece that was decoded.
    """
    what = fault.what
    if fault.code == "truncated":
        what = f"Line {line} is incomplete: the text ends in the middle of a value."
    elif fault.code == "broken_json":
        what = f"Line {line}, column {column} is not valid JSON."
    elif fault.code == "invalid_utf8":
        what = f"The text is not valid UTF-8 at byte {offset + fault.offset:,}."
    why = fault.what if what != fault.what and fault.code != "truncated" else ""
    return Problem(code=f"data.{fault.code}", what=what, why=why, fix=_FIXES[fault.code])


def _too_long(number: int) -> Problem:
    return Problem(
        code="data.line_too_long",
        what=f"Line {number} is longer than 64 MB.",
        why="No row of questions and answers is that long; the file may have no line breaks.",
        fix="Check that each row stands on a line of its own.",
    )
