"""Columns of nothing but numbers: a question or an answer in them is read as a person would write it.

A table as CSV says 7, JSON and Parquet say the number 7: both are the same answer. A number in a column of texts stays
a fault, as it is one of the file.
"""

import math
from collections.abc import Iterable, Sequence

from studio.contract.job import Mapping


def number_columns(columns: Sequence[str], rows: Sequence[dict[str, object]]) -> frozenset[str]:
    """The columns of whose sampled values (missing ones apart) every one is a number, or true or false."""
    return frozenset(
        name
        for name in columns
        if any(row.get(name) is not None for row in rows)
        and all(isinstance(row.get(name), int | float | None) for row in rows)
    )


def in_use(mapping: Mapping, numbers: frozenset[str]) -> frozenset[str]:
    """Those of them that hold what is asked, answered or written."""
    return numbers & {mapping.prompt, mapping.context, mapping.completion, mapping.rejected, mapping.text}


def written_out(row: dict[str, object], columns: Iterable[str]) -> dict[str, object]:
    """The row with the numbers of these columns as texts; what is no number stays as it is."""
    told = {name: number_text(value) for name in columns if isinstance(value := row.get(name), int | float)}
    return {**row, **told} if told else row


def number_text(number: int | float) -> str | None:
    """7 and not 7.0, true and not True; None for what is no number, as tables mark a missing one."""
    if isinstance(number, float):
        if not math.isfinite(number):
            return None
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    return str(number).lower()
