"""Tools that may be called, and their calls, in the spellings that are about, as one spelling of JSON text."""

import json
from collections.abc import Sequence

import msgspec

from studio.contract.records import Message
from studio.data.json_text import JsonFault, decode, is_encodable
from studio.data.row_faults import row_error

CALL_KEYS = ("tool_calls", "function_call")
ARGUMENTS = ("arguments", "parameters", "input", "args")
"""Names of a call's arguments, and of what a tool takes."""


def calls_text(value: object, number: int, where: str = "A call") -> str:
    """Calls as JSON text: `[{"id": "…", "name": "…", "arguments": {…}}]`; "" where there are none.

    Args:
        value: OpenAI's list of calls, one call, or JSON text of either; arguments as an object or as JSON text of one.
        number: Row of the source file, for errors.
        where: What holds them, for errors.

    Raises:
        StudioError: `row.bad_tool_call` says which part is missing; `row.broken_character`.
    """
    calls = _unpacked(value)
    if calls is None or calls in ("", []):
        return ""
    if isinstance(calls, dict):
        calls = [calls]
    if not isinstance(calls, list):
        raise row_error("row.bad_tool_call", number, f"{where} is no list and no object.")
    return json_of([_call(call, number, where) for call in calls], number)


def tools_text(value: object, number: int) -> str:
    """Tools as JSON text: `[{"type": "function", "function": {"name": …}}]`; "" where there are none.

    Raises:
        StudioError: `row.bad_tools` says why; `row.broken_character`.
    """
    tools = _unpacked(value)
    if tools is None or tools in ([], {}) or (isinstance(tools, str) and not tools.strip()):
        return ""
    if isinstance(tools, dict):
        tools = [tools]
    if not isinstance(tools, list):
        raise row_error("row.bad_tools", number, "They are no list of objects.")
    return json_of([_tool(tool, number) for tool in tools], number)


def linked(messages: list[Message]) -> list[Message]:
    """The same turns, with every result bearing the id and the name of its call.

    Calls without an id get one of nine characters, as Mistral's templates demand. Results without an id belong to the
    calls before them, in order.
    """
    made, told = 0, []
    waiting: list[tuple[str, str]] = []  # id and name of calls that have no result yet
    for message in messages:
        if message.tool_calls:
            calls = json.loads(message.tool_calls)
            for call in calls:
                made += 1
                call["id"] = call["id"] or f"call{made:05}"
            waiting = [(call["id"], call["name"]) for call in calls]
            message = msgspec.structs.replace(message, tool_calls=json.dumps(calls, ensure_ascii=False))
        elif message.role == "tool":
            call_id, name = _call_of(message, waiting)
            waiting = [call for call in waiting if call[0] != call_id]
            message = msgspec.structs.replace(message, call_id=call_id, name=name)
        told.append(message)
    return told


def joined(one: str, other: str) -> str:
    """Two texts of calls as one."""
    return json.dumps([*json.loads(one or "[]"), *json.loads(other)], ensure_ascii=False)


def _call_of(result: Message, waiting: Sequence[tuple[str, str]]) -> tuple[str, str]:
    named = [call for call in waiting if result.call_id == call[0] or (not result.call_id and result.name == call[1])]
    if not named and not result.call_id:
        named = list(waiting)
    call_id, name = named[0] if named else ("", "")
    return result.call_id or call_id, result.name or name


def _call(call: object, number: int, where: str) -> dict[str, object]:
    if not isinstance(call, dict):
        raise row_error("row.bad_tool_call", number, f"{where} is no object.")
    inner = call.get("function")
    inner = inner if isinstance(inner, dict) else call
    name = inner.get("name")
    if not isinstance(name, str) or not name.strip():
        raise row_error("row.bad_tool_call", number, f"{where} has no name.")
    key = next((key for key in ARGUMENTS if key in inner), "")
    arguments = _unpacked(inner.get(key)) if key else {}
    if arguments is None or arguments == "":
        arguments = {}
    if not isinstance(arguments, dict):
        raise row_error("row.bad_tool_call", number, f"The arguments of a call are no object ({where.lower()}).")
    told = call.get("id")
    return {"id": told if isinstance(told, str) else "", "name": name, "arguments": arguments}


def _tool(tool: object, number: int) -> dict[str, object]:
    tool = _unpacked(tool)
    if not isinstance(tool, dict):
        raise row_error("row.bad_tools", number, "A tool is no object.")
    function = tool.get("function", tool)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"].strip():
        raise row_error("row.bad_tools", number, "A tool has no name.")
    return tool if "function" in tool else {"type": "function", "function": tool}


def _unpacked(value: object) -> object:
    """The value; where it is JSON text of a list or an object, what that says."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return decode(value)
        except JsonFault:
            return value
    return value


def json_of(value: object, number: int) -> str:
    """A value as JSON text.

    Raises:
        StudioError: It holds what JSON cannot, or half a character.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:  # a table's date, say: its column is no JSON
        raise row_error("row.bad_tool_call", number, f"It holds what JSON cannot: {str(error)[:80]}.") from error
    if not is_encodable(text):
        raise row_error("row.broken_character", number)
    return text
