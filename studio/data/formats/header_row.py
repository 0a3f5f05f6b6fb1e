"""The row that names a table's columns where notes, a title or a row of groups stand above it."""

from collections.abc import Sequence

from studio.data import column_names

WITHIN = 20
"""Rows from the first filled one on, among which the names of the columns are looked for."""
_MOST_FULL_NOTES = 3
_LONGEST_NAME = 100


def _plain(*names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(column_names.plain(name) for group in names for name in group) - column_names.SPEAKER_WORDS


_ROLES = (
    (_plain(column_names.INSTRUCTIONS, column_names.PROMPTS), _plain(column_names.COMPLETIONS)),
    (_plain(column_names.CHOSEN), _plain(column_names.REJECTED)),
    (_plain(column_names.TEXTS), _plain(column_names.CLASSES)),
)
"""What is asked and what is answered; the better and the worse answer; a text and its class."""


def header_below(table: Sequence[Sequence[str]]) -> int:
    """Place (from 0) of the row below the first whose cells, as whole, name what is asked and what is answered.

    0 where the first row does so itself, or none does. Others above it that have as many cells may be rows of the table
    (opposites: "question" and "answer"; turns: from "user" to "bot"). So notes are one row with digits (a date), or
    begin with one of fewer cells and have few as full as the names, unless a blank row ends them; words for a speaker
    are no names here.

    Args:
        table: The first rows as texts, from the first filled one on.
    """
    rows = [[column_names.plain(cell) for cell in cells if len(cell) <= _LONGEST_NAME] for cells in table[:WITHIN]]
    for roles in _ROLES:
        at = next((at for at, cells in enumerate(rows) if _names(cells, *roles)), None)
        if at == 0:
            break
        above, width = [_filled(cells) for cells in table[:at]] if at else [], _filled(table[at]) if at else 0
        is_dated = at == 1 and any(char.isdigit() for cell in table[0] for char in cell)  # names seldom hold digits
        begins_as_notes = is_dated or (above and above[0] < width)
        if at and (not above[-1] or (begins_as_notes and sum(n >= width for n in above) <= _MOST_FULL_NOTES)):
            return at
    return 0


def _names(cells: list[str], asked: frozenset[str], answered: frozenset[str]) -> bool:
    """Whether one cell is one of the names and another one of the others."""
    first = [at for at, cell in enumerate(cells) if cell in asked]
    second = [at for at, cell in enumerate(cells) if cell in answered]
    return len({*first, *second}) > 1 and bool(first and second)


def _filled(cells: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in cells)
