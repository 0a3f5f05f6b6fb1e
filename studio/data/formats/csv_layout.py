"""How a table of text is written down: what cuts its columns, where it begins, whether its first line names them."""

import csv
import functools
import io
import itertools
import re

import msgspec

from studio.data import column_names
from studio.data.formats.header_row import header_below
from studio.data.source import Source
from studio.data.wording import listed

DELIMITERS = ",;\t|"
_RARE_DELIMITERS = "^~\x1f\x01"
"""Tried only where no usual one cuts the first row."""
_LIKELIER = "\t;|"
"""Where all else is equal, the first of these: they stand in prose less often than the comma does."""
_TAB_SUFFIXES = (".tsv", ".tab")
_LONG_CELL = 100
_TITLE_WITHIN, _LEAST_BELOW_TITLE, _REGULAR = 10, 4, 0.95
_NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)*")


_LONGEST_NAMES = 10_000
"""Characters of a first line that are looked through for names of columns."""


class Layout(msgspec.Struct, frozen=True):
    """How a table is written down.

    Attributes:
        delimiter: One of DELIMITERS (or what a `sep=` line says).
        skip_lines: Lines before the header.
        has_title: Some of them are a title or notes, as tables that people look at have.
        by_names: The header was found below them by its cells, which are known names of columns.
        has_header: Whether the first row names the columns.
        spaced: A space follows each delimiter.
        width: Columns of the first row.
        regular: Share of the sampled rows that are as wide as the first.
        sampled: Rows sampled, the first included.
        torn: Share of the sampled rows that this delimiter seems to have cut in the wrong places.
    """

    delimiter: str
    skip_lines: int
    has_title: bool
    by_names: bool
    has_header: bool
    spaced: bool
    width: int
    regular: float
    sampled: int
    torn: float

    @property
    def sound(self) -> float:
        """Share of rows that are as wide as the first and are cut where a person would cut them; roughly."""
        return self.regular * (1 - self.torn)


@functools.lru_cache(maxsize=4)  # a file is looked at, then read
def detect_layout(head: str, is_whole: bool, suffix: str = "", by_names: bool = True) -> Layout:
    """Find out how a table is written, from its first 256 KiB.

    The delimiter is the one that cuts most rows into as many columns as the first row and leaves the cells whole;
    with several such, the one with more columns. A title above the header counts only where no delimiter makes a
    table without one, or (`by_names`) where the header below it consists of known names. A file that is named as
    cut by tabs is, where most of its rows are.
    """
    first_line = head.split("\n", 1)[0].strip().lower()
    skip, forced = 0, ""
    if first_line.startswith("sep=") and len(first_line) == 5:
        skip, forced = 1, first_line[4]
        head = head.partition("\n")[2]
    by_names = by_names and not any(_names_columns(head, delimiter) for delimiter in (forced or DELIMITERS))
    layouts = [_try(head, is_whole, delimiter, skip, by_names) for delimiter in (forced or DELIMITERS)]
    named = [layout for layout in layouts if layout.by_names and layout.sound > 0.5]
    if named:
        return max(named, key=_likelihood)
    wide = [layout for layout in layouts if layout.width > 1 and not layout.has_title]
    if not wide and not forced:
        rare = [_try(head, is_whole, delimiter, skip) for delimiter in _RARE_DELIMITERS]
        wide = [layout for layout in rare if layout.width > 1 and layout.regular > 0.95]
    titled = [layout for layout in layouts if layout.has_title]
    tabs = [layout for layout in (*wide, *titled) if layout.delimiter == "\t" and layout.regular > 0.5]
    if titled and all(layout.sound <= _REGULAR for layout in wide):
        wide = titled
    if suffix in _TAB_SUFFIXES and tabs and not forced:
        return tabs[0]
    if suffix in _TAB_SUFFIXES and not wide and not forced:  # one column, of texts with commas in them
        return next(layout for layout in layouts if layout.delimiter == "\t")
    return max(wide or layouts[:1], key=_likelihood)


def _names_columns(head: str, delimiter: str) -> bool:
    """Whether the first line holds a known name of a column: what looks like names further down is in the cells."""
    cells = head.lstrip().split("\n", 1)[0][:_LONGEST_NAMES].split(delimiter)
    return len(cells) > 1 and any(column_names.is_known(cell.strip(' "\r')) for cell in cells)


def _likelihood(layout: Layout) -> tuple[float, float, int, int]:
    rank = len(_LIKELIER) - _LIKELIER.index(layout.delimiter) if layout.delimiter in _LIKELIER else 0
    return round(layout.sound, 1), round(layout.regular, 1), layout.width, rank


def _try(head: str, is_whole: bool, delimiter: str, skip: int, by_names: bool = False) -> Layout:
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
    notes = header_below(table) if by_names else 0
    title = notes or _title_rows(table)
    table, skip = table[title:], skip + (ends[title - 1] if title else 0)
    header = table[0] if table else []
    width = len(header)
    regular = sum(len(cells) == width for cells in table) / max(1, len(table))
    torn = sum(_is_torn(cells, delimiter) for cells in table) / max(1, len(table))
    return Layout(
        delimiter=delimiter,
        skip_lines=skip,
        has_title=bool(title),
        by_names=bool(notes),
        has_header=bool(notes) or is_header(header),
        spaced=spaced,
        width=width,
        regular=regular,
        sampled=len(table),
        torn=torn,
    )


_CUT_WITHIN = {
    sign: re.compile(rf'[?!？]["”»]?{re.escape(sign)}\S|"{re.escape(sign)}["\S]' + (r"|\t" if sign == "\t" else ""))
    for sign in DELIMITERS
}
"""What tells that a text should have been cut at this sign: a question or a quoted text ends before it."""
_MAY_CUT = re.compile(r'[?!？"\t]')
"""One of these is in all that `_CUT_WITHIN` finds: most cells have none, and are done with at once."""

_WHOLE_JSON = re.compile(r"(?s)\s*(?:\[.*\]|\{.*\})\s*\Z")
"""A list or an object in one cell: its quotes and commas are its own."""


def _is_torn(cells: list[str], delimiter: str) -> bool:
    """Whether another delimiter is left inside a cell, or the comma of a sentence or of a number was taken for one."""
    texts = [cell for cell in cells if _MAY_CUT.search(cell) and not _WHOLE_JSON.match(cell)]
    if any(sign != delimiter and wanted.search(cell) for cell in texts for sign, wanted in _CUT_WITHIN.items()):
        return True
    between = itertools.pairwise(cells)
    return delimiter == "," and any(
        right[:1] == " " or (left[-1:].isdecimal() and right[:1].isdecimal()) for left, right in between
    )


def _title_rows(table: list[list[str]]) -> int:
    """How many rows stand above the header: each has one filled cell, the table below is regular and wider."""
    filled = [sum(bool(cell.strip()) for cell in cells) for cells in table[: _TITLE_WITHIN + 1]]
    first = next((at for at, cells in enumerate(filled) if cells > 1), 0)
    below = table[first:]
    if not 0 < first <= _TITLE_WITHIN or len(below) < _LEAST_BELOW_TITLE:
        return 0
    width = len(below[0])
    is_regular = sum(len(cells) == width for cells in below) > _REGULAR * len(below)
    # The name of an only column, of texts with commas in them, is no title; nor is the row below it a header.
    is_title = not any(map(column_names.is_known, table[0])) and any(map(column_names.is_known, below[0]))
    return first if is_regular and filled[first] == width and is_title else 0


_ASKED, _ANSWERED = (
    frozenset(map(column_names.plain, names)) - column_names.SPEAKER_WORDS
    for names in ((*column_names.INSTRUCTIONS, *column_names.PROMPTS), column_names.COMPLETIONS)
)


def is_header(cells: list[str]) -> bool:
    """Names are short, and neither sentences nor numbers; a table without names begins with such.

    "Approved?" is a name, too, where what is asked and what is answered are named as well.
    """
    asking = [cell for cell in cells if cell.rstrip().endswith(("?", "？", "؟"))]
    if any(len(cell) > _LONG_CELL for cell in cells):
        return False
    if asking:
        names = [column_names.plain(cell) for cell in cells]
        return len(names) > 1 and any(name in _ASKED for name in names) and any(name in _ANSWERED for name in names)
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
