"""Messages and tools as chat templates read them: the dictionaries of transformers' documentation."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from studio.contract.records import Message

ID_LENGTH = 9
"""Mistral's templates refuse call ids of any other length; the other families' do not show them."""


def to_template(messages: Sequence[Message], arguments_as_text: bool = False) -> list[dict[str, Any]]:
    """The turns, each with what it has.

    Args:
        messages: The turns.
        arguments_as_text: Give the arguments of calls as JSON text. Objects are what most templates are written for.
    """
    return [_turn(message, arguments_as_text) for message in messages]


def tools_of(tools: str) -> list[dict[str, Any]] | None:
    """`Record.tools` as a template gets them; None where there are none (templates ask for that)."""
    return json.loads(tools) if tools else None


def calls_of(message: Message) -> list[dict[str, Any]]:
    """`Message.tool_calls` as objects."""
    return json.loads(message.tool_calls) if message.tool_calls else []


def _turn(message: Message, arguments_as_text: bool) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.is_plain:
        return turn
    if message.reasoning:
        turn["reasoning_content"] = message.reasoning
    if message.tool_calls:
        turn["tool_calls"] = [
            {
                "type": "function",
                "id": _short(call["id"]),
                "function": {
                    "name": call["name"],
                    "arguments": json.dumps(call["arguments"], ensure_ascii=False)
                    if arguments_as_text
                    else call["arguments"],
                },
            }
            for call in calls_of(message)
        ]
    if message.name:
        turn["name"] = message.name
    if message.call_id:
        turn["tool_call_id"] = _short(message.call_id)
    return turn


def _short(call_id: str) -> str:
    """An id of nine letters and digits: itself, or what its hash makes of it."""
    if len(call_id) == ID_LENGTH and call_id.isalnum():
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:ID_LENGTH]
