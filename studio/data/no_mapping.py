"""What is said where no column of a file can be told to hold questions, answers, turns or texts."""

from studio.contract.errors import StudioError
from studio.data.column_content import Rows
from studio.data.wording import listed, shown

CUT_ADVICE = " If this is a table, its columns should be cut by comma, semicolon, tab or bar."


def one_turn_a_row(names: list[str], speaker: str) -> StudioError:
    """The refusal of rows that are turns and do not say of which conversation; `speaker` says who speaks."""
    return no_mapping(
        names,
        f'Each row seems to hold one turn of a conversation: "{shown(speaker)}" says who speaks.',
        "Add a column conversation_id that is the same in all rows of a conversation, and write user or assistant in "
        f'"{shown(speaker)}"; or put each conversation into one row.',
    )


def nested(names: list[str], rows: Rows) -> StudioError | None:
    """The refusal of rows whose questions and answers lie deeper than at their top; None for others."""
    deep = {name: value for row in rows for name in names if isinstance(value := row.get(name), dict | list) and value}
    if not deep:
        return None
    told = [f'"{shown(name)}" holds {_inside(value)}.' for name, value in list(deep.items())[:3]]
    return no_mapping(
        names,
        f"No questions and answers were found: they may lie deeper in the rows. {' '.join(told)}",
        'Write each row flat: {"question": "…", "answer": "…"}, or as a list of turns with a role and a content each.',
    )


def _inside(value: object) -> str:
    first = value[0] if isinstance(value, list) else value
    inside = listed(list(first), 4) if isinstance(first, dict) and first else ""
    if isinstance(value, list):
        return f"a list of objects with {inside}" if inside else "a list"
    return f"an object with {inside}" if inside else "an object"


def all_texts(rows: Rows) -> bool:
    """Whether the rows may be those of a table: nothing but texts is in them."""
    return all(isinstance(value, str) for row in rows for value in row.values())


def no_mapping(names: list[str], what: str = "", way_on: str = "", is_table: bool = False) -> StudioError:
    """The refusal itself, with the columns that were seen.

    Args:
        names: The columns.
        what: What is missing, a sentence.
        way_on: What to do, sentences.
        is_table: Nothing but texts is in the rows: a table may have been cut by the wrong character.
    """
    fix = way_on or "Choose the columns yourself, or bring a file with a column of questions and a column of answers."
    if len(names) == 1 and not way_on:
        fix = "A row needs a question and an answer (two columns), a list of turns, or a text."
        fix += CUT_ADVICE * is_table
    return StudioError(
        "data.no_mapping",
        what or "No columns were found that look like questions and answers.",
        f"The file has the columns {listed(names)}." if names else "The rows have no columns.",
        fix,
    )
