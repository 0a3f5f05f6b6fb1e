"""Tables with one turn in each row: the rows of one conversation become one."""

from collections.abc import Iterable, Iterator

from studio.contract.errors import StudioError
from studio.contract.job import Mapping
from studio.data import column_names
from studio.data.column_content import Rows, is_text
from studio.data.conversation import is_turn_list, role_of, unpacked
from studio.data.number_columns import number_text
from studio.data.wording import shown

MOST_TURNS = 2_000_000
"""Of one file; the turns of a conversation may stand anywhere in it, so all of them are held."""
_LEAST_REPEATED = 0.7
"""Different names of conversations for each row, at most: a number of the row itself has one a row."""


def find_turn_rows(names: list[str], rows: Rows) -> Mapping | None:
    """The mapping of a table whose rows are turns and say of which conversation; None for others."""
    speaker = find_speaker(names, rows)
    if not speaker:
        return None
    others = [name for name in names if name != speaker]
    texts = [name for name in others if is_text(name, rows)]
    content = column_names.find_whole(texts, column_names.TURN_TEXTS)
    conversation = column_names.find_whole([name for name in others if name != content], column_names.CONVERSATIONS)
    if not content or not conversation or not _repeats(conversation, rows):
        return None
    reason = (
        f'Each row is a turn: "{shown(speaker)}" says who speaks, "{shown(content)}" what is said. The rows of one '
        f'"{shown(conversation)}" become one conversation, in the order of the file.'
    )
    return Mapping(shape="chat", messages=content, speaker=speaker, conversation=conversation, reason=reason)


def find_speaker(names: list[str], rows: Rows) -> str:
    """The column that says who speaks, of nothing but known roles, both sides among them; "" where there is none."""
    name = column_names.find_whole(names, column_names.SPEAKERS)
    if not name or any(is_turn_list(unpacked(value)) for row in rows for value in row.values()):
        return ""
    spelled = [value for row in rows if (value := row.get(name)) not in (None, "")]
    roles = {role_of(value) for value in spelled}
    return name if {"user", "assistant"} <= roles and "" not in roles else ""


def _repeats(name: str, rows: Rows) -> bool:
    ids = [key for row in rows if (key := _key(row.get(name)))]
    return len(ids) > 0.5 * len(rows) and len(set(ids)) <= max(1, _LEAST_REPEATED * len(ids))


def conversations(
    rows: Iterable[tuple[int, dict[str, object]]], mapping: Mapping
) -> Iterator[tuple[int, dict[str, object]]]:
    """Each conversation as one row with a list of turns, in the order in which they begin.

    Args:
        rows: Number and row of the file.
        mapping: Where it has no `speaker`, the rows stay as they are.

    Yields:
        The number of the first turn's row, and that row with all turns in the column of the messages. A row without
        the name of a conversation is one of its own.

    Raises:
        StudioError: `data.too_many_turns`.
    """
    if not mapping.speaker:
        yield from rows
        return
    found: dict[str, tuple[int, dict[str, object], list[dict[str, object]]]] = {}
    for total, (number, row) in enumerate(rows, start=1):
        if total > MOST_TURNS:
            raise _too_many()
        key = _key(row.get(mapping.conversation)) or f"\0{number}"
        turns = found.setdefault(key, (number, row, []))[2]
        turns.append({"role": row.get(mapping.speaker), "content": row.get(mapping.messages)})
    for number, row, turns in found.values():
        yield number, {**row, mapping.messages: turns}


def _key(value: object) -> str:
    if isinstance(value, int | float):
        return number_text(value) or ""
    return value.strip() if isinstance(value, str) else ""


def _too_many() -> StudioError:
    return StudioError(
        "data.too_many_turns",
        f"The file has more than {MOST_TURNS:,} rows with one turn in each.",
        "The turns of a conversation may stand anywhere in the file, so all of them have to be held in memory.",
        "Write each conversation into one row, as a list of turns, or divide the file.",
    )
