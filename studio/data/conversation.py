"""A list of turns, in the spellings that are about, as messages; what is no conversation is refused."""

import re
from collections.abc import Iterable
from typing import Literal

from studio.contract.records import Message, Role
from studio.data import tool_calls
from studio.data.json_text import JsonFault, decode, is_encodable
from studio.data.row_faults import row_error
from studio.data.transcript import is_transcript, to_turns
from studio.data.wording import shown

ROLE_KEYS = ("role", "from", "speaker", "author", "sender")
CONTENT_KEYS = ("content", "value", "text", "message")
REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")

ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer", "system_prompt"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "customer", "client", "student", "usuario", "nutzer"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "ai", "agent", "chatbot", "bing"), "assistant"),
    **dict.fromkeys(("kunde", "kundin", "benutzer", "anwender", "cliente", "utilisateur", "caller", "visitor"), "user"),
    **dict.fromkeys(("berater", "mitarbeiter", "support", "operator", "assistent", "asistente", "agente"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "ipython", "environment"), "tool"),
    **dict.fromkeys(("tool_response", "function_response", "tool_result", "tool_output", "function_result"), "tool"),
}
CALL_ROLES = frozenset(("function_call", "tool_call", "tool_calls", "function_calls"))
"""Roles of turns whose content is a call (ShareGPT); the assistant makes it."""

_JSON = re.compile(r'[ \t\r\n]*(?:\[[ \t\r\n]*[\[{\]]|\{[ \t\r\n]*")')
"""How JSON text of lists and objects begins that are turns, pairs, or none."""
_ORDINARY = ("user", "assistant", "system", "human", "gpt")
_EXTRAS = frozenset((*tool_calls.CALL_KEYS, *REASONING_KEYS))
_TEXT_PARTS = ("text", "input_text", "output_text")
_REASONING_PARTS = ("thinking", "reasoning")


def role_of(spelled: object) -> str:
    """Who speaks, by what a file calls it; "" for what is no known role."""
    name = _plain_role(spelled)
    return "assistant" if name in CALL_ROLES else ROLES.get(name, "")


def is_turn_list(value: object) -> bool:
    """Whether a value is a list of turns; JSON text of one is none until it is `unpacked`."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(turn, dict)
            and _key(turn, ROLE_KEYS)
            and (_key(turn, CONTENT_KEYS) or _key(turn, tool_calls.CALL_KEYS))
            for turn in value
        )
    )


def turn_keys(value: object) -> tuple[str, str]:
    """The names under which the first turn keeps its role and its content."""
    turns = unpacked(value)
    if isinstance(turns, list) and turns and isinstance(turns[0], dict):
        return _key(turns[0], ROLE_KEYS), _key(turns[0], CONTENT_KEYS)
    return "", ""


def unpacked(value: object) -> object:
    """The value; where it is JSON text of a list or an object, as tables hold turns, what that says."""
    if isinstance(value, str) and _JSON.match(value):
        try:
            return decode(value)
        except JsonFault:
            return value
    return value


def to_messages(value: object, number: int) -> list[Message]:
    """Turns as messages; the order of the turns is not checked here.

    Args:
        value: A list of turns, one turn, JSON text of them, or a transcript.
        number: Row of the source file, for errors.

    Raises:
        StudioError: No turns, an unknown role, content that is no text, or a tool call that is none.
    """
    turns = unpacked(value)
    if isinstance(turns, str) and is_transcript(turns):
        turns = to_turns(turns)
    if isinstance(turns, dict):
        turns = [turns]
    if not isinstance(turns, list) or not turns:
        raise row_error("row.no_turns", number)
    messages: list[Message] = []
    with_tools = False
    for turn in turns:
        message, is_call = _message(turn, number)
        with_tools = with_tools or message.role == "tool" or bool(message.tool_calls)
        if is_call and messages and messages[-1].role == "assistant":
            before = messages[-1]  # what was said before the call, or a call made at the same time
            calls = tool_calls.joined(before.tool_calls, message.tool_calls)
            weight = before.weight or message.weight
            messages[-1] = Message("assistant", before.content, before.reasoning, calls, weight=weight)
        else:
            messages.append(message)
    return tool_calls.linked(messages) if with_tools else messages


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
        raise row_error("row.content_not_text", number, f"It is {kind_of(value)}.")
    if not is_encodable(value):
        raise row_error("row.broken_character", number)
    return value


def check_order(messages: list[Message], number: int) -> None:
    """Make sure that a model can learn from the conversation.

    Raises:
        StudioError: It does not go (system,) user, assistant, user, assistant, with results of tools only behind an
            assistant; or a text is blank.
    """
    has_system = bool(messages) and messages[0].role == "system"
    turns = messages[1:] if has_system else messages
    if not turns:
        raise row_error("row.ends_on_user", number, "There is only a system message.")
    before = ""
    for message in turns:
        role = message.role
        if role == "assistant" and not before:
            raise row_error("row.assistant_first", number)
        if role == "system":
            raise row_error("row.system_not_first", number)
        if role == "tool" and before not in ("assistant", "tool"):
            raise row_error("row.tool_without_call", number)
        if role == before != "tool":
            raise row_error("row.two_in_a_row", number)
        before = role
        if role != "tool" and not message.tool_calls and (not message.content or message.content.isspace()):
            raise row_error("row.empty_answer" if role == "assistant" else "row.empty_question", number)
    if before != "assistant":
        raise row_error("row.ends_on_user", number, "It ends with the result of a tool." if before == "tool" else "")


def kind_of(value: object) -> str:
    """What a value is, in a word or two."""
    kinds = {list: "a list", dict: "an object", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else next((kinds[one] for one in kinds if isinstance(value, one)), "no text")


def _message(turn: object, number: int) -> tuple[Message, bool]:
    """A turn as a message, and whether it is nothing but a call."""
    if not isinstance(turn, dict):
        raise row_error("row.no_turns", number, f"A turn is {kind_of(turn)}.")
    role_key, content_key = _key(turn, ROLE_KEYS), _key(turn, CONTENT_KEYS)
    if not role_key:
        raise row_error("row.unknown_role", number, "A turn has no role.")
    spelled = turn[role_key]
    name = spelled if spelled in _ORDINARY else _plain_role(spelled)
    if name in CALL_ROLES and content_key:
        calls = tool_calls.calls_text(turn[content_key], number)
        if not calls:
            raise row_error("row.bad_tool_call", number, "The call is empty.")
        return Message("assistant", "", tool_calls=calls, weight=_weight(turn)), True
    role = ROLES.get(name)
    if role is None:
        told = shown(spelled, 40) if isinstance(spelled, str) else kind_of(spelled)
        raise row_error("row.unknown_role", number, f'The role is "{told}".')
    if role == "tool":
        return _result(turn, content_key, number), False
    if role == "assistant" and (not _EXTRAS.isdisjoint(turn) or isinstance(turn.get(content_key), list)):
        return _answer(turn, content_key, number), False
    if not content_key:
        raise row_error("row.content_not_text", number, "A turn has no content.")
    text = text_of(turn[content_key], number, "row.content_not_text")
    if role == "assistant" and "weight" in turn:
        return Message(role, text, weight=_weight(turn)), False
    return Message(role, text), False


def _weight(turn: dict[str, object]) -> Literal["", "0"]:
    """Whether an answer is not to be learned: OpenAI's files say so with a weight of 0."""
    return "0" if turn.get("weight") in (0, "0") else ""


def _plain_role(spelled: object) -> str:
    return spelled.strip().lower().replace("-", "_").replace(" ", "_") if isinstance(spelled, str) else ""


def _answer(turn: dict[str, object], content_key: str, number: int) -> Message:
    """An assistant's turn that has, or may have, reasoning and calls."""
    calls = next((text for key in tool_calls.CALL_KEYS if (text := tool_calls.calls_text(turn.get(key), number))), "")
    content = turn.get(content_key) if content_key else None
    reasoning = next((told for key in REASONING_KEYS if (told := turn.get(key)) is not None), "")
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        thoughts = [part for part in content if part.get("type") in _REASONING_PARTS]
        if thoughts:
            content = [part for part in content if part.get("type") not in _REASONING_PARTS] or ""
            reasoning = reasoning or "".join(_thought(part, number) for part in thoughts)
    if calls and (content is None or content == []):
        content = ""
    return Message(
        "assistant",
        text_of(content, number, "row.content_not_text"),
        text_of(reasoning, number, "row.content_not_text"),
        calls,
        weight=_weight(turn),
    )


def _result(turn: dict[str, object], content_key: str, number: int) -> Message:
    """What a tool gave back: text; a value of JSON (as ShareGPT files have it) as its text."""
    value = turn.get(content_key) if content_key else None
    if isinstance(value, dict) or (isinstance(value, list) and not all(_is_part(part) for part in value)):
        value = tool_calls.json_of(value, number)
    told_name, told_id = turn.get("name"), turn.get("tool_call_id")
    name, call_id = (told if isinstance(told, str) else "" for told in (told_name, told_id))
    if not (is_encodable(name) and is_encodable(call_id)):
        raise row_error("row.broken_character", number)
    return Message("tool", text_of(value or "", number, "row.content_not_text"), name=name, call_id=call_id)


def _is_part(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") in _TEXT_PARTS


def _part(part: dict[str, object], number: int) -> str:
    text, kind = part.get("text"), part.get("type", "text")
    if kind not in _TEXT_PARTS or not isinstance(text, str):
        told = f'A part of it is "{shown(kind, 40) if isinstance(kind, str) else "?"}".'
        raise row_error("row.content_not_text" if kind in _TEXT_PARTS else "row.not_words", number, told)
    return text


def _thought(part: dict[str, object], number: int) -> str:
    told = next((part[key] for key in ("thinking", "reasoning", "text") if key in part), None)
    return text_of(told, number, "row.content_not_text")


def _key(turn: dict[str, object], keys: Iterable[str]) -> str:
    for key in keys:
        if key in turn:
            return key
    return ""
