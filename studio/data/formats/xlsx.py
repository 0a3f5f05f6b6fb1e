"""Excel (.xlsx): one sheet of a workbook, its cells as text. The file is measured before the native parser sees it.

The sheet is the one that was chosen, else the one that fits best (see `_chosen_sheet`). The parser (calamine) lays a
sheet out as a full rectangle: two cells far apart would take all memory, so the rectangle is measured first.
"""

import datetime
import io
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import msgspec

from studio.contract.errors import StudioError
from studio.data import archive
from studio.data.formats.csv import check_width, header_names, numbered_names
from studio.data.formats.csv_layout import is_header, note_first_line
from studio.data.formats.header_row import WITHIN, header_below
from studio.data.formats.xlsx_fit import NAMED, PAIRS, ROWS, fit, is_better
from studio.data.formats.xlsx_styles import MOST_BYTES, FormattedCells, telling_styles
from studio.data.number_columns import number_text
from studio.data.source import Source
from studio.data.streams import open_member
from studio.data.wording import count, listed

MAX_FILE_BYTES = 256 * 1024**2
MAX_UNPACKED_BYTES = 1024**3
MAX_CELLS = 8_000_000
"""Of a sheet's rectangle, 32 bytes each. A million rows of eight columns is what Excel itself can hold."""
_FITTED_ROWS = 20
_COMPARED_BYTES = 2 * 1024**2
"""Packed; in a larger workbook the sheets that are not read are named, not looked into: that would take too long."""
_CHUNK = 4 * 1024 * 1024
# `r="B7"` of a cell, unless its tag closes itself: such a cell has a format only, no value.
_CELL = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{1,3})([0-9]{1,10})["'](?!(?:[^<>"'/]|"[^"<]*"|'[^'<]*'|/(?!>))*+/>)""")
_NAMELESS_CELL = re.compile(rb"<(?:\w+:)?c(?=[\s/>])(?![^<>]*\br\s*=)")
_ROW = re.compile(rb"""\br\s*=\s*["']([0-9]{1,10})["']""")
_TAG = re.compile(rb"<(?:\w+:)?(row|c)[\s/>]")

_Cell = object
_Table = Iterator[tuple[int, dict[str, object]]]


def rows(source: Source) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the row's number in the sheet and the row; all values are text.

    Raises:
        StudioError: The workbook is damaged, locked or too large, there is no such sheet, or no sheet with rows.
    """
    file = source.open_table()
    formatted = _check_size(file, source)
    workbook = _guarded(source, lambda: _calamine().CalamineWorkbook.from_filelike(file))
    sheets = sheet_names(workbook)
    if source.reading.sheet:
        if source.reading.sheet not in sheets:
            raise _no_sheet(source, sheets)
        name = source.reading.sheet
        table, alike = _table(_sheet(workbook, name, source), source), []
    else:
        name, table = _chosen_sheet(workbook, sheets, source)
        first = next(table)
        table = chain((first,), table)
        is_named = source.reading.first_line == "names"
        alike = _alike(workbook, name, tuple(first[1]), sheets, source) if is_named else []
    source.choices = tuple(sheets)
    source.reading = msgspec.structs.replace(source.reading, sheet=name)
    _say_sheet(source, name, sheets, alike)
    if formatted:
        _say_formatted(source, formatted)
    yield from table


def sheet_names(workbook: Any, with_hidden: bool = True) -> list[str]:
    """Names of the sheets that hold cells, the visible ones first."""
    kinds = _calamine()
    sheets = [sheet for sheet in workbook.sheets_metadata if sheet.typ == kinds.SheetTypeEnum.WorkSheet]
    visible = [sheet.name for sheet in sheets if sheet.visible == kinds.SheetVisibleEnum.Visible]
    return visible + [sheet.name for sheet in sheets if sheet.name not in visible] * with_hidden


def as_text(cell: object) -> str:
    """A cell's value as stored, in the fewest digits: 7 and not 7.0, dates as 2026-11-05."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        exact = cell if cell.is_integer() else float(f"{cell:.15g}")  # Excel itself knows 15 digits: 0.1 + 0.2 is 0.3
        return number_text(exact) or repr(cell)
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ", "seconds")
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)


def _chosen_sheet(workbook: Any, sheets: list[str], source: Source) -> tuple[str, _Table]:
    """The sheet that is read where none was chosen; the notes of the others are not kept.

    One with rows to learn from, a visible one before hidden ones; of several the first, unless one with more rows is
    recognised as well, or better, by its columns' names (in a large workbook the first such). Else the first with rows.
    """
    refused: StudioError | None = None
    best, best_rank = "", (False, 0, 0)
    visible = sheet_names(workbook, with_hidden=False)
    for name in sheets:
        noted, asked, height = len(source.notes), source.reading, 0
        first, fits = list[tuple[int, dict[str, object]]](), 0
        try:
            sheet = _sheet(workbook, name, source)
            table, height = _table(sheet, source), sheet.height
            first.extend(islice(table, _FITTED_ROWS))
            fits = fit([row for _, row in first]) if len(sheets) > 1 else min(ROWS, len(first))
        except StudioError as error:  # a sheet that is no table does not end the search
            refused, fits = refused or error, min(ROWS, len(first))
        else:
            is_found = fits == NAMED and name in visible and source.size > _COMPARED_BYTES
            if is_found or (fits and len(sheets) == 1):
                return name, chain(first, table)
        del source.notes[noted:]
        source.reading = asked
        shown = name in visible and fits >= PAIRS
        if shown > best_rank[0] or (shown == best_rank[0] and is_better(fits, height, *best_rank[1:])):
            best, best_rank = name, (shown, fits, height)
    if best:
        return best, _table(_sheet(workbook, best, source), source)
    if refused is not None:
        raise refused
    raise source.error(
        "no_rows",
        "There are no records: no sheet of this Excel file has a header and a row below it.",
        f"It has {count(len(sheets), 'sheet')}: {listed(sheets)}." if sheets else "It has no sheets.",
    )


def _sheet(workbook: Any, name: str, source: Source) -> Any:
    sheet = _guarded(source, lambda: workbook.get_sheet_by_name(name))
    check_width(source, sheet.width)  # before its cells are looked at: a million of them take seconds
    return sheet


def _table(sheet: Any, source: Source) -> _Table:
    name = sheet.name
    lines = _filled(sheet)
    start, columns = 0, list[str]()
    chosen = source.reading.first_line
    header, is_known = _header_row(sheet, by_names=not chosen)
    for number, cells in lines:
        source.reached(number, sheet.total_height)
        texts = [as_text(cell) for cell in cells]
        if number < header or not any(text.strip() for text in texts):
            continue
        if not columns:
            start = next(at for at, text in enumerate(texts) if text.strip())
            first = _without_blank_end(texts[start:])
            if chosen == "row" or not (chosen or is_known or is_header(first)):
                columns = numbered_names(first)
                note_first_line(source, [], False, number)
                yield number, dict(zip(columns, first, strict=True))
                continue
            columns = header_names(source, first, number)
            note_first_line(source, columns, True, number)
            if number > 1 and header > 1 + (sheet.start or (0, 0))[0]:
                where = f'row {number} of "{name}"'
                source.note(
                    "header_row", f"The columns' names were taken from {where}; what stands above was left out."
                )
            continue
        texts = _without_blank_end(texts[start:])
        if len(texts) > len(columns):
            columns = header_names(source, columns + [""] * (len(texts) - len(columns)) + ["."], number)[:-1]
        yield number, dict(zip(columns, texts + [""] * (len(columns) - len(texts)), strict=True))
    merged = sheet.merged_cell_ranges or []
    if any(end[0] > begin[0] for begin, end in merged):
        source.note("merged_cells", f'Merged cells of "{name}": their text was taken for every row that they cover.')


def _header_row(sheet: Any, by_names: bool) -> tuple[int, bool]:
    """Number (from 1) of the row that names the columns, and whether its names are known ones below notes.

    Else a title above it stands alone in its row.
    """
    first, top = 0, list[list[str]]()
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        texts = [as_text(cell) for cell in cells]
        if first or any(text.strip() for text in texts):
            first = first or number
            top.append(texts)
        if len(top) > WITHIN:
            break
    if by_names and (notes := header_below(top)):
        return first + notes, True
    wide = (at for at, texts in enumerate(top) if sum(bool(text.strip()) for text in texts) > 1)
    return first + next(wide, 0), False


def _filled(sheet: Any) -> Iterator[tuple[int, list[_Cell]]]:
    """Number (from 1) and cells of each row; what is merged over several rows is there in each of them."""
    left = (sheet.start or (0, 0))[1]
    merged = sorted(((begin, end) for begin, end in sheet.merged_cell_ranges or [] if end[0] > begin[0]), reverse=True)
    open_cells: dict[int, tuple[int, _Cell]] = {}
    for index, cells in enumerate(sheet.iter_rows()):
        while merged and merged[-1][0][0] <= index:
            begin, end = merged.pop()
            if begin[0] == index and 0 <= begin[1] - left < len(cells):
                open_cells[begin[1] - left] = (end[0], cells[begin[1] - left])
        for at, (last, value) in list(open_cells.items()):
            if index > last:
                del open_cells[at]
            elif cells[at] == "":
                cells[at] = value
        yield index + 1, cells


def _without_blank_end(texts: list[str]) -> list[str]:
    end = len(texts)
    while end > 1 and not texts[end - 1].strip():
        end -= 1
    return texts[:end]


def _alike(workbook: Any, name: str, columns: tuple[str, ...], sheets: list[str], source: Source) -> list[str]:
    """The other sheets that have rows in the same columns as the one that is read."""
    if source.size > _COMPARED_BYTES:
        return []
    others = (sheet for sheet in sheets if sheet != name)
    return [sheet for sheet in others if set(_columns(workbook, sheet, source)) == set(columns)]


def _columns(workbook: Any, name: str, source: Source) -> tuple[str, ...]:
    """What the first row of a sheet has a value for; nothing of the look stays in the notes."""
    noted, asked = len(source.notes), source.reading
    try:
        first = next(_table(_sheet(workbook, name, source), source), None)
    except StudioError:
        first = None
    is_named = source.reading.first_line == "names"
    del source.notes[noted:]
    source.reading = asked
    return tuple(first[1]) if first is not None and is_named else ()


def _say_sheet(source: Source, name: str, sheets: list[str], alike: list[str]) -> None:
    others = [sheet for sheet in sheets if sheet != name and sheet not in alike]
    if alike:
        source.note(
            "sheets_alike",
            f'Only the sheet "{name}" was read; {listed(alike)}, of the same columns, '
            f"{'was' if len(alike) == 1 else 'were'} not.",
            "To learn from all of them, copy their rows into one sheet and import the file again.",
        )
    if others:
        source.note(
            "read_sheet",
            f'The sheet "{name}" of this Excel file was read; {listed(others)} {"was" if len(others) == 1 else "were"} '
            "not.",
            "Choose another sheet if the rows stand there.",
        )
    elif not alike and source.path.suffix.lower() not in (".xlsx", ".xlsm", ".zip"):
        source.note("read_sheet", f'This is an Excel file, whatever its name says; its sheet "{name}" was read.')


def _say_formatted(source: Source, cells: int) -> None:
    source.note(
        "number_formats",
        f"{count(cells, 'cell')} of this Excel file {'shows its' if cells == 1 else 'show their'} number in a format "
        "(percent, currency, decimals, leading zeros); the bare numbers were read: 0.035 and not 3.50 %.",
        "If they are asked or answered, save the sheet as CSV (UTF-8), which keeps what cells show, and import that.",
    )


def _no_sheet(source: Source, sheets: list[str]) -> StudioError:
    return source.error(
        "no_sheet",
        f"This Excel file has no sheet {listed([source.reading.sheet])}.",
        f"It has {listed(sheets)}.",
        "Choose one of them.",
    )


def _guarded(source: Source, action: Any) -> Any:
    """Call the native parser; whatever it stumbles over is a damaged file."""
    calamine = _calamine()
    try:
        return action()
    except calamine.PasswordError as error:
        raise source.error(
            "locked", "This Excel file is locked with a password.", fix="Save it without the password."
        ) from error
    except (calamine.CalamineError, OSError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise _damaged(source, error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # a failed check within the parser; it has no other name
            raise
        raise _damaged(source, error) from error


def _damaged(source: Source, error: BaseException) -> StudioError:
    reason = str(error).splitlines()[0][:300] if str(error) else ""
    return source.error(
        "damaged_table",
        "This Excel file is damaged.",
        f"{reason.rstrip('.')}." if reason else "",
        "Open it in your spreadsheet program and save it again.",
    )


def _check_size(file: io.BufferedIOBase, source: Source) -> int:
    """Unpack it once, keeping nothing: neither its members nor its sheets' rectangles may be too large.

    Returns:
        How many cells show their number otherwise than it is stored.
    """
    if file.seek(0, io.SEEK_END) > MAX_FILE_BYTES:
        raise _too_large(source, "The file is larger than 256 MB.")
    file.seek(0)
    total = 0
    members = archive.read_directory(file, source.name)
    styles = next((member for member in members if member.name.lower() == "xl/styles.xml"), None)
    telling: list[int] = []
    if styles is not None:
        telling = telling_styles(io.BufferedReader(open_member(file, styles, source.name)).read(MOST_BYTES))
    formatted = 0
    for member in members:
        stream = io.BufferedReader(open_member(file, member, source.name), _CHUNK)
        sheet = _Rectangle() if "/worksheets/" in f"/{member.name.lower()}" else None
        cells = FormattedCells(telling) if sheet is not None and telling else None
        while chunk := stream.read(_CHUNK):
            if cells is not None:
                cells.look(chunk)
            total += len(chunk)
            if total > MAX_UNPACKED_BYTES:
                raise _too_large(source, "It unpacks to more than 1 GB, the size limit.")
            if sheet is not None and sheet.cells_with(chunk) > MAX_CELLS:
                raise _too_large(source, f"A sheet spans more than {MAX_CELLS:,} cells, the size limit.")
        formatted += cells.count if cells is not None else 0
    file.seek(0)
    return formatted


class _Rectangle:
    """How far a sheet's cells reach, from its XML piece by piece; rather too far than not far enough."""

    def __init__(self) -> None:
        self._rest = b""
        self._rows = self._columns = 1
        self._last_row = self._row_tags = self._in_row = 0
        self._nameless = False

    def cells_with(self, chunk: bytes) -> int:
        """Take one piece; gives rows times columns so far."""
        text = self._rest + chunk
        end = text.rfind(b">") + 1
        text, self._rest = text[:end], text[end:]
        for letters, digits in set(_CELL.findall(text)):
            self._columns = max(self._columns, _column_number(letters))
            self._rows = max(self._rows, int(digits))
        self._last_row = max(self._last_row, 0, *map(int, _ROW.findall(text)))
        self._nameless = self._nameless or _NAMELESS_CELL.search(text) is not None
        if not self._nameless:
            return self._rows * self._columns
        for tag in _TAG.findall(text):  # cells that do not say where they are follow one another
            self._row_tags += tag == b"row"
            self._in_row = 0 if tag == b"row" else self._in_row + 1
            self._columns = max(self._columns, self._in_row)
        return max(self._rows, self._last_row, self._row_tags) * self._columns


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - 64
    return number


def _too_large(source: Source, what: str) -> StudioError:
    return source.error(
        "exceeds_limit",
        what,
        "An Excel file is taken into memory whole; it may also be damaged, or made to fill the memory.",
        "In your spreadsheet program, save the sheet as CSV (UTF-8) and choose that file.",
    )


def _calamine() -> Any:
    import python_calamine

    return python_calamine
