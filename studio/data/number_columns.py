"""Numbers and dates where texts are wanted: a question or an answer is read as a person would write it.

A table as CSV says 7, JSON and Parquet say the number 7: both are the same answer, also in a column where other rows
hold words.
"""

import datetime
import decimal
import functools
import math
from collections.abc import Iterable, Sequence

from studio.contract.errors import Problem
from studio.contract.job import Mapping
from studio.data.conversation import CONTENT_KEYS
from studio.data.json_text import WrittenNumber
from studio.data.wording import count, row_numbers, shown

_EXAMPLES = 3
_Written = int | float | decimal.Decimal | datetime.date | datetime.time
_IN_USE = ("prompt", "context", "completion", "rejected", "text", "system", "reasoning", "messages")


def number_columns(columns: Sequence[str], rows: Sequence[dict[str, object]]) -> frozenset[str]:
    """The columns of whose sampled values (missing ones apart) every one is a number, or true or false."""
    return frozenset(name for name in columns if _all_are(name, rows, _Written))


def worded_columns(columns: Sequence[str], rows: Sequence[dict[str, object]]) -> frozenset[str]:
    """The columns whose sampled values (missing ones apart, however many) are texts, in some rows perhaps numbers."""
    return frozenset(
        name
        for name in columns
        if _all_are(name, rows, _Written | str) and any(isinstance(row.get(name), str) for row in rows)
    )


def _all_are(name: str, rows: Sequence[dict[str, object]], kinds: type | object) -> bool:
    values = [value for row in rows if (value := row.get(name)) is not None]
    return bool(values) and all(isinstance(value, kinds) for value in values)  # type: ignore[arg-type]


@functools.lru_cache(maxsize=64)
def in_use(mapping: Mapping) -> frozenset[str]:
    """The columns of what is asked, answered or written, or of the turns."""
    return frozenset(column for name in _IN_USE if (column := getattr(mapping, name)))


def written_out(row: dict[str, object], columns: Iterable[str]) -> dict[str, object]:
    """The row with the numbers of these columns, and of the turns in them, as texts; all else stays as it is."""
    told: dict[str, object] = {}
    for name in columns:
        value = row.get(name)
        if isinstance(value, _Written):
            told[name] = value_text(value)
        elif isinstance(value, list) and (turns := _turns_written_out(value)) is not None:
            told[name] = turns
    return {**row, **told} if told else row


def _turns_written_out(turns: list[object]) -> list[object] | None:
    """The turns with numbers that stand as their content as texts; None where there are none."""
    told = [_turn_written_out(turn) for turn in turns]
    return told if any(new is not old for new, old in zip(told, turns, strict=True)) else None


def _turn_written_out(turn: object) -> object:
    if not isinstance(turn, dict):
        return turn
    key = next((key for key in CONTENT_KEYS if key in turn), "")
    value = turn.get(key)
    return {**turn, key: value_text(value)} if isinstance(value, _Written) else turn


def value_text(value: _Written) -> str | None:
    """A number as its file writes it, or a date as a person would; None for what is no number."""
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f") if value.is_finite() else None
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "seconds")
    return value.isoformat()


def number_text(number: int | float) -> str | None:
    """As it was written where that is known (JSON); otherwise 7 and not 7.0. True is true.

    Returns:
        None for what is no number, as tables mark a missing one.
    """
    if isinstance(number, WrittenNumber):
        return number.digits
    if isinstance(number, float):
        if not math.isfinite(number):
            return None
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    return str(number).lower()


class NumberTally:
    """Counts the rows of one file with a number where its first rows hold words, or the other way round; keeps the
    first few.
    """

    def __init__(self, mapping: Mapping, numbers: frozenset[str]) -> None:
        """Args:
        mapping: Which columns are in use.
        numbers: Those of nothing but numbers in the first rows: words are odd there, not numbers.
        """
        self._worded = sorted(in_use(mapping) - numbers)
        self._numbered = sorted(in_use(mapping) & numbers)
        self._rows: dict[str, list[int]] = {}
        self._counts: dict[str, int] = {}

    def look(self, row: dict[str, object], number: int) -> None:
        """Count a row, as it was read, if it has such values."""
        for name in self._worded:
            value = row.get(name)
            if isinstance(value, _Written) or (isinstance(value, list) and _turns_written_out(value) is not None):
                self._add(name, (number,))
        for name in self._numbered:
            if isinstance(row.get(name), str):
                self._add(name, (number,))

    def look_plain(self, numbers: Sequence[int]) -> None:
        """Count rows that hold nothing but texts.

        Args:
            numbers: Of the rows.
        """
        for name in self._numbered:
            self._add(name, numbers)

    def _add(self, name: str, numbers: Sequence[int]) -> None:
        self._counts[name] = self._counts.get(name, 0) + len(numbers)
        examples = self._rows.setdefault(name, [])
        if len(examples) < _EXAMPLES:
            examples += map(int, numbers[: _EXAMPLES - len(examples)])

    def problems(self, file_name: str) -> list[Problem]:
        """One hint a column; the rows were kept."""
        return [
            Problem(
                code="data.number_as_text",
                what=self._told(name, total),
                where=f"{file_name}, {row_numbers(self._rows[name], total)}",
            )
            for name, total in self._counts.items()
        ]

    def _told(self, name: str, total: int) -> str:
        rows = count(total, "row has", "rows have")
        if name in self._numbered:
            return f'{rows} text in "{shown(name)}", where the first have numbers; the numbers were read as text, too.'
        return (
            f'{rows} a number, a date, or true or false in "{shown(name)}", where others have text; it was read as '
            "text."
        )
