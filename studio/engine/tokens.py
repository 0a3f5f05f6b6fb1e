"""The one encoder: an example becomes ids and labels, for preview, training, evaluation and chat alike.

Ids are those of the whole text, as transformers and TRL make them (`add_special_tokens=False`: the template writes
the begin-of-text token itself, so there is never a second one). Labels follow from where `chat_template` finds the
answers, by the tokenizer's offsets. Control tokens that stand in the *contents* of messages, in tool calls or in texts
are injections; they are read as ordinary text.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import compress, pairwise
from typing import Any, Literal

import msgspec

from studio.contract.errors import StudioError
from studio.contract.records import Message, Record
from studio.contract.settings import TrainSettings
from studio.engine.chat_template import Span, Traced
from studio.engine.token_text import pieces
from studio.engine.tokenizer import load_tokenizer, prepare, tokenise

__all__ = ["NOTHING", "Encoded", "Rules", "encode", "load_tokenizer", "pieces"]

Example = Record | Sequence[Message]
"""A row of a dataset, or a conversation that nobody calls tools in."""
NOTHING = -100
"""Label of a token that is read but not learned (torch's cross entropy leaves it out)."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decide what of a conversation is learned. See TrainSettings."""

    learn_answers_only: bool = True
    learned_turns: Literal["all", "last"] = "all"
    max_tokens: int = 1024
    too_long: Literal["leave_out", "cut_question", "cut_end"] = "leave_out"

    @classmethod
    def of(cls, settings: TrainSettings) -> "Rules":
        """The rules of a run."""
        return cls(
            learn_answers_only=settings.learn_answers_only,
            learned_turns=settings.learned_turns,
            max_tokens=settings.max_tokens,
            too_long=settings.too_long,
        )


def limit(tokenizer: Any, rules: Rules) -> int:
    """Longest text in tokens: what the user chose, and never more than the model was made to read."""
    return min(rules.max_tokens, getattr(tokenizer, "context", rules.max_tokens))


def is_models_limit(tokenizer: Any, rules: Rules) -> bool:
    """Whether the model itself reads no longer texts: a higher setting would change nothing."""
    context = getattr(tokenizer, "context", None)
    return context is not None and context <= rules.max_tokens


def has_room(example: Example, tokenizer: Any) -> bool:
    """Whether an answer still fits into the model's context behind these messages."""
    most = getattr(tokenizer, "context", None)
    return most is None or len(encode(example, tokenizer, Rules(), reply=True).ids) < most


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as the model reads it.

    Attributes:
        ids: Token ids, (tokens).
        labels: The id where it is learned, else NOTHING, (tokens). A label belongs to its own place; the loss shifts.
        fate: "kept"; "cut" to the longest text; "left_out" because it is too long (ids are then the whole, uncut
            text); "nothing_to_learn" because no label is left.
        cut_tokens: Tokens lost to cutting.
        cut_answer_tokens: Learned tokens lost to cutting.
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    fate: Literal["kept", "cut", "left_out", "nothing_to_learn"]
    cut_tokens: int = 0
    cut_answer_tokens: int = 0


def encode(example: Example, tokenizer: Any, rules: Rules, reply: bool = False) -> Encoded:
    """Turn an example into ids and labels.

    Of two answers that are compared the better one is encoded; `worse_of` gives the other. A text without messages is
    learned whole: the token that begins a text where the tokenizer puts one, the text, the token that ends it. It may
    be longer than the limit, and is then learned in `windows`.

    Args:
        example: A row, or turns, a system prompt first or none.
        tokenizer: From `load_tokenizer`.
        rules: What is learned and what happens to long texts.
        reply: The assistant is to answer: end with the generation prompt, learn nothing, cut nothing.

    Raises:
        StudioError: The template refuses the conversation or has no place for a part of it, or it cannot be told
            where its answers lie.
    """
    if not hasattr(tokenizer, "chat"):
        prepare(tokenizer)
    messages, tools = (example.messages, example.tools) if isinstance(example, Record) else (example, "")
    if isinstance(example, Record) and example.text and not messages:
        return _encode_text(example.text, tokenizer)
    turns = tokenizer.chat.fold(messages)
    if reply:
        ids = _reply_ids(tokenizer, turns, tools)
        return Encoded(ids=ids, labels=(NOTHING,) * len(ids), fate="kept")
    whole = _Whole.of(tokenizer, turns, rules, tools)
    if not any(whole.learned):
        return _encoded(whole.ids, whole.learned, "nothing_to_learn", whole)
    most = limit(tokenizer, rules)
    if len(whole.ids) <= most:
        return _encoded(whole.ids, whole.learned, "kept", whole)
    if rules.too_long == "cut_end":
        return _encoded(whole.ids[:most], whole.learned[:most], "cut", whole)
    if rules.too_long == "cut_question":
        return _cut_question(tokenizer, turns, rules, whole, tools)
    return _encoded(whole.ids, whole.learned, "left_out", whole)


def worse_of(record: Record) -> Record:
    """The worse answer of two as a row of its own: what `encode` shows of it."""
    return Record(messages=record.messages[: record.shared] + record.rejected, tools=record.tools)


def windows(encoded: Encoded, most: int) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Ids and labels as the model gets them: a text that is too long in stretches of about the same length.

    Args:
        encoded: From `encode`; only texts, which have no question to lose, are ever longer than `most`.
        most: From `limit`.
    """
    count = -(-len(encoded.ids) // most)
    edges = [len(encoded.ids) * number // count for number in range(count + 1)]
    for start, end in pairwise(edges):
        yield encoded.ids[start:end], encoded.labels[start:end]


def _encode_text(text: str, tokenizer: Any) -> Encoded:
    """A document: nothing of it is a question, so every token is learned, and none is lost to its length."""
    ids, _ = tokenise(tokenizer, text, [(0, len(text))])
    begin = tokenizer.bos_token_id
    if begin is not None and tokenizer("a")["input_ids"][:1] == [begin]:
        ids = [begin, *ids]
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else next(iter(tokenizer.end_ids), None)
    if end is not None:
        ids = [*ids, end]
    return Encoded(ids=tuple(ids), labels=tuple(ids), fate="kept")


class _Whole(msgspec.Struct, frozen=True):
    """A conversation before any cutting.

    Attributes:
        ids, learned: (tokens).
        question: First token and last token + 1 of the first question.
    """

    ids: list[int]
    learned: list[bool]
    question: Span

    @classmethod
    def of(cls, tokenizer: Any, turns: Sequence[Message], rules: Rules, tools: str = "") -> "_Whole":
        traced = _trace(tokenizer, turns, rules, tools)
        typed = traced.contents if traced.typed is None else traced.typed
        ids, offsets = tokenise(tokenizer, traced.text, typed)
        asked = next((r for m, r in zip(turns, traced.contents, strict=False) if m.role == "user"), (0, 0))
        question = _tokens_of(offsets, *asked) if asked[0] < asked[1] else (0, 0)
        passed_over = _passed_over(turns, traced)
        if not rules.learn_answers_only and not any(passed_over):
            return cls(ids, [True] * len(ids), question)
        answers = sorted(traced.answers)
        spans = [_tokens_of(offsets, start, _end(tokenizer, ids, offsets, traced, end)) for start, end in answers]
        if not rules.learn_answers_only:
            kept = [True] * len(ids)
            for first, last in compress(spans, passed_over):
                kept[first:last] = [False] * (last - first)
            return cls(ids, kept, question)
        learned = [False] * len(ids)
        places = [place for place, turn in enumerate(turns) if turn.role == "assistant"]
        for number, (first, last) in enumerate(spans):
            if (rules.learned_turns == "last" and number < len(spans) - 1) or passed_over[number]:
                continue
            learned[first:last] = [True] * (last - first)
            joined = number and (len(places) != len(spans) or places[number] == places[number - 1] + 1)
            joined = joined and rules.learned_turns == "all" and not passed_over[number - 1]
            before = ids[spans[number - 1][1] : first] if joined else []
            if before and not tokenizer.control_ids.intersection(before):
                # Two answers in a row that the template joins into one: what joins them is the model's to write.
                learned[first - len(before) : first] = [True] * len(before)
        return cls(ids, learned, question)


def _passed_over(turns: Sequence[Message], traced: Traced) -> list[bool]:
    """Which answers are read and not learned, (answers).

    Raises:
        StudioError: There are some, and it cannot be told which of the answers in the text they are.
    """
    if not any(turn.weight for turn in turns):
        return [False] * len(traced.answers)
    passed_over = [bool(turn.weight) for turn in turns if turn.role == "assistant"]
    if len(passed_over) != len(traced.answers):
        raise StudioError(
            "model.template_untraceable",
            "It cannot be told which part of the text the model should not learn.",
            'The model\'s chat template joins answers, and some of them are marked with "weight": 0.',
            "Choose another model, or leave such rows out.",
        )
    return passed_over


def _trace(tokenizer: Any, turns: Sequence[Message], rules: Rules, tools: str) -> Traced:
    try:
        traced: Traced = tokenizer.chat.trace(turns, tools=tools)
    except StudioError as error:
        if error.problem.code != "model.template_untraceable":
            raise
        if not rules.learn_answers_only and not any(turn.weight for turn in turns):
            return Traced(tokenizer.chat.render(turns, tools=tools), (), ())
        marked: Traced | None = tokenizer.chat.trace_marked(turns, tools)
        if marked is None:
            raise
        return marked
    return traced


def _end(tokenizer: Any, ids: Sequence[int], offsets: Sequence[Span], traced: Traced, end: int) -> int:
    """Where an answer's end token ends, if it follows (after white space at most); else `end`."""
    for place in range(bisect_left(offsets, end, key=lambda span: span[0]), len(ids)):
        start, stop = offsets[place]
        if ids[place] in tokenizer.end_ids:
            return stop
        if traced.text[start:stop].strip():
            break
    return end


def _tokens_of(offsets: Sequence[Span], start: int, end: int) -> Span:
    """First token and last token + 1 that hold any of the text from `start` to `end`."""
    first = bisect_right(offsets, start, key=lambda span: span[1])
    last = bisect_left(offsets, end, key=lambda span: span[0])
    return first, max(first, last)


def _encoded(
    ids: Sequence[int],
    learned: Sequence[bool],
    fate: Literal["kept", "cut", "left_out", "nothing_to_learn"],
    whole: _Whole,
) -> Encoded:
    return Encoded(
        ids=tuple(ids),
        labels=tuple(i if known else NOTHING for i, known in zip(ids, learned, strict=True)),
        fate=fate if any(learned) else "nothing_to_learn",
        cut_tokens=len(whole.ids) - len(ids),
        cut_answer_tokens=sum(whole.learned) - sum(learned),
    )


def _cut_question(tokenizer: Any, turns: Sequence[Message], rules: Rules, whole: _Whole, tools: str) -> Encoded:
    """Drop whole exchanges from the beginning, then the beginning of the first question that is left.

    The system prompt and the template's own text stay. A text whose last answer alone is too long is left out: this
    way of cutting never cuts into an answer.
    """
    head = list(turns[:1]) if turns[0].role == "system" else []
    rest = list(turns[len(head) :])
    shorter = whole
    while (excess := len(shorter.ids) - limit(tokenizer, rules)) > 0:
        first, last = shorter.question
        if excess < last - first:
            kept = [*range(first), *range(first + excess, len(shorter.ids))]
            return _encoded([shorter.ids[i] for i in kept], [shorter.learned[i] for i in kept], "cut", whole)
        after = next((i for i, m in enumerate(rest) if i > 0 and m.role == "user"), len(rest))
        rest = rest[after:]
        if not any(m.role == "assistant" for m in rest):
            return _encoded(whole.ids, whole.learned, "left_out", whole)
        shorter = _Whole.of(tokenizer, [*head, *rest], rules, tools)
    return _encoded(shorter.ids, shorter.learned, "cut", whole)


def _reply_ids(tokenizer: Any, turns: Sequence[Message], tools: str) -> tuple[int, ...]:
    if not turns or turns[-1].role not in ("user", "tool"):
        raise StudioError(
            "chat.nothing_asked",
            "There is no question to answer.",
            "The last turn of the conversation must be the user's.",
            "Ask something.",
        )
    is_plain = not tools and all(message.is_plain and message.role != "tool" for message in turns)
    if is_plain and not any(tokenizer.control_pattern.search(message.content) for message in turns):
        ids, _ = tokenise(tokenizer, tokenizer.chat.render(turns, generation_prompt=True))
    else:
        traced = tokenizer.chat.trace(turns, generation_prompt=True, tools=tools)
        ids, _ = tokenise(tokenizer, traced.text, traced.contents if traced.typed is None else traced.typed)
    return tuple(ids)
