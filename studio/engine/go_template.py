"""A model's chat template as Ollama reads templates (those of Go), found by watching what the template writes.

A template that writes every turn the same way is a few fixed texts between the messages. They are read off from
conversations with marks in them; longer conversations then prove that nothing else is written.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from studio.contract.errors import StudioError
from studio.contract.records import Message

FOLD = "\n\n"
"""Between a system prompt and the first question, where the template knows no system prompts."""
MARKS = ("Zq0xq", "Zq1xq", "Zq2xq", "Zq3xq", "Zq4xq", "Zq5xq")


class Turns(msgspec.Struct, frozen=True, kw_only=True):
    """The fixed texts.

    Attributes:
        first: Before the first question, where there is no system prompt.
        answer: Between a question and its answer.
        again: Between an answer and the next question.
        last: After the last question, where the model goes on.
        system, first_after_system: Before and after a system prompt; None where the model knows none: then it
            stands before the first question, as `ChatTemplate.fold` puts it there.
    """

    first: str
    answer: str
    again: str
    last: str
    system: str | None = None
    first_after_system: str | None = None

    def write(self, messages: Sequence[Message]) -> str:
        """A conversation that ends on a question, as Ollama would write it."""
        text, before, seen = self.first, "", False
        if messages[0].role == "system":
            prompt, messages = messages[0].content, messages[1:]
            if self.system is None:
                before = f"{prompt}{FOLD}"
            else:
                text = f"{self.system}{prompt}{self.first_after_system}"
        for message in messages:
            if message.role == "user":
                text += (self.again if seen else before) + message.content
                seen = True
            else:
                text += self.answer + message.content
        return text + self.last

    def go(self) -> str:
        """The same in Go's words."""
        plain = _plain
        head, folded = plain(self.first), f"{{{{ else if $.System }}}}{{{{ $.System }}}}{FOLD}"
        if self.system is not None and self.first_after_system is not None:
            after = plain(self.first_after_system)
            head = f"{{{{ if .System }}}}{plain(self.system)}{{{{ .System }}}}{after}{{{{ else }}}}{head}{{{{ end }}}}"
            folded = ""
        user = f"{{{{ if $seen }}}}{plain(self.again)}{folded}{{{{ end }}}}{{{{ $seen = true }}}}{{{{ .Content }}}}"
        reply = f"{plain(self.answer)}{{{{ .Content }}}}"
        each = f'{{{{ if eq .Role "user" }}}}{user}{{{{ else if eq .Role "assistant" }}}}{reply}{{{{ end }}}}'
        return f"{{{{ $seen := false }}}}{head}{{{{ range .Messages }}}}{each}{{{{ end }}}}{plain(self.last)}"

    def without_first(self, token: str) -> "Turns":
        """The same where the program that reads them puts a token (begin of text) before every conversation itself."""
        system = None if self.system is None else self.system.removeprefix(token)
        return msgspec.structs.replace(self, first=self.first.removeprefix(token), system=system)


def _plain(text: str) -> str:
    """A fixed text in a Go template; a brace at its end would run into the braces of what follows."""
    return re.sub(r"\{\{|\{$", lambda found: f'{{{{ "{found[0]}" }}}}', text)


def read_turns(tokenizer: Any) -> Turns | None:
    """The fixed texts of a tokenizer's template, or None where it writes turns in a way that depends on more.

    Args:
        tokenizer: From `tokens.load_tokenizer`.
    """
    s, u1, a1, u2, a2, u3 = MARKS
    try:
        (first, last) = _between(tokenizer, (_user(u1),))
        (_, answer, again, _) = _between(tokenizer, (_user(u1), _reply(a1), _user(u2)))
    except (StudioError, ValueError):
        return None
    turns = Turns(first=first, answer=answer, again=again, last=last)
    try:
        (system, after, _) = _between(tokenizer, (Message("system", s), _user(u1)))
        turns = msgspec.structs.replace(turns, system=system, first_after_system=after)
    except (StudioError, ValueError):
        pass  # it knows no system prompt, or not in one place: the trials tell
    long = (_user(u1), _reply(a1), _user(u2), _reply(a2), _user(u3))
    trials: list[tuple[Message, ...]] = [long[:1], long[:3], long]
    trials += [(Message("system", s), *messages) for messages in trials]
    try:
        same = all(turns.write(talk) == _rendered(tokenizer, tokenizer.chat.fold(talk)) for talk in trials)
    except StudioError:
        return None
    return turns if same else None


def _rendered(tokenizer: Any, messages: Sequence[Message]) -> str:
    return str(tokenizer.chat.render(messages, generation_prompt=True))


def _between(tokenizer: Any, messages: tuple[Message, ...]) -> list[str]:
    """What a template writes before, between and after messages.

    Raises:
        ValueError: A message does not occur just once.
        StudioError: The template refuses the conversation.
    """
    text = _rendered(tokenizer, messages)
    parts = []
    for message in messages:
        before, found, text = text.partition(message.content)
        if not found or message.content in text:
            raise ValueError(message.role)
        parts.append(before)
    return [*parts, text]


def _user(text: str) -> Message:
    return Message("user", text)


def _reply(text: str) -> Message:
    return Message("assistant", text)
