"""JSON: a list of objects, read piece by piece, so that a file of any size needs the memory of one row.

Also read: one object after another without a list around them, and one object that holds the rows
(`{"data": [...]}` and its kin: `json_object`).
"""

import io
import re
from collections.abc import Iterator

from studio.data.formats.json_object import bare_row, is_names, rows_within
from studio.data.formats.jsonl import as_row, json_problem
from studio.data.json_text import MAX_DEPTH, MAX_VALUES, JsonFault, decode, too_deep, too_many_values
from studio.data.source import MAX_LINE_BYTES, SKIPPED, Source

_CHUNK = 1024 * 1024
_BETWEEN = re.compile(rb'["{}\[\],]')
_WITHIN = re.compile(rb'["{}\[\]]')
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_MAX_MARKS = 5 * MAX_VALUES
"""Quotes and brackets in one row: a text takes two marks at most, a list or an object two."""
_OPENING = b"[{"
_QUOTE = ord('"')


class _Pieces:
    """Cuts the text into the elements of its list without understanding them: quotes and brackets suffice."""

    def __init__(self, file: io.BufferedIOBase, source: Source) -> None:
        self._file = file
        self._source = source
        self._buffer = bytearray()
        self._scan = 0
        self._start = 0
        self._in_string = False
        self._marks = 0
        self.depth = 0
        self.line = 1
        self.column = 1
        self.offset = 0

    def fill(self) -> bool:
        """Read on; False at the end of the file."""
        if self._start:
            del self._buffer[: self._start]
            self._scan -= self._start
            self._start = 0
        if len(self._buffer) > MAX_LINE_BYTES:
            raise self._source.error(
                "line_too_long",
                f"The row that begins at line {self.line} is longer than 64 MB.",
                "No row of questions and answers is that long.",
                "Check the brackets there.",
                self.line,
            )
        chunk = self._file.read(_CHUNK)
        self._buffer += chunk
        return bool(chunk)

    def first_byte(self) -> int:
        """The first byte that is no white space; it is not consumed."""
        while not (text := self._buffer.lstrip()):
            self._pass(len(self._buffer))
            if not self.fill():
                raise self._source.error("empty_file", "There are no records: the file is blank.")
        self._pass(self._start + len(self._buffer) - len(text))
        return text[0]

    def skip(self) -> None:
        """Step over one byte."""
        self._pass(self._start + 1)

    def next(self, ends: bytes) -> tuple[bytes, int]:
        """Cut at the next byte of `ends` outside of strings and brackets.

        Returns:
            The piece before it, and that byte; 0 at the end of the file.
        """
        while True:
            end = self._find(ends)
            if end is not None:
                piece = bytes(self._buffer[self._start : end])
                return piece, self._buffer[end]
            if not self.fill():
                return bytes(self._buffer[self._start :]), 0

    def consume(self, piece: bytes, separator: bool = True) -> None:
        """Go behind the piece that `next` gave."""
        self._pass(self._start + len(piece) + separator)

    def _find(self, ends: bytes) -> int | None:
        buffer = self._buffer
        while True:
            if self._in_string:
                match = _STRING.match(buffer, self._scan)
                assert match is not None  # it matches nothing, too
                self._scan = match.end()
                if self._scan >= len(buffer) or buffer[self._scan] != _QUOTE:
                    return None
                self._in_string = False
                self._scan += 1
            found = (_WITHIN if self.depth else _BETWEEN).search(buffer, self._scan)
            if found is None:
                self._scan = len(buffer)
                return None
            char = buffer[found.start()]
            self._scan = found.end()
            self._marks += 1
            if self._marks > _MAX_MARKS:
                raise StopScan(too_many_values())
            if char == _QUOTE:
                self._in_string = True
            elif self.depth == 0 and char in ends:
                return found.start()
            elif char in _OPENING:
                self.depth += 1
                if self.depth > MAX_DEPTH:
                    raise StopScan(too_deep())
            elif char != ord(","):
                self.depth -= 1
                if self.depth <= 0 and not ends:
                    self.depth = 0
                    return found.start()
                self.depth = max(0, self.depth)

    def _pass(self, end: int) -> None:
        passed = self._buffer[self._start : end]
        self.offset += len(passed)
        breaks = passed.count(b"\n")
        self.line += breaks
        self.column = len(passed) - passed.rfind(b"\n") if breaks else self.column + len(passed)
        self._start = end
        self._marks = 0
        self._scan = max(self._scan, end)


class StopScan(Exception):
    """A row is refused in the middle: the pieces after it cannot be told apart."""

    def __init__(self, fault: JsonFault) -> None:
        super().__init__(fault.what)
        self.fault = fault


def rows(source: Source) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield number (from 1) and row.

    Raises:
        StudioError: The text is no JSON, or a row is refused; see `Source.fault`.
    """
    source.settle_json()
    pieces = _Pieces(source.open_utf8(), source)
    try:
        first = pieces.first_byte()
        if first == ord("["):
            pieces.skip()
            yield from _list(pieces, source)
        else:
            yield from _objects(pieces, source)
    except StopScan as stop:
        raise _error(source, pieces, stop.fault) from stop


def _list(pieces: _Pieces, source: Source) -> Iterator[tuple[int, dict[str, object]]]:
    number, names, first = 0, list[str](), object()
    while True:
        piece, end = pieces.next(b",]")
        if not end:
            raise _error(source, pieces, JsonFault("truncated", "", piece.rstrip().count(b"\n") + 1))
        if piece.strip():
            number += 1
            value = _value(piece, pieces, source)
            first = value if number == 1 else first
            if number == 1 and is_names(value):
                names = [str(cell) for cell in value]  # type: ignore[attr-defined] # a list, then
            elif (row := _row_of(bare_row(value, first, names), pieces, source)) is not None:
                yield number, row
        elif end == ord(","):
            fault = JsonFault("broken_json", "A comma stands where a row should be.")
            source.fault(json_problem(fault, *_place(pieces, fault)), pieces.line)
        elif number:
            source.note("trailing_comma", "A comma stands after the last row; it was passed over.", line=pieces.line)
        pieces.consume(piece)
        if end == ord("]"):
            break
    rest, end = pieces.next(b",]")
    if rest.strip() or end:
        raise _error(source, pieces, JsonFault("broken_json", "There is more text after the end of the list."))


def _objects(pieces: _Pieces, source: Source) -> Iterator[tuple[int, dict[str, object]]]:
    """One object after another; where there is only one and it holds a list of rows, that list."""
    number, only = 0, None
    while True:
        piece, end = pieces.next(b"")
        if not end:
            if piece.strip():
                _fail(source, pieces, piece)
            break
        piece += bytes([end])
        row = _row(piece, pieces, source)
        pieces.consume(piece, separator=False)
        number += 1
        if number > 1 and only is not None:
            yield 1, only
            only = None
        if row is not None and number == 1:
            only = row
        elif row is not None:
            yield number, row
    if only is not None:
        yield from enumerate(rows_within(only, source), start=1)


def _row(piece: bytes, pieces: _Pieces, source: Source) -> dict[str, object] | None:
    return _row_of(_value(piece, pieces, source), pieces, source)


_DAMAGED = object()


def _row_of(value: object, pieces: _Pieces, source: Source) -> dict[str, object] | None:
    """A value as a row; None where it is none and such are left out."""
    if value is _DAMAGED:
        return None
    try:
        return as_row(value)
    except JsonFault as fault:
        source.fault(json_problem(fault, pieces.line, pieces.column, pieces.offset), pieces.line)
        return None


def _value(piece: bytes, pieces: _Pieces, source: Source) -> object:
    try:
        return decode(piece)
    except JsonFault as fault:
        line, column = _place(pieces, fault)
        if fault.code == "truncated":  # inside a list a row ends where its brackets say; what is wrong is the row
            fault = JsonFault("broken_json", "The brackets or quotes of this row do not match.", fault.line, column)
        source.fault(json_problem(fault, line, column, pieces.offset), line)
        return _DAMAGED


def _fail(source: Source, pieces: _Pieces, piece: bytes) -> None:
    try:
        decode(piece.rstrip())
    except JsonFault as fault:
        raise _error(source, pieces, fault) from fault
    raise source.error(
        "no_rows",
        "The file holds a single value, not a list of rows.",
        fix='A list of rows looks like [{"question": "…", "answer": "…"}, …].',
    )


def _error(source: Source, pieces: _Pieces, fault: JsonFault) -> Exception:
    line, column = _place(pieces, fault)
    problem = json_problem(fault, line, column, pieces.offset)
    fix = problem.fix.replace(SKIPPED, "")  # what follows cannot be told apart, so nothing would be gained
    return source.error(problem.code.removeprefix("data."), problem.what, problem.why, fix, line)


def _place(pieces: _Pieces, fault: JsonFault) -> tuple[int, int]:
    first_line = fault.line <= 1
    column = max(1, fault.column)
    return pieces.line + max(0, fault.line - 1), column + (pieces.column - 1 if first_line else 0)
