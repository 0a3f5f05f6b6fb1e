"""Tools, reasoning, texts and compared answers by the one encoder."""

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from studio.contract.errors import StudioError
from studio.contract.records import Message, Record
from studio.engine import tokens
from studio.engine.template_input import to_template, tools_of
from studio.engine.tokens import NOTHING, Rules
from tests.engine.test_tokens import SAMPLES, TEXTS, load
from tests.helpers.conversations import edit_tokenizer, learned, talk
from tests.helpers.tiny_models import tiny_tokenizer

TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Weather <|im_end|> of a city", "parameters": {}},
        }
    ]
)
CALL = json.dumps(
    [{"id": "call_1", "name": "weather", "arguments": {"city": "Köln <|im_end|></s>"}}], ensure_ascii=False
)
TWO_CALLS = json.dumps(
    [{"id": f"call_{n}", "name": "weather", "arguments": {"city": c}} for n, c in ((1, "A"), (2, "B"))]
)
ASKED = Message("user", "How is the weather?")
RESULT = Message("tool", "12 degrees", name="weather", call_id="call_1")
ANSWER = Message("assistant", "It is 12.")

TALKS = {
    "one call": Record(messages=(ASKED, Message("assistant", "", tool_calls=CALL), RESULT, ANSWER), tools=TOOLS),
    "two calls": Record(
        messages=(
            Message("system", "Be brief."),
            ASKED,
            Message("assistant", "", tool_calls=TWO_CALLS),
            RESULT,
            Message("tool", "42", name="weather", call_id="call_2"),
            ANSWER,
            Message("user", "Thanks </s><|im_end|>."),
            Message("assistant", "Gladly."),
        ),
        tools=TOOLS,
    ),
    "ends with a call": Record(messages=(ASKED, Message("assistant", "", tool_calls=CALL)), tools=TOOLS),
    "no tools declared": Record(messages=(ASKED, Message("assistant", "", tool_calls=CALL), RESULT, ANSWER)),
}
REASONED = {
    "said before the call": Record(
        messages=(ASKED, Message("assistant", "I look.", tool_calls=CALL), RESULT, ANSWER), tools=TOOLS
    ),
    "reasoning": Record(
        messages=(
            ASKED,
            Message("assistant", "", reasoning="I must look.", tool_calls=CALL),
            RESULT,
            Message("assistant", "It is 12.", reasoning="Easy <|im_end|>."),
        ),
        tools=TOOLS,
    ),
}
CASES = [("qwen3", case) for case in (*TALKS, *REASONED)] + [("mistral-v3", case) for case in TALKS]
ENDS = {"qwen3": "<|im_end|>", "mistral-v3": "</s>"}


def record_of(case: str) -> Record:
    return {**TALKS, **REASONED}[case]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_ids_and_labels_of_tool_talks_are_the_golden_ones(name: str, case: str) -> None:
    encoded = tokens.encode(record_of(case), load(name), Rules())
    path = SAMPLES / f"{name}-tools.json"
    golden = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if os.environ.get("WRITE_SAMPLES"):
        golden[case] = {"ids": encoded.ids, "learned": [i for i, x in enumerate(encoded.labels) if x != NOTHING]}
        path.write_text(json.dumps(golden, indent=None, sort_keys=True) + "\n", encoding="utf-8")
    assert case in golden, "write it with WRITE_SAMPLES=1, then read what was written"
    assert list(encoded.ids) == list(golden[case]["ids"])
    assert [i for i, label in enumerate(encoded.labels) if label != NOTHING] == golden[case]["learned"]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_the_text_is_the_one_that_the_template_makes_and_only_its_own_control_tokens_are_some(
    name: str, case: str
) -> None:
    tokenizer, record = load(name), record_of(case)
    turns = to_template(record.messages, arguments_as_text=name == "mistral-v3")
    text = tokenizer.apply_chat_template(turns, tools=tools_of(record.tools), tokenize=False, enable_thinking=False)
    encoded = tokens.encode(record, tokenizer, Rules())
    assert tokenizer.decode(encoded.ids) == text
    assert "&#34;" not in text
    plain = json.loads(json.dumps(msgspec.to_builtins(record)).replace("<|im_end|>", "x").replace("</s>", "x"))
    harmless = tokens.encode(msgspec.convert(plain, Record), tokenizer, Rules())
    control = [[i for i in one.ids if i in tokenizer.control_ids] for one in (encoded, harmless)]
    assert control[0] == control[1]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_calls_and_answers_are_learned_and_results_are_not(name: str, case: str) -> None:
    tokenizer, record = load(name), record_of(case)
    parts = learned(tokens.encode(record, tokenizer, Rules()), tokenizer)
    assert len(parts) == sum(message.role == "assistant" for message in record.messages)
    assert all(part.endswith(ENDS[name]) for part in parts)
    for part, message in zip(parts, (m for m in record.messages if m.role == "assistant"), strict=True):
        for call in json.loads(message.tool_calls or "[]"):
            assert json.dumps(call["arguments"], ensure_ascii=False) in part
        assert message.content in part
        assert not any(other in part for other in ("12 degrees", "How is", "Thanks", "of a city"))
    last = tokens.encode(record, tokenizer, Rules(learned_turns="last"))
    assert learned(last, tokenizer) == parts[-1:]


def test_reasoning_is_learned_with_its_tags() -> None:
    tokenizer = load("qwen3")
    parts = learned(tokens.encode(record_of("reasoning"), tokenizer, Rules()), tokenizer)
    assert parts[0].startswith("<think>\nI must look.\n</think>\n\n<tool_call>\n")
    assert parts[1] == "<think>\nEasy <|im_end|>.\n</think>\n\nIt is 12.<|im_end|>"
    talk_of_two = Record(
        messages=(
            Message("user", "a"),
            Message("assistant", "b", reasoning="first"),
            Message("user", "c"),
            Message("assistant", "d", reasoning="second"),
        )
    )
    assert learned(tokens.encode(talk_of_two, tokenizer, Rules()), tokenizer) == [
        "b<|im_end|>",  # Qwen3 drops the reasoning of earlier turns
        "<think>\nsecond\n</think>\n\nd<|im_end|>",
    ]


def test_a_reply_to_a_result_begins_with_what_precedes_the_answer_in_training() -> None:
    tokenizer = load("qwen3")
    record = record_of("one call")
    asked = msgspec.structs.replace(record, messages=record.messages[:-1])
    prompt = tokens.encode(asked, tokenizer, Rules(), reply=True)
    whole = tokens.encode(record, tokenizer, Rules(learned_turns="last"))
    first = next(i for i, label in enumerate(whole.labels) if label != NOTHING)
    assert whole.ids[:first] == prompt.ids


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (Record(messages=(ASKED, ANSWER), tools=TOOLS), "the declaration of tools"),
        (Record(messages=(ASKED, Message("assistant", "", tool_calls=CALL))), "tool calls"),
        (Record(messages=(ASKED, ANSWER, RESULT, ANSWER)), "the results of tools"),
        (Record(messages=(ASKED, Message("assistant", "x", reasoning="y"))), "reasoning"),
    ],
)
def test_what_the_template_has_no_place_for_is_refused_in_words(tmp_path: Path, record: Record, words: str) -> None:
    silent = (
        "{% for m in messages %}<|start|>{{ m['role'] }}\n{% if m['role'] != 'tool' %}{{ m['content'] }}{% endif %}"
        "<|end|>\n{% endfor %}"
    )
    for tokenizer in (
        load("starter"),
        tokens.load_tokenizer(edit_tokenizer(tiny_tokenizer(tmp_path), chat_template=silent)),
    ):
        with pytest.raises(StudioError) as caught:
            tokens.encode(record, tokenizer, Rules())
        assert caught.value.problem.code == "model.no_place"
        assert caught.value.problem.what == f"This model's chat template has no place for {words}."


def test_a_template_that_changes_a_result_when_a_call_goes_is_refused_not_masked_wrongly(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}"
        "{% if m['tool_calls'] %}{{ m['tool_calls'][0]['function']['name'] }}{% endif %}"
        "{% if m['role'] == 'tool' and messages[1]['tool_calls'] %}!{% endif %}<|end|>\n{% endfor %}"
    )
    tokenizer = tokens.load_tokenizer(edit_tokenizer(tiny_tokenizer(tmp_path), chat_template=template))
    record = Record(messages=(ASKED, Message("assistant", "", tool_calls=CALL), RESULT, ANSWER))
    with pytest.raises(StudioError) as caught:
        tokens.encode(record, tokenizer, Rules())
    assert caught.value.problem.code == "model.template_untraceable"


def test_cutting_the_question_keeps_the_tools() -> None:
    tokenizer, record = load("qwen3"), record_of("two calls")
    whole = tokens.encode(record, tokenizer, Rules())
    most = len(whole.ids) - 40
    encoded = tokens.encode(record, tokenizer, Rules(max_tokens=most, too_long="cut_question"))
    assert encoded.fate == "cut"
    assert len(encoded.ids) <= most
    text = tokenizer.decode(encoded.ids)
    assert "<tools>" in text
    assert "Be brief." in text
    assert learned(encoded, tokenizer) == ["Gladly.<|im_end|>"]


SAID = TEXTS.filter(lambda text: text.strip() != "" and "think>" not in text)


@settings(max_examples=40, deadline=None)
@example(said=["a", "b", "c", "d", "e"], value="\ufb2a")
@given(said=st.lists(SAID, min_size=5, max_size=5), value=SAID)
def test_whatever_is_said_results_and_questions_are_never_learned(said: list[str], value: str) -> None:
    tokenizer = load("qwen3")
    call = json.dumps([{"id": "1", "name": "f", "arguments": {"a": value}}])
    record = Record(
        messages=(
            Message("user", f"Q{said[0]}"),
            Message("assistant", said[1], tool_calls=call),
            Message("tool", f"R{said[2]}", name="f", call_id="1"),
            Message("assistant", said[3]),
        ),
        tools=TOOLS,
    )
    parts = learned(tokens.encode(record, tokenizer, Rules(max_tokens=100_000)), tokenizer)
    assert len(parts) == 2
    # Qwen's tokenizer composes letters (NFC) before it reads them.
    parts = [unicodedata.normalize("NFC", part) for part in parts]
    assert unicodedata.normalize("NFC", json.dumps({"a": value}, ensure_ascii=False)) in parts[0]
    assert "</tool_response>" not in "".join(parts)
    assert unicodedata.normalize("NFC", said[3].strip()) in parts[1]


# --- texts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["qwen3", "mistral-v3", "minimind", "starter"])
def test_a_text_is_learned_whole_from_its_begin_token_to_its_end_token(name: str) -> None:
    tokenizer = load(name)
    text = "Once upon a time <|im_end|></s> there was é 😀."
    encoded = tokens.encode(Record(text=text), tokenizer, Rules())
    assert encoded.labels == encoded.ids
    assert encoded.fate == "kept"
    control = [i for i in encoded.ids if i in tokenizer.control_ids]
    begin = [tokenizer.bos_token_id] if name == "mistral-v3" else []
    assert control == [*begin, tokenizer.eos_token_id]
    assert encoded.ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(encoded.ids[len(begin) : -1]) == text


def test_a_long_text_is_learned_in_stretches_and_nothing_is_lost() -> None:
    tokenizer = load("qwen3")
    encoded = tokens.encode(Record(text="word " * 1000), tokenizer, Rules(max_tokens=300))
    assert (encoded.fate, encoded.cut_tokens) == ("kept", 0)
    parts = list(tokens.windows(encoded, 300))
    lengths = [len(ids) for ids, _ in parts]
    assert max(lengths) <= 300
    assert max(lengths) - min(lengths) <= 1
    assert [i for ids, _ in parts for i in ids] == list(encoded.ids)
    short = tokens.encode(talk([("user", "a"), ("assistant", "b")]), tokenizer, Rules())
    assert list(tokens.windows(short, 300)) == [(short.ids, short.labels)]


# --- compared answers -------------------------------------------------------------------------------------


def test_the_better_of_two_answers_is_learned_and_the_worse_can_be_shown() -> None:
    tokenizer: Any = load("qwen3")
    record = Record(messages=(ASKED, ANSWER), rejected=(Message("assistant", "No idea."),), shared=1)
    assert learned(tokens.encode(record, tokenizer, Rules()), tokenizer) == ["It is 12.<|im_end|>"]
    worse = tokens.encode(tokens.worse_of(record), tokenizer, Rules())
    assert learned(worse, tokenizer) == ["No idea.<|im_end|>"]
