"""Turns that a table holds as JSON text: a cell of CSV or Excel cannot hold them otherwise."""

from studio.contract.job import Mapping
from studio.data.conversation import ROLE_KEYS, is_turn_list, role_of, unpacked


def turns_opened(row: dict[str, object], mapping: Mapping) -> dict[str, object]:
    """The row with its turns as lists where they are JSON text; all other text, JSON or not, stays text."""
    if mapping.shape == "text":
        return row
    if mapping.messages:
        value = row.get(mapping.messages)
        return {**row, mapping.messages: unpacked(value)} if isinstance(value, str) else row
    columns = [name for name in (mapping.prompt, mapping.completion, mapping.rejected) if name]
    found = {name: turns for name in columns if (turns := _turns(row.get(name))) is not None}
    opened = {name: turns for name, turns in found.items() if turns is not row[name] and _belongs(name, found, mapping)}
    return {**row, **opened} if opened else row


def _belongs(name: str, found: dict[str, list[object]], mapping: Mapping) -> bool:
    """Whether what reads as turns is meant so: a question or an answer may be such a text itself.

    A question that has its answer already, and an answer that begins with a question, are turns only beside turns.
    """
    if len(found) > 1 or not mapping.prompt:
        return True
    turn = found[name][-1 if name == mapping.prompt else 0]
    assert isinstance(turn, dict)  # `is_turn_list` says so
    role = role_of(next(turn[key] for key in ROLE_KEYS if key in turn))
    return role not in (("assistant", "") if name == mapping.prompt else ("user", "system", ""))


def _turns(value: object) -> list[object] | None:
    turns = unpacked(value)
    turns = [turns] if isinstance(turns, dict) else turns
    return turns if isinstance(turns, list) and is_turn_list(turns) else None
