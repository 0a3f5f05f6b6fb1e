"""Where each message lies in the text that a chat template makes, so that labels need no search for markers.

A template is foreign code (Jinja in transformers' sandbox) that may move, trim or rewrite what it is given: Qwen3
drops the reasoning of earlier turns, Mistral puts the system prompt into the last question. So places are found by
experiment, never by looking for marker strings (an answer may contain them): the conversation is rendered a second
time with every message replaced by one private-use character that occurs nowhere else. What stands between those
characters is the template's own text; the first rendering must then be exactly that text with the messages' contents
in the gaps. Where a template looks into the contents, each message is exchanged alone and the common beginning and
end of the two renderings bound it. What neither explains is refused.
"""

import re
from collections.abc import Sequence
from typing import Any

import jinja2
import jinja2.sandbox
import msgspec

from studio.contract.errors import StudioError
from studio.contract.records import Message
from studio.engine.template_guard import harden, run_limited, syntax_problem, unsafe
from studio.engine.template_input import to_template, tools_of

Turns = Sequence[Message]
Span = tuple[int, int]


class Traced(msgspec.Struct, frozen=True):
    """A rendered conversation.

    Attributes:
        text: What the model reads.
        contents: Start and end of each message's content in `text`, in the order of the messages; (0, 0) where it is
            not known and not needed (an assistant's, beside tool calls and reasoning).
        answers: Start and end of what the model itself must write, end token excepted, for each assistant message.
        typed: Where someone else than the template wrote; control tokens found there are ordinary text. None: in
            `contents`.
    """

    text: str
    contents: tuple[Span, ...]
    answers: tuple[Span, ...]
    typed: tuple[Span, ...] | None = None


class _Layout(msgspec.Struct, frozen=True):
    """The template's own text around the messages, for one order of roles."""

    parts: tuple[str, ...]
    order: tuple[int, ...]
    lead: str


class ChatTemplate:
    """The chat template of one tokenizer.

    Args:
        tokenizer: A fast tokenizer of transformers with a chat template.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._layouts: dict[tuple[str | bool, ...], _Layout] = {}
        self.places: dict[str, bool] = {}
        """What the template has a place for, as `rich_template` found out."""
        self._folds_system: bool | None = None
        self._arguments_as_text: bool | None = None

    def render(self, messages: Turns, generation_prompt: bool = False, thinking: bool = False, tools: str = "") -> str:
        """The text of a conversation.

        Args:
            messages: The turns.
            generation_prompt: End with what precedes the assistant's next answer.
            thinking: Leave it to the template whether an answer begins with reasoning; else templates that can
                (Qwen3) open an answer without any, which is how answers without reasoning are rendered for training.
            tools: `Record.tools`.

        Raises:
            StudioError: The template refuses the conversation.
        """
        options: dict[str, Any] = {} if thinking else {"enable_thinking": False}
        turns, given = to_template(messages, self._wants_text(messages)), tools_of(tools)
        try:
            harden()
            return run_limited(
                lambda: self._tokenizer.apply_chat_template(
                    turns, tools=given, tokenize=False, add_generation_prompt=generation_prompt, **options
                )
            )
        except jinja2.sandbox.SecurityError as error:
            raise unsafe(str(error)) from error
        except jinja2.TemplateSyntaxError as error:
            raise syntax_problem(error) from error
        except (jinja2.TemplateError, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
            raise StudioError(
                "model.template_refuses",
                "The model's chat template does not accept this conversation.",
                f"It says: {str(error)[:300].rstrip('.')}.",
                "Turns usually must alternate between user and assistant; check the row, or choose another model.",
            ) from error

    def _wants_text(self, messages: Turns) -> bool:
        """Whether arguments of calls must be JSON text.

        Mistral's templates mark objects as safe, and Jinja then writes what stands beside them as HTML (`&#34;`).
        """
        if not any(m.tool_calls for m in messages):
            return False
        if self._arguments_as_text is None:
            self._arguments_as_text = False  # for the trial itself
            call = Message("assistant", "", tool_calls='[{"id": "call00001", "name": "a", "arguments": {"b": "c"}}]')
            try:
                self._arguments_as_text = "&#34;" in self.render((Message("user", "a"), call))
            except StudioError:
                pass
        return self._arguments_as_text

    @property
    def control_pattern(self) -> re.Pattern[str]:
        """Finds the control tokens of the tokenizer in a text."""
        pattern: re.Pattern[str] = self._tokenizer.control_pattern
        return pattern

    def fold(self, messages: Turns) -> tuple[Message, ...]:
        """Puts a system prompt into the first question where the template knows no system prompts (gemma2)."""
        if not messages or messages[0].role != "system":
            return tuple(messages)
        if self._folds_system is None:
            self._folds_system = not self._knows_system()
        if not self._folds_system:
            return tuple(messages)
        system, *rest = messages
        if not rest or rest[0].role != "user":
            raise StudioError(
                "model.no_system_role",
                "The model's chat template knows no system prompts.",
                "There is no question after the system prompt that could carry it.",
                "Remove the system prompt, or choose another model.",
            )
        joined = f"{system.content}\n\n{rest[0].content}" if system.content.strip() else rest[0].content
        return (Message("user", joined), *rest[1:])

    def _knows_system(self) -> bool:
        mark = "\ue000"
        try:
            return mark in self.render((Message("system", mark), Message("user", "a"), Message("assistant", "b")))
        except StudioError:
            return False

    def trace(self, messages: Turns, generation_prompt: bool = False, tools: str = "") -> Traced:
        """Render a conversation and find every message in it.

        Raises:
            StudioError: The template refuses the conversation, has no place for its tools or its reasoning, or it
                cannot be told where the messages lie.
        """
        if tools or not all(m.is_plain and m.role != "tool" for m in messages):
            from studio.engine.rich_template import trace_rich

            return trace_rich(self, messages, tools, generation_prompt)
        text = self.render(messages, generation_prompt)
        key = (*(m.role for m in messages), generation_prompt)
        known = self._layouts.get(key)
        contents = match(text, known, messages) if known else None
        if known is None or contents is None:
            known = self._explore(messages, text, generation_prompt)
            contents = match(text, known, messages) if known else None
            if known is None or contents is None:
                contents = self.bounds(messages, text, generation_prompt)
                lead = self.lead(messages, text, contents)
                return Traced(text, tuple(contents), answers_of(messages, text, contents, lead))
            known = msgspec.structs.replace(known, lead=self.lead(messages, text, contents))
            self._layouts[key] = known
        return Traced(text, tuple(contents), answers_of(messages, text, contents, known.lead))

    def trace_marked(self, messages: Turns, tools: str = "") -> Traced | None:
        """The answers as a template with `{% generation %}` marks them itself; None for other templates."""
        from transformers.utils.chat_template_utils import render_jinja_template

        source = self._tokenizer.get_chat_template()
        if not re.search(r"{%-?\s*generation\s*-?%}", source):
            return None
        turns = to_template(messages, self._wants_text(messages))
        marked: list[Span] = []

        def render() -> str:
            (text,), (spans,) = render_jinja_template(
                conversations=[turns],
                tools=tools_of(tools),
                chat_template=source,
                return_assistant_tokens_mask=True,
                **self._tokenizer.special_tokens_map,
            )
            marked[:] = spans
            return str(text)

        harden()
        return Traced(run_limited(render), (), tuple(marked))

    def _explore(self, messages: Turns, text: str, generation_prompt: bool) -> _Layout | None:
        """The template's own text for this order of roles; None where it does not show every message once."""
        marks = unused(text + "".join(m.content for m in messages), len(messages))
        swapped = self.render(
            [Message(m.role, mark) for m, mark in zip(messages, marks, strict=True)], generation_prompt
        )
        if any(swapped.count(mark) != 1 for mark in marks):
            return None
        order = sorted(range(len(messages)), key=lambda i: swapped.index(marks[i]))
        parts = re.split("|".join(marks), swapped) if marks else [swapped]
        return _Layout(parts=tuple(parts), order=tuple(order), lead="")

    def bounds(self, messages: Turns, text: str, generation_prompt: bool) -> list[Span]:
        """Bounds of each message, found by exchanging it alone.

        Raises:
            StudioError: A message is not shown, shown twice, or changed beyond recognition.
        """
        (mark,) = unused(text + "".join(m.content for m in messages), 1)
        contents = []
        for number, message in enumerate(messages):
            others = [*messages[:number], Message(message.role, mark), *messages[number + 1 :]]
            swapped = self.render(others, generation_prompt)
            start = common(text, swapped)
            rest = min(len(text), len(swapped)) - start
            end = len(text) - common(text[::-1][:rest], swapped[::-1][:rest])
            shown = "".join(text[start:end].split())
            if swapped.count(mark) != 1 or shown not in "".join(message.content.split()):
                raise untraceable(number, message.role)
            contents.append((start, end))
        return contents

    def lead(self, messages: Turns, text: str, contents: Sequence[Span], tools: str = "") -> str:
        """What stands between the generation prompt and the last answer: the model must write that too.

        Usually nothing; Mistral's space, or a whole header where the template ignores add_generation_prompt.
        """
        last = max((i for i, m in enumerate(messages) if m.role == "assistant"), default=-1)
        if last < 1:
            return ""
        for thinking in (False, True):
            prompt = self.render(messages[:last], generation_prompt=True, thinking=thinking, tools=tools)
            if text.startswith(prompt) and len(prompt) <= contents[last][0]:
                return text[len(prompt) : contents[last][0]]
        return ""


def untraceable(number: int, role: str) -> StudioError:
    """A message that the template does not show, shows twice, or changes beyond recognition."""
    return StudioError(
        "model.template_untraceable",
        "It cannot be told which part of the text the model should learn.",
        f"The model's chat template does not show message {number + 1} ({role}) as it stands, or shows it twice.",
        "Choose another model, or switch off 'Learn answers only'.",
        where=f"message {number + 1}",
    )


def match(text: str, layout: _Layout, messages: Turns) -> list[Span] | None:
    """Regions, if `text` is exactly the layout's parts with the contents (trimmed or not) between them."""
    if not text.startswith(layout.parts[0]):
        return None
    place = len(layout.parts[0])
    contents: list[Span] = [(0, 0)] * len(messages)
    for number, part in zip(layout.order, layout.parts[1:], strict=True):
        content = messages[number].content
        for shown in (content, content.strip(), content.lstrip(), content.rstrip(), content.strip("\n")):
            if text.startswith(shown + part, place):
                break
        else:
            return None
        contents[number] = (place, place + len(shown))
        place += len(shown) + len(part)
    return contents if place == len(text) else None


def answers_of(messages: Turns, text: str, contents: Sequence[Span], lead: str) -> tuple[Span, ...]:
    """The assistant's spans, each with what the template leaves to the model before it."""
    return tuple(
        (start - len(lead) if lead and text[:start].endswith(lead) else start, end)
        for message, (start, end) in zip(messages, contents, strict=True)
        if message.role == "assistant"
    )


def unused(text: str, count: int) -> list[str]:
    """Characters of the private use areas that do not occur in a text."""
    taken = set(text)
    free = (chr(code) for area in (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE)) for code in area)
    found = []
    for character in free:
        if character not in taken:
            found.append(character)
            if len(found) == count:
                break
    return found


def common(one: str, other: str) -> int:
    """Length of the common beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
