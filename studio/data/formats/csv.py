"""CSV: columns cut by comma, semicolon, tab or bar, with a header line; which of them is found out."""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from studio.contract.errors import Problem, StudioError
from studio.data import column_names
from studio.data.formats import csv_blocks
from studio.data.formats.batch import Batch, gathered
from studio.data.source import MAX_LINE_BYTES, Source
from studio.data.wording import count, listed

DELIMITERS = ",;\t|"
_RARE_DELIMITERS = "^~\x1f\x01"
"""Tried only where no usual one cuts the first row."""
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_LONG_CELL = 100
_TITLE_WITHIN, _LEAST_BELOW_TITLE, _REGULAR = 10, 4, 0.95
_MAX_CELLS = 20_000
_NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)*")
_MAX_RECORD_LINES = 100_000


class Layout(msgspec.Struct, frozen=True):
    """How a table is written down.

    Attributes:
        delimiter: One of DELIMITERS (or what a `sep=` line says).
        skip_lines: Lines before the header.
        has_title: Some of them are a title, as tables that people look at have.
        has_header: Whether the first row names the columns.
        spaced: A space follows each delimiter.
        width: Columns of the first row.
        regular: Share of the sampled rows that are as wide as the first.
        sampled: Rows sampled, the first included.
    """

    delimiter: str
    skip_lines: int
    has_title: bool
    has_header: bool
    spaced: bool
    width: int
    regular: float
    sampled: int


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
    source.settle_encoding()
    layout = _layout(source)
    header = source.head.partition("\n")[0]
    is_plain = layout.has_header and not (layout.skip_lines or layout.spaced or "\r" in header.removesuffix("\r"))
    if source.encoding not in ("utf-8", "utf-8-sig") or not is_plain or '"' in header or not header.strip():
        yield from gathered(rows(source), schema)
        return
    csv.field_size_limit(MAX_LINE_BYTES)
    file = source.open_utf8()
    first = _Lines(source, io.StringIO(file.readline().decode("utf-8"), newline=""))
    columns = _columns(source, layout, next(_records(source, layout, first))[1], 1)

    def careful(text: io.TextIOBase, before: int, numbers: Iterator[int]) -> Iterator[tuple[int, dict[str, object]]]:
        return _rows(source, layout, _Lines(source, text, before=before), columns, numbers)

    yield from csv_blocks.batches(file, columns, layout.delimiter, 1, careful, schema)


def _layout(source: Source) -> Layout:
    """How the source is written, its first line taken for what the user says."""
    layout = detect_layout(source.head, source.head_is_whole)
    chosen = source.reading.first_line
    return msgspec.structs.replace(layout, has_header=chosen == "names") if chosen else layout


def detect_layout(head: str, is_whole: bool) -> Layout:
    """Find out how a table is written, from its first 256 KiB.

    The delimiter is the one that cuts most rows into as many columns as the first row; with several such, the one
    with more columns. A title above the header counts only where no delimiter makes a table without one.
    """
    first_line = head.split("\n", 1)[0].strip().lower()
    skip, forced = 0, ""
    if first_line.startswith("sep=") and len(first_line) == 5:
        skip, forced = 1, first_line[4]
        head = head.partition("\n")[2]
    layouts = [_try(head, is_whole, delimiter, skip) for delimiter in (forced or DELIMITERS)]
    wide = [layout for layout in layouts if layout.width > 1 and not layout.has_title]
    if not wide and not forced:
        rare = [_try(head, is_whole, delimiter, skip) for delimiter in _RARE_DELIMITERS]
        wide = [layout for layout in rare if layout.width > 1 and layout.regular > 0.95]
    titled = [layout for layout in layouts if layout.has_title]
    if titled and all(layout.regular <= _REGULAR for layout in wide):
        wide = titled
    return max(wide or layouts[:1], key=lambda layout: (round(layout.regular, 1), layout.width))


def _try(head: str, is_whole: bool, delimiter: str, skip: int) -> Layout:
    header_line = head.lstrip().split("\n", 1)[0]
    spaced = f'{delimiter} "' in header_line
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, skipinitialspace=spaced)
    table: list[list[str]] = []
    ends: list[int] = []
    try:
        for cells in reader:
            if cells:
                table.append(cells)
                ends.append(reader.line_num)
    except csv.Error:  # what was read until then suffices to compare
        pass
    if not is_whole and len(table) > 1:
        table.pop()
    title = _title_rows(table)
    table, skip = table[title:], skip + (ends[title - 1] if title else 0)
    header = table[0] if table else []
    width = len(header)
    regular = sum(len(cells) == width for cells in table) / max(1, len(table))
    return Layout(delimiter, skip, bool(title), is_header(header), spaced, width, regular, len(table))


def _title_rows(table: list[list[str]]) -> int:
    """How many rows stand above the header: each has one filled cell, the table below is regular and wider."""
    filled = [sum(bool(cell.strip()) for cell in cells) for cells in table]
    first = next((at for at, cells in enumerate(filled) if cells > 1), 0)
    below = table[first:]
    if not 0 < first <= _TITLE_WITHIN or len(below) < _LEAST_BELOW_TITLE:
        return 0
    width = len(below[0])
    is_regular = sum(len(cells) == width for cells in below) > _REGULAR * len(below)
    # The name of an only column, of texts with commas in them, is no title; nor is the row below it a header.
    is_title = not any(map(column_names.is_known, table[0])) and any(map(column_names.is_known, below[0]))
    return first if is_regular and filled[first] == width and is_title else 0


def is_header(cells: list[str]) -> bool:
    """Names are short, and neither sentences nor numbers; a table without names begins with such."""
    if any(len(cell) > _LONG_CELL or cell.rstrip().endswith(("?", "？", "؟")) for cell in cells):
        return False
    if any(map(column_names.is_known, cells)):
        return True
    numbers = sum(map(_is_number, cells))  # numbers alone may be years that name their columns
    return not any(map(_is_sentence, cells)) and numbers in (0, len(cells))


def _is_sentence(cell: str) -> bool:
    return cell.rstrip().endswith("。") or (cell.rstrip().endswith((".", "!")) and len(cell.split()) > 2)


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell.strip()) is not None


def note_first_line(source: Source, names: list[str], has_header: bool, line: int) -> None:
    """Say what the first line was taken for where nobody said it and the names leave a doubt; keep what it was."""
    guessed = not source.reading.first_line
    source.reading = msgspec.structs.replace(source.reading, first_line="names" if has_header else "row")
    if not guessed or (has_header and any(map(column_names.is_known, names))):
        return
    other = "is a row" if has_header else "names the columns"
    fix = f"If it {other}, say so: under “Files and test rows”, or by --first-line {'row' if has_header else 'names'}."
    if has_header:
        source.note("names_guessed", f"The first line was taken for the columns' names: {listed(names, 4)}.", fix, line)
    else:
        source.note("no_header", "The first line holds no column names; it was read as a row.", fix, line)


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
    _check_width(source, cells, line)
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
    return [f"column {index}" for index in range(1, len(cells) + 1)]


def header_names(source: Source, cells: list[str], line: int) -> list[str]:
    """The names in a header; columns without one are numbered.

    Raises:
        StudioError: `data.duplicate_columns`, `data.too_many_columns`.
    """
    _check_width(source, cells, line)
    while len(cells) > 1 and not cells[-1].strip():
        cells.pop()
    names = [cell.strip() or f"column {index}" for index, cell in enumerate(cells, start=1)]
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


def _check_width(source: Source, cells: list[str], line: int) -> None:
    if len(cells) > _MAX_CELLS:
        raise source.error(
            "too_many_columns",
            f"This row has {len(cells):,} columns; {_MAX_CELLS:,} is the limit.",
            "No table of examples is that wide: the file is damaged, or cut by another sign.",
            "Look at this row in the program that the table came from.",
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
