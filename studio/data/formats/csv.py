"""CSV: columns cut by comma, semicolon, tab or bar, with a header line; which of them is found out."""

import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from studio.contract.errors import Problem, StudioError
from studio.data import column_names
from studio.data.formats import csv_blocks
from studio.data.formats.batch import Batch, gathered
from studio.data.formats.csv_layout import Layout, detect_layout, note_first_line
from studio.data.source import MAX_LINE_BYTES, Source
from studio.data.wording import count, listed

_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_MAX_CELLS = 20_000
_MAX_RECORD_LINES = 100_000


def rows(source: Source) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield number (the header not counted, from 1) and row; all values are text.

    Raises:
        StudioError: Quotes do not match, a row has too few or too many columns, a column's name occurs twice.
    """
    source.settle_encoding()
    layout = _layout(source)
    csv.field_size_limit(MAX_LINE_BYTES)
    lines = _Lines(source, source.open_text(), layout.skip_lines)
    try:
        yield from _rows(source, layout, lines, [], itertools.count(1))
    except UnicodeDecodeError as error:
        raise source.encoding_error(error) from error


def _rows(
    source: Source, layout: Layout, lines: "_Lines", columns: list[str], numbers: Iterator[int]
) -> Iterator[tuple[int, dict[str, object]]]:
    """Number and row; without `columns` the first record is the header. `numbers`: of the rows to come."""
    for line, cells in _records(source, layout, lines):
        if not columns:
            columns = _columns(source, layout, cells, line)
            if layout.has_header:
                continue
        number = next(numbers)
        while len(cells) > len(columns) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(columns):
            source.fault(_ragged(cells, columns, layout), line)
            continue
        yield number, dict(zip(columns, cells, strict=True))


def batches(source: Source, schema: Any) -> Iterator[Batch]:
    """Yield some thousand rows at once.

    Args:
        source: The file.
        schema: pyarrow schema of the columns that are wanted.

    Raises:
        StudioError: As `rows` does.
    """
    source.settle_start()
    layout = _layout(source)
    header, line_end, _ = source.head.partition("\n")
    is_plain = (
        bool(line_end)
        and layout.has_header
        and not (layout.skip_lines or layout.spaced or "\r" in header.removesuffix("\r"))
    )
    if source.encoding not in ("utf-8", "utf-8-sig") or not is_plain or '"' in header or not header.strip():
        yield from gathered(rows(source), schema)
        return
    csv.field_size_limit(MAX_LINE_BYTES)
    file = source.open_utf8()
    first = _Lines(source, io.StringIO(file.readline().decode("utf-8"), newline=""))
    columns = _columns(source, layout, next(_records(source, layout, first))[1], 1)

    def careful(text: io.TextIOBase, before: int, numbers: Iterator[int]) -> Iterator[tuple[int, dict[str, object]]]:
        return _rows(source, layout, _Lines(source, text, before=before), columns, numbers)

    def encoding() -> str:
        source.check_unchanged()
        source.settle_encoding()
        return "cp1252" if source.encoding == "cp1252" else "utf-8"  # the byte order mark was read

    yield from csv_blocks.batches(file, columns, layout.delimiter, 1, careful, encoding, schema)


def _layout(source: Source) -> Layout:
    """How the source is written, its first line taken for what the user says."""
    chosen = source.reading.first_line
    layout = detect_layout(source.head, source.head_is_whole, source.suffix, by_names=not chosen)
    return msgspec.structs.replace(layout, has_header=chosen == "names") if chosen else layout


def _records(source: Source, layout: Layout, lines: "_Lines") -> Iterator[tuple[int, list[str]]]:
    """Line (from 1) where each record begins, and its cells; blank lines left out."""
    reader = csv.reader(lines, delimiter=layout.delimiter, skipinitialspace=layout.spaced, strict=True)
    while True:
        start = lines.begin_record()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise _quote_error(source, start, lines.number, error) from error
        if cells is None:
            return
        if cells:
            yield start, cells


class _Lines:
    """Feeds the reader and watches that one record does not swallow the file."""

    def __init__(self, source: Source, text: io.TextIOBase, skip: int = 0, before: int = 0) -> None:
        """Args:
        source: For errors.
        text: What is read.
        skip: Lines that are no rows.
        before: Lines of the file before this text.
        """
        self._source = source
        self._text = text
        self.number = before
        self._start = 1
        self._characters = 0
        for _ in range(skip):
            next(self)

    def __iter__(self) -> "_Lines":
        return self

    def begin_record(self) -> int:
        """The line where the next record begins."""
        self._characters = 0
        self._start = self.number + 1
        return self._start

    def __next__(self) -> str:
        line = self._text.readline(MAX_LINE_BYTES + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._characters += len(line)
        if self.number - self._start > _MAX_RECORD_LINES:
            raise _unclosed_quote(self._source, self._start)
        if self._characters > MAX_LINE_BYTES:
            if self.number > self._start:
                raise _unclosed_quote(self._source, self._start)
            raise _too_long(self._source, self._start)
        if "\x00" in line:
            raise self._source.error(
                "binary",
                f"Line {self.number} holds a zero byte: this is no text.",
                "The file is damaged, or no CSV file.",
                "Save it again as CSV (UTF-8).",
                self.number,
            )
        return line


def _quote_error(source: Source, start: int, line: int, error: csv.Error) -> StudioError:
    if "field larger" in str(error):
        return _too_long(source, start)
    if line > start or "unexpected end" in str(error):
        return _unclosed_quote(source, start)
    return source.error(
        "stray_quote",
        f"A quoted cell at line {start} goes on after its closing quote.",
        "A quote inside a quoted cell must be written twice.",
        'Write it as "" there.',
        start,
    )


def _unclosed_quote(source: Source, start: int) -> StudioError:
    return source.error(
        "unclosed_quote",
        f"A quote that opens in the row at line {start} is not closed.",
        "Everything after it would be taken for one cell.",
        'Close it; a quote inside a quoted cell is written twice: "".',
        start,
    )


def _too_long(source: Source, start: int) -> StudioError:
    return source.error(
        "line_too_long",
        f"The row at line {start} is longer than 64 MB.",
        "No row of questions and answers is that long.",
        "Check that each row stands on a line of its own.",
        start,
    )


def _columns(source: Source, layout: Layout, cells: list[str], line: int) -> list[str]:
    check_width(source, len(cells), line)
    if layout.has_title:
        source.note("header_row", f"The columns' names were taken from line {line}; what stands above it was left out.")
    if not layout.has_header:
        note_first_line(source, [], False, line)
        return numbered_names(cells)
    names = header_names(source, cells, line)
    note_first_line(source, names, True, line)
    return names


def numbered_names(cells: list[str]) -> list[str]:
    """Names for columns that have none."""
    return [column_names.numbered(index) for index in range(1, len(cells) + 1)]


def header_names(source: Source, cells: list[str], line: int) -> list[str]:
    """The names in a header; columns without one are numbered.

    Raises:
        StudioError: `data.duplicate_columns`, `data.too_many_columns`.
    """
    check_width(source, len(cells), line)
    while len(cells) > 1 and not cells[-1].strip():
        cells.pop()
    names = [cell.strip() or column_names.numbered(index) for index, cell in enumerate(cells, start=1)]
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise source.error(
            "duplicate_columns",
            f"Column names occur twice: {listed(twice)}.",
            "It would not be clear which of them is meant.",
            "Give each column its own name; if the first line is a row, say so (--first-line row).",
            line,
        )
    return names


def check_width(source: Source, columns: int, line: int = 0) -> None:
    """Refuse what is wider than any table of examples.

    Args:
        source, line: What is read; 0: all of it is so wide.
        columns: How many.

    Raises:
        StudioError: `data.too_many_columns`.
    """
    if columns > _MAX_CELLS:
        raise source.error(
            "too_many_columns",
            f"This {'row' if line else 'sheet'} has {columns:,} columns; {_MAX_CELLS:,} is the limit.",
            "No table of examples is that wide: the file is damaged, or cut by another sign.",
            f"Look at {'this row' if line else 'it'} in the program that the table came from.",
            line,
        )


def _ragged(cells: list[str], columns: list[str], layout: Layout) -> Problem:
    name = _NAMES.get(layout.delimiter, f'"{layout.delimiter}"')
    return Problem(
        code="data.ragged_row",
        what=f"This row has {count(len(cells), 'column')} where {len(columns)} are expected.",
        why=f"Columns are cut at each {name}; a text that holds one must stand in quotes.",
        fix="Put that text in quotes, or leave damaged lines out.",
    )
