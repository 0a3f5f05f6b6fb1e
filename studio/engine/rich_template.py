"""Conversations with tools and reasoning in a chat template: what the model writes, and what others wrote.

Where plain contents lie is found by `chat_template`; a tool call has no content that could be searched for. So each of
the assistant's turns is exchanged, as a whole, for one character that occurs nowhere else: what differs between the two
renderings is what the assistant writes in that turn, calls and reasoning included. What the other sides say is found in
the same way, and must lie outside.
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from studio.contract.errors import StudioError
from studio.contract.records import Message
from studio.engine.chat_template import Span, Traced, answers_of, common, untraceable, unused
from studio.engine.template_input import calls_of

if TYPE_CHECKING:
    from studio.engine.chat_template import ChatTemplate

_MARK = "\ue000"
_TOOL = [{"type": "function", "function": {"name": _MARK, "description": "a", "parameters": {"type": "object"}}}]
_PLACES = {
    "tools": "the declaration of tools",
    "tool_calls": "tool calls",
    "tool_results": "the results of tools",
    "reasoning": "reasoning",
}


def trace_rich(template: "ChatTemplate", messages: Sequence[Message], tools: str, generation_prompt: bool) -> Traced:
    """Render a conversation with tools or reasoning and find what the model writes in it.

    Raises:
        StudioError: The template refuses the conversation, `model.no_place` for a part of it, or it cannot be told
            what the model writes.
    """
    require_places(template, messages, tools)
    text = template.render(messages, generation_prompt, tools=tools)
    (mark,) = unused(text + tools + "".join(_strings(messages)), 1)
    contents: list[Span] = []
    written: list[Span] = []
    for number, message in enumerate(messages):
        exchanged = Message(message.role, mark, name=message.name, call_id=message.call_id)
        others = [*messages[:number], exchanged, *messages[number + 1 :]]
        swapped = template.render(others, generation_prompt, tools=tools)
        start = common(text, swapped)
        rest = min(len(text), len(swapped)) - start
        end = len(text) - common(text[::-1][:rest], swapped[::-1][:rest])
        shows_all = message.role != "assistant" or _holds(text[start:end], message)
        if swapped.count(mark) != 1 or not shows_all:
            raise untraceable(number, message.role)
        written.append((start, end))
        contents.append((start, end) if message.is_plain else (0, 0))
    for (_, end), (start, _) in pairwise(sorted(written)):  # a system prompt may stand in the last question
        if start < end:
            number = next(i for i, span in enumerate(written) if span[0] == start)
            raise untraceable(number, messages[number].role)
    answers = _answers(template, messages, tools, text, written)
    return Traced(text, tuple(contents), answers, _typed(template, messages, tools, generation_prompt, text))


def _answers(
    template: "ChatTemplate", messages: Sequence[Message], tools: str, text: str, written: Sequence[Span]
) -> tuple[Span, ...]:
    """The assistant's spans, each with what stands between the generation prompt and itself: `<think>`, a space.

    Unlike plain conversations every answer is looked at: one may begin with reasoning and the next without.
    """
    last = max((i for i, m in enumerate(messages) if m.role == "assistant"), default=0)
    before = template.render(messages[:last], tools=tools) if last else ""
    prompts = []
    for thinking in (False, True):
        prompt = template.render(messages[:last], True, thinking, tools) if last else ""
        if len(prompt) <= len(before) or not prompt.startswith(before):
            return answers_of(messages, text, written, template.lead(messages, text, written, tools))
        prompts.append(prompt[len(before) :])
    answers = []
    for number, (start, end) in enumerate(written):
        if messages[number].role != "assistant":
            continue
        floor = max((e for _, e in written if e <= start), default=0)
        places = (place + len(p) for p in prompts if (place := text.rfind(p, floor, start)) >= 0)
        answers.append((next(places, start), end))
    return tuple(answers)


def require_places(template: "ChatTemplate", messages: Sequence[Message], tools: str) -> None:
    """Make sure that nothing of a conversation is dropped in silence.

    Raises:
        StudioError: `model.no_place` names what the template has no place for.
    """
    needed = {
        "tools": bool(tools),
        "tool_calls": any(m.tool_calls for m in messages),
        "tool_results": any(m.role == "tool" for m in messages),
        "reasoning": any(m.reasoning for m in messages),
    }
    for part, is_needed in needed.items():
        if is_needed and not _has_place(template, part):
            raise StudioError(
                "model.no_place",
                f"This model's chat template has no place for {_PLACES[part]}.",
                "What a model was not made for would be left out in silence.",
                "Choose a model that was made for it (Qwen3, say), or rows without it.",
                where="chat template",
            )


def _has_place(template: "ChatTemplate", part: str) -> bool:
    if part not in template.places:
        call = json.dumps([{"id": "call00001", "name": _MARK if part == "tool_calls" else "f", "arguments": {}}])
        asked, answered = Message("user", "a"), Message("assistant", "b")
        called = Message("assistant", "", tool_calls=call)
        result = Message("tool", _MARK if part == "tool_results" else "c", name="f", call_id="call00001")
        talk: dict[str, list[Message]] = {
            "tools": [asked, answered],
            "tool_calls": [asked, called, result, answered],
            "tool_results": [asked, answered, result, answered],
            "reasoning": [asked, Message("assistant", "b", reasoning=_MARK)],
        }
        declared = json.dumps(_TOOL, ensure_ascii=False) if part == "tools" else ""
        try:
            template.places[part] = _MARK in template.render(talk[part], tools=declared)
        except StudioError:
            template.places[part] = False
    return template.places[part]


def _holds(shown: str, message: Message) -> bool:
    """Whether a stretch of text has everything that a template may not drop of an assistant's turn."""
    bare = "".join(shown.split())
    names = (str(call["name"]) for call in calls_of(message))
    return all("".join(part.split()) in bare for part in (message.content, *names))


def _typed(
    template: "ChatTemplate", messages: Sequence[Message], tools: str, generation_prompt: bool, text: str
) -> tuple[Span, ...]:
    """Where control tokens stand that someone typed: in a message, a call, its result or a tool's declaration.

    They are exchanged for as many characters that occur nowhere else; where these turn up in the text is where the
    tokens stood.

    Raises:
        StudioError: The template does not show them as they stand.
    """
    pattern = template.control_pattern
    strings = [*_strings(messages), tools]
    if not any(pattern.search(string) for string in strings):
        return ()
    (mark,) = unused(text + "".join(strings), 1)

    def masked(string: str) -> str:
        return str(pattern.sub(lambda found: mark * len(found.group()), string))

    swapped = template.render(
        [
            msgspec.structs.replace(
                message,
                content=masked(message.content),
                reasoning=masked(message.reasoning),
                tool_calls=masked(message.tool_calls),
                name=masked(message.name),
            )
            for message in messages
        ],
        generation_prompt,
        tools=masked(tools),
    )
    same = len(swapped) == len(text) and all(a == b for a, b in zip(swapped, text, strict=True) if a != mark)
    if not same:
        raise untraceable(len(messages) - 1, messages[-1].role)
    places = [i for i, char in enumerate(swapped) if char == mark]
    return tuple((place, place + 1) for place in places)


def _strings(messages: Sequence[Message]) -> list[str]:
    return [part for m in messages for part in (m.content, m.reasoning, m.tool_calls, m.name)]
