"""A list of turns, in the spellings that are about, as messages; what is no conversation is refused."""

from collections.abc import Iterable

from studio.contract.records import Message, Role
from studio.data.json_text import JsonFault, decode, is_encodable
from studio.data.row_faults import row_error
from studio.data.wording import shown

ROLE_KEYS = ("role", "from", "speaker", "author", "sender")
CONTENT_KEYS = ("content", "value", "text", "message")

ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer", "system_prompt"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "customer", "client", "student", "usuario", "nutzer"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "ai", "agent", "chatbot", "bing"), "assistant"),
}


def is_turn_list(value: object) -> bool:
    """Whether a value is a list of turns; JSON text of one is none until it is `unpacked`."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(turn, dict) and _key(turn, ROLE_KEYS) and _key(turn, CONTENT_KEYS) for turn in value)
    )


def turn_keys(value: object) -> tuple[str, str]:
    """The names under which the first turn keeps its role and its content."""
    turns = unpacked(value)
    if isinstance(turns, list) and turns and isinstance(turns[0], dict):
        return _key(turns[0], ROLE_KEYS), _key(turns[0], CONTENT_KEYS)
    return "", ""


def unpacked(value: object) -> object:
    """The value; where it is JSON text of a list or an object, as tables hold turns, what that says."""
    if isinstance(value, str) and value.lstrip()[:2] in ("[{", "[ ", "[\n", '{"'):
        try:
            return decode(value)
        except JsonFault:
            return value
    return value


def to_messages(value: object, number: int) -> list[Message]:
    """Turns as messages; the order of the turns is not checked here.

    Args:
        value: A list of turns, one turn, or JSON text of them.
        number: Row of the source file, for errors.

    Raises:
        StudioError: No turns, an unknown role, or content that is no text.
    """
    turns = unpacked(value)
    if isinstance(turns, dict):
        turns = [turns]
    if not isinstance(turns, list) or not turns:
        raise row_error("row.no_turns", number)
    return [_message(turn, number) for turn in turns]


def text_of(value: object, number: int, code_if_missing: str) -> str:
    """Content as text: a text, or a list of text parts.

    Raises:
        StudioError: It is no text; `code_if_missing` where it is null.
    """
    if value is None:
        raise row_error(code_if_missing, number, "It is null.")
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        value = "".join(_part(part, number) for part in value)
    if not isinstance(value, str):
        raise row_error("row.content_not_text", number, f"It is {_kind(value)}.")
    if not is_encodable(value):
        raise row_error("row.broken_character", number)
    return value


def check_order(messages: list[Message], number: int) -> None:
    """Make sure that a model can learn from the conversation.

    Raises:
        StudioError: It does not go (system,) user, assistant, user, assistant, or a text is blank.
    """
    has_system = bool(messages) and messages[0].role == "system"
    turns = messages[1:] if has_system else messages
    if not turns:
        raise row_error("row.ends_on_user", number, "There is only a system message.")
    if turns[0].role == "assistant":
        raise row_error("row.assistant_first", number)
    before = ""
    for message in turns:
        if message.role == "system":
            raise row_error("row.system_not_first", number)
        if message.role == before:
            raise row_error("row.two_in_a_row", number)
        before = message.role
        if not message.content or message.content.isspace():
            raise row_error("row.empty_answer" if before == "assistant" else "row.empty_question", number)
    if before != "assistant":
        raise row_error("row.ends_on_user", number)


def _message(turn: object, number: int) -> Message:
    if not isinstance(turn, dict):
        raise row_error("row.no_turns", number, f"A turn is {_kind(turn)}.")
    role_key, content_key = _key(turn, ROLE_KEYS), _key(turn, CONTENT_KEYS)
    if not role_key:
        raise row_error("row.unknown_role", number, "A turn has no role.")
    spelled = turn[role_key]
    role = ROLES.get(spelled.strip().lower()) if isinstance(spelled, str) else None
    if role is None:
        name = shown(spelled, 40) if isinstance(spelled, str) else _kind(spelled)
        raise row_error("row.unknown_role", number, f'The role is "{name}".')
    if not content_key:
        raise row_error("row.content_not_text", number, "A turn has no content.")
    if turn.get("tool_calls"):
        raise row_error("row.content_not_text", number, "It is a tool call.")
    return Message(role, text_of(turn[content_key], number, "row.content_not_text"))


def _part(part: dict[str, object], number: int) -> str:
    text = part.get("text")
    if part.get("type", "text") != "text" or not isinstance(text, str):
        kind = part.get("type")
        raise row_error(
            "row.content_not_text", number, f'A part of it is "{shown(kind, 40) if isinstance(kind, str) else "?"}".'
        )
    return text


def _key(turn: dict[str, object], keys: Iterable[str]) -> str:
    return next((key for key in keys if key in turn), "")


def _kind(value: object) -> str:
    kinds = {list: "a list", dict: "an object", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else kinds.get(type(value), "no text")
