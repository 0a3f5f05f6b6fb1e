"""The rows of one file, of whatever format: its content decides which, not its name."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from studio.contract.errors import Problem
from studio.data.ahead import ahead
from studio.data.column_names import is_known
from studio.data.formats import FORMATS
from studio.data.formats.batch import Batch, gathered
from studio.data.json_text import JsonFault, decode
from studio.data.late_columns import LateColumns
from studio.data.markers import begins_with_mark, mark_in_text
from studio.data.part import Part
from studio.data.quick_lane import Lane, Plain, runs
from studio.data.source import KINDS, Source


class Rows:
    """The rows of one file, to be read once, from top to bottom. Use as a context manager.

    Attributes:
        source: The open file.
        format: A key of FORMATS.
        number: Row of the file that was yielded last, from 1.
        late: Watches for columns that begin further down; None: nobody asks.
    """

    def __init__(
        self,
        file: Path | Part,
        on_fault: Callable[[Problem], None] | None = None,
        late: LateColumns | None = None,
    ) -> None:
        """Open the file and find out its format.

        Args:
            file: Or a part of what the user chose.
            on_fault: Gets what is wrong with a damaged line; None: the first one is an error.
            late: See above.

        Raises:
            StudioError: See `Source` and `detect`.
        """
        self.source = Source(file, on_fault)
        self.number = 0
        self.late = late
        try:
            self.format = detect(self.source)
        except BaseException:
            self.source.__exit__(None, None, None)
            raise

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, *exit_arguments: object) -> None:
        self.source.__exit__(None, None, None)

    def __iter__(self) -> Iterator[dict[str, object]]:
        """Yield each row.

        Raises:
            StudioError: The file is damaged; the line is named.
        """
        with self._told():
            for number, row in import_module(FORMATS[self.format].module).rows(self.source):
                self.number = number
                if self.late is not None:
                    self.late.look(row, number)
                yield row

    def numbered(self) -> Iterator[tuple[int, dict[str, object]]]:
        """Yield each row with its number; errors as iterating has them."""
        for row in self:
            yield self.number, row

    def sorted_by(self, lane: Lane | None) -> Iterator[Plain | dict[str, object]]:
        """Yield the rows in order: plain ones many at once, each other one as iterating would.

        Args:
            lane: Tells which rows are plain; None: all are looked at one by one.

        Raises:
            StudioError: As iterating does.
        """
        module = import_module(FORMATS[self.format].module)
        if lane is None or not (lane.is_flat or hasattr(module, "batches")):
            yield from self
            return
        with self._told():
            if hasattr(module, "batches"):
                batches = module.batches(self.source, self._wanted(lane))
            else:
                batches = gathered(module.rows(self.source), lane.schema)
            with closing(ahead(_converted(batches, lane))) as pairs:
                for batch, items in pairs:
                    yield from self._in_order(batch, items)

    def _wanted(self, lane: Lane) -> Any:
        """The columns to read; of Parquet, which reads no others, also those that are watched."""
        schema = lane.schema
        for name in self.late.doubtful if self.late is not None and self.format == "parquet" else ():
            schema = schema if name in schema.names else schema.append(pa.field(name, pa.null()))
        return schema

    def _in_order(self, batch: Batch, items: Iterable[Plain | int]) -> Iterator[Plain | dict[str, object]]:
        if self.late is not None:
            self.late.look_batch(batch)
        for item in items:
            if isinstance(item, Plain):
                self.number = int(item.numbers[-1])
                yield item
                continue
            row = batch.row(item)
            if row is not None:
                self.number = int(batch.numbers[item])
                if self.late is not None and batch.table is None:
                    self.late.look(row, self.number)
                yield row

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (MemoryError, RecursionError) as error:
            raise self.source.error(
                "too_big",
                f"A row after row {self.number:,} is too large or too deep for this computer's memory.",
                fix="Rows for training are short texts; check the file there.",
            ) from error
        except UnicodeDecodeError as error:
            raise self.source.encoding_error(error) from error
        except OSError as error:
            raise self.source.error("unreadable", "The file could not be read to its end.", str(error)) from error


def _converted(batches: Iterator[Batch], lane: Lane) -> Iterator[tuple[Batch, Iterable[Plain | int]]]:
    """Each batch, and its rows in order: plain ones many at once with their keys, the places of others."""
    with closing(ahead(batches)) as reading:
        for batch in reading:
            items: Iterable[Plain | int] = range(len(batch.numbers))
            converted = lane.convert(batch.table, batch.numbers, batch.is_sound)
            if converted is not None and 2 * int(converted[1].sum()) > len(batch.numbers):
                items = [item.with_keys() if isinstance(item, Plain) else item for item in runs(*converted)]
            yield batch, items


def read(file: Path | Part) -> Iterator[dict[str, object]]:
    """Yield the rows of a file of any known format.

    Raises:
        StudioError: The file is missing, damaged, or of no known format; the line is named.
    """
    with Rows(file) as rows:
        yield from rows


def detect(source: Source) -> str:
    """The file's format by its content; its name decides only between two that are possible.

    Raises:
        StudioError: No known format.
    """
    found = _detect(source)
    named = _NAMED_TABLES.get(source.suffix)
    if named is not None and not source.table:
        label = FORMATS[found].label
        source.note(
            "table_as_text", f"This is no {named} file, whatever its name says; it was read as {label}, which it is."
        )
    return found


def _detect(source: Source) -> str:
    if source.table:
        return source.table
    text = source.head.lstrip()
    suffix = source.suffix
    lines = suffix in FORMATS["jsonl"].suffixes
    if text[:1] == "[" and _begins_json_list(text):
        if lines and _first_line_is_json(text) and text.partition("\n")[2].strip():
            return "jsonl"  # a list in each line: refused there, line by line
        if lines:
            source.note("json_list_in_jsonl", "The file holds one JSON list, not a row a line; it was read so.")
        return "json"
    if text[:1] == "{":
        return "jsonl" if _is_lines(text, suffix, source.head_is_whole) else "json"
    if lines or suffix in FORMATS["json"].suffixes:
        return "jsonl" if lines else "json"
    if suffix in (".csv", ".tsv", ".tab"):
        return "csv"
    if source.reading.documents:  # whoever says what a document is says that it is text
        return "text"
    if suffix not in _MARKDOWN and _is_table(source):
        return "csv"
    if text[:1] == "<" and not suffix.startswith(FORMATS["text"].suffixes) and not begins_with_mark(text):
        raise source.error(
            "unknown_format",
            "This file holds no rows that can be told apart.",
            "It looks like a web page or XML: neither JSON nor a table with columns.",
            _SAVE_AS_WORKBOOK
            if suffix in _WORKBOOKS
            else f"Choose a {KINDS} file with a question and an answer in each row.",
        )
    if suffix in _NAMED_TABLES:
        named = _NAMED_TABLES[suffix]
        raise source.error(
            f"not_{named.lower()}",
            f"This is no {named} file, whatever its name says: it holds plain text, and no table.",
            "It was saved or renamed under that name.",
            f"{_SAVE_AS_WORKBOOK if suffix in _WORKBOOKS else 'Get or write the file again.'} If its text is to be "
            "learned, give it a name that ends in .txt.",
        )
    return "text"


_WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
_NAMED_TABLES = {
    **dict.fromkeys(_WORKBOOKS, "Excel"),
    **dict.fromkeys(FORMATS["parquet"].suffixes, "Parquet"),
    **dict.fromkeys(FORMATS["arrow"].suffixes, "Arrow"),
}
"""Endings that say that a file is no text; its text is learned only where the user says so."""
_SAVE_AS_WORKBOOK = "Open it in your spreadsheet program and save it there as .xlsx."
_MARKDOWN = (".md", ".markdown")  # a table in it is part of the text


def _begins_json_list(text: str) -> bool:
    return text[1:].lstrip()[:1] in ("", "{", "]", "[", '"')


def _first_line_is_json(text: str) -> bool:
    try:
        decode(text.partition("\n")[0])
    except JsonFault as fault:
        # A fault that only a whole value can have: the line was one.
        return fault.code in ("duplicate_key", "not_a_number", "number_range")
    return True


def _is_lines(text: str, suffix: str, is_whole: bool) -> bool:
    """Whether text that begins with an object has one object a line."""
    first, line_break, rest = text.partition("\n")
    if suffix in FORMATS["jsonl"].suffixes:
        if not line_break and not is_whole:
            return True
        return not first.rstrip().endswith(("{", "[", ","))
    if not line_break or not _first_line_is_json(first):
        return False
    return rest.lstrip()[:1] in ("{", "")


def _is_table(source: Source) -> bool:
    """Whether text whose name says nothing is a table: cut by tabs, or headed by a name that columns have.

    A comma in every line is no table: "Take one egg, then stir" is a sentence.
    """
    from studio.data.formats.csv_layout import detect_layout

    layout = detect_layout(source.head, source.head_is_whole, source.suffix)
    if (layout.has_title and not layout.by_names) or layout.width < 2 or layout.sampled < 2 or layout.regular <= 0.95:
        return False
    if source.suffix in _WORKBOOKS:  # the name says that it is a table
        return True
    header = source.head.lstrip("\ufeff\r\n ").partition("\n")[0]
    if layout.delimiter == "\t":
        return True
    # The bars of "<|im_start|>user" cut nothing: conversations written out for a model, not a table.
    return not mark_in_text(header) and any(
        is_known(cell.strip().strip('"')) for cell in header.split(layout.delimiter)
    )
