"""A look at the first rows of a file, before anything is decided."""

from pathlib import Path

import msgspec

from studio.contract.errors import StudioError
from studio.contract.job import Reading
from studio.data.json_text import WrittenNumber
from studio.data.late_columns import LateColumns, is_empty
from studio.data.number_columns import number_columns
from studio.data.part import Part
from studio.data.parts import expand
from studio.data.rows import Rows
from studio.data.source import MAX_LINE_BYTES
from studio.data.wording import shown

SAMPLE_ROWS = 200
SAMPLE_BYTES = 16 * 1024 * 1024
MAX_COLUMNS = 1000
_SHOWN_ROWS = 5
_SHOWN_CHARACTERS = 300
_SAMPLE_CHARACTERS = 100_000


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a file looks like from its first rows.

    Attributes:
        columns: All names seen, in order of appearance.
        rows: The first rows, at most SAMPLE_ROWS; behind them perhaps some from further down.
        format: A key of FORMATS.
        numbers: Columns of nothing but numbers.
        signature: Of the file, to see whether it changes until the import.
        packed_bytes: What progress counts up to.
        reading: The sheet and the kind of documents that were read, chosen or guessed.
        sheets: Sheets that can be chosen.
    """

    columns: tuple[str, ...]
    rows: tuple[dict[str, object], ...]
    format: str = ""
    numbers: frozenset[str] = frozenset()
    signature: tuple[int, int, int]
    packed_bytes: int = 0
    reading: Reading = Reading()
    sheets: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether rows further down may have columns of which the first ones know nothing."""
        return self.format in ("json", "jsonl")

    def filled(self) -> frozenset[str]:
        """The columns that say something in the first rows."""
        return frozenset(name for name in self.columns if any(not is_empty(row.get(name)) for row in self.rows))

    def with_late(self, late: LateColumns) -> "Look":
        """The same file, with the columns that begin further down and some rows that have them."""
        columns = tuple(dict.fromkeys([*self.columns, *late.first]))
        every = (*self.rows, *late.rows)
        return msgspec.structs.replace(self, columns=columns, rows=every, numbers=number_columns(columns, every))

    def first_rows(self) -> tuple[dict[str, str], ...]:
        """Up to 5 rows, values as shortened text."""
        return tuple({name: _as_text(value) for name, value in row.items()} for row in self.rows[:_SHOWN_ROWS])

    def sample(self) -> str:
        """Up to 5 first rows whole, as a JSON list of objects; fewer where they are long."""
        texts: list[str] = []
        for row in self.rows[:_SHOWN_ROWS]:
            try:
                text = msgspec.json.encode(row, enc_hook=_raw).decode("utf-8")
            except (UnicodeEncodeError, OverflowError, msgspec.MsgspecError, TypeError):
                continue
            if sum(map(len, texts)) + len(text) > _SAMPLE_CHARACTERS:
                break
            texts.append(text)
        return f"[{','.join(texts)}]"


def look(file: Path | Part, skip_damaged: bool = False, most_rows: int = SAMPLE_ROWS) -> Look:
    """Read the first rows.

    Args:
        file: The file, or a part of what the user chose; of a folder or an archive its first file.
        skip_damaged: Leave damaged lines out instead of refusing the file.
        most_rows: How many suffice.

    Raises:
        StudioError: No row can be read. A damaged line after good ones is left for the import to report.
    """
    columns: dict[str, None] = {}
    sample: list[dict[str, object]] = []
    part = file if isinstance(file, Part) else expand(file).learned[0]
    with Rows(part, (lambda problem: None) if skip_damaged else None) as rows:
        rows.source.wanted = SAMPLE_BYTES + MAX_LINE_BYTES
        try:
            for row in rows:
                sample.append(row)
                columns.update(dict.fromkeys(row))
                if len(columns) > MAX_COLUMNS:
                    raise rows.source.error(
                        "too_many_columns",
                        f"The rows have more than {MAX_COLUMNS:,} different columns.",
                        "Names and values may be swapped.",
                        "Bring rows with a question and an answer each.",
                    )
                if len(sample) >= most_rows or rows.source.bytes_read > SAMPLE_BYTES:
                    break
        except StudioError as error:
            if not sample or error.problem.code == "data.too_many_columns":
                raise
        if not sample:
            raise rows.source.error("no_rows", "There are no records in the file.")
        source = rows.source
        return Look(
            columns=tuple(columns),
            rows=tuple(sample),
            format=rows.format,
            numbers=number_columns(tuple(columns), sample),
            signature=source.signature,
            packed_bytes=source.size,
            reading=source.reading,
            sheets=source.choices,
        )


def _as_text(value: object) -> str:
    if isinstance(value, str):
        text = value[: _SHOWN_CHARACTERS + 1]
    elif value is None:
        text = ""
    else:
        text = _json_start(value)
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return clean if len(text) <= _SHOWN_CHARACTERS else clean[: _SHOWN_CHARACTERS - 1] + "…"


def _raw(value: object) -> object:
    """A number as it was written; nothing else needs help."""
    if isinstance(value, WrittenNumber):
        return msgspec.Raw(value.digits)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _json_start(value: object) -> str:
    try:
        return msgspec.json.encode(value, enc_hook=_raw).decode("utf-8")[: _SHOWN_CHARACTERS + 1]
    except (UnicodeEncodeError, OverflowError, msgspec.MsgspecError, TypeError):
        return shown(repr(value), _SHOWN_CHARACTERS)
