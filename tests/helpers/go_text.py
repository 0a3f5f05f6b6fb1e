"""The few words of Go's text/template that Modelfiles of exports use, and how Ollama fills them in."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from studio.contract.records import Message

Scope = dict[str, Any]


def as_ollama(template: str, messages: Sequence[Message]) -> str:
    """What Ollama makes of a TEMPLATE: system prompts are gathered in `.System`, and stay among the messages, too.

    Args:
        template: The text between the quotes.
        messages: Of a conversation.
    """
    assert "{{{" not in template, "Go takes the first two of three braces for the beginning of an action."
    prompts = "\n\n".join(message.content for message in messages if message.role == "system")
    told = [{"Role": message.role, "Content": message.content} for message in messages]
    top: Scope = {"System": prompts, "Messages": told}
    return _block(iter(re.split(r"(\{\{ .*? \}\})", template)), top, top, {}, True)[0]


def _block(parts: Iterator[str], dot: Scope, top: Scope, names: Scope, shown: bool) -> tuple[str, str]:
    """Text up to the `end` or `else` that closes a block, and that word."""
    text = ""
    for part in parts:
        action = part[3:-3] if part.startswith("{{ ") else None
        if action is None:
            text += part
        elif action == "end" or action.startswith("else"):
            return text, action
        elif action.startswith("if "):
            text += _choice(parts, action, dot, top, names, shown)
        elif action.startswith("range "):
            body, items = list(_body(parts)), _value(action[6:], dot, top, names) if shown else []
            text += "".join(_block(iter(body), item, top, names, shown)[0] for item in items)
        elif assigned := re.fullmatch(r"(\$\w+) :?= (\w+)", action):
            if shown:
                names[assigned[1]] = assigned[2] == "true"
        elif shown:
            text += str(_value(action, dot, top, names))
    return text, ""


def _choice(parts: Iterator[str], action: str, dot: Scope, top: Scope, names: Scope, shown: bool) -> str:
    text, taken = "", False
    while action != "end":
        asked = action.removeprefix("else ").removeprefix("if ")
        here = shown and not taken and (action == "else" or bool(_value(asked, dot, top, names)))
        said, action = _block(parts, dot, top, names, here)
        text += said if here else ""
        taken = taken or here
    return text


def _body(parts: Iterator[str]) -> Iterator[str]:
    """The parts of a block that stand before its own `end`."""
    depth = 0
    for part in parts:
        depth += part.startswith(("{{ if ", "{{ range ")) - (part == "{{ end }}")
        if depth < 0:
            return
        yield part


def _value(words: str, dot: Scope, top: Scope, names: Scope) -> Any:
    if equal := re.fullmatch(r'eq (\S+) "(\w+)"', words):
        return _value(equal[1], dot, top, names) == equal[2]
    if words.startswith('"'):
        return words[1:-1]
    if words.startswith("$."):
        return top[words[2:]]
    return names[words] if words.startswith("$") else dot[words[1:]]
