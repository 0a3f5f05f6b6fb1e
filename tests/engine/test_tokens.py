"""The one encoder: ids of the whole text, labels exactly on what the model is to write."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.contract.records import Message
from studio.contract.run_folder import starter_folder
from studio.contract.settings import TrainSettings
from studio.engine import tokens
from studio.engine.tokens import NOTHING, Rules
from tests.helpers.conversations import edit_tokenizer, learned, talk
from tests.helpers.shared_data import shared_data
from tests.helpers.tiny_models import tiny_tokenizer

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "tokens"
NAMES = ("qwen3", "mistral-v3", "minimind", "starter")
MARKERS = "Write <|im_end|> and </s>[INST] then <|im_start|>assistant\nstop<|end|><|im_end|>"

CONVERSATIONS: dict[str, list[tuple[str, str]]] = {
    "one turn": [("user", "Hello, who are you?"), ("assistant", "I am Anna.")],
    "many turns": [
        ("user", "What is 2 + 2?"),
        ("assistant", "It is 4."),
        ("user", "And 3 + 3?"),
        ("assistant", "That is 6,  I think."),
    ],
    "system prompt": [
        ("system", "Answer briefly."),
        ("user", "Name a colour."),
        ("assistant", "Blue."),
        ("user", "Another?"),
        ("assistant", "Red."),
    ],
    "reply with markers": [
        ("user", f"Repeat: {MARKERS}"),
        ("assistant", MARKERS),
        ("user", "Thanks."),
        ("assistant", "Gladly."),
    ],
    "other scripts": [("user", "Écris é 😀 日本"), ("assistant", "Voilà: é 😀 日本語.")],
}
ENDS = {"qwen3": "<|im_end|>", "mistral-v3": "</s>", "minimind": "<|im_end|>"}

_loaded: dict[str, Any] = {}


def load(name: str) -> Any:
    if name not in _loaded:
        if name == "starter":
            folder = starter_folder()
            if not (folder / "tokenizer.json").is_file():
                pytest.skip("the starter model is not built yet")
        else:
            folder = shared_data(f"tokenizers/{name}")
        _loaded[name] = tokens.load_tokenizer(folder)
    return _loaded[name]


@pytest.mark.parametrize("case", CONVERSATIONS)
@pytest.mark.parametrize("name", NAMES)
def test_ids_and_labels_are_the_golden_ones(name: str, case: str) -> None:
    tokenizer = load(name)
    encoded = tokens.encode(talk(CONVERSATIONS[case]), tokenizer, Rules())
    path = SAMPLES / f"{name}.json"
    golden = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if os.environ.get("WRITE_SAMPLES"):
        golden[case] = {"ids": encoded.ids, "learned": [i for i, x in enumerate(encoded.labels) if x != NOTHING]}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(golden, indent=None, sort_keys=True) + "\n", encoding="utf-8")
    assert case in golden, "write it with WRITE_SAMPLES=1, then read what was written"
    assert list(encoded.ids) == list(golden[case]["ids"])
    assert [i for i, label in enumerate(encoded.labels) if label != NOTHING] == golden[case]["learned"]


@pytest.mark.parametrize("case", CONVERSATIONS)
@pytest.mark.parametrize("name", NAMES)
def test_learned_text_is_exactly_the_answers_with_their_end_token(name: str, case: str) -> None:
    tokenizer = load(name)
    encoded = tokens.encode(talk(CONVERSATIONS[case]), tokenizer, Rules())
    end = tokenizer.decode([tokenizer.end_ids[0]])
    assert end == ENDS.get(name, end)
    answers = [content for role, content in CONVERSATIONS[case] if role == "assistant"]
    assert [text.lstrip() for text in learned(encoded, tokenizer)] == [f"{answer}{end}" for answer in answers]
    assert encoded.fate == "kept"


@pytest.mark.parametrize("case", [c for c in CONVERSATIONS if c != "reply with markers"])
@pytest.mark.parametrize("name", NAMES)
def test_ids_are_those_that_transformers_makes_of_the_template(name: str, case: str) -> None:
    tokenizer = load(name)
    messages = [{"role": role, "content": content} for role, content in CONVERSATIONS[case]]
    theirs = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, enable_thinking=False)
    assert list(tokens.encode(talk(CONVERSATIONS[case]), tokenizer, Rules()).ids) == list(theirs["input_ids"])


@pytest.mark.parametrize("name", NAMES)
def test_a_begin_of_text_token_appears_at_most_once(name: str) -> None:
    tokenizer = load(name)
    begin = tokenizer.bos_token_id
    if begin is None or name == "minimind":
        pytest.skip(f"{name} has no begin-of-text token of its own")
    text = f"{tokenizer.bos_token} again {tokenizer.bos_token}"
    for reply in (False, True):
        pairs = [("user", text)] if reply else [("user", text), ("assistant", text)]
        assert tokens.encode(talk(pairs), tokenizer, Rules(), reply=reply).ids.count(begin) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_control_tokens_in_messages_are_read_as_text(name: str) -> None:
    tokenizer = load(name)
    harmless = tokens.encode(talk([("user", "a b"), ("assistant", "c d")]), tokenizer, Rules())
    mark = tokenizer.decode([tokenizer.end_ids[0]])
    typed = tokens.encode(talk([("user", f"a {mark} b"), ("assistant", f"c {mark} d")]), tokenizer, Rules())
    control = [i for i in harmless.ids if i in tokenizer.control_ids]
    assert [i for i in typed.ids if i in tokenizer.control_ids] == control
    assert f"c {mark} d" in tokenizer.decode(typed.ids)
    asked = tokens.encode(talk([("user", f"a {mark} b")]), tokenizer, Rules(), reply=True)
    plain = tokens.encode(talk([("user", "a b")]), tokenizer, Rules(), reply=True)
    assert sum(i in tokenizer.control_ids for i in asked.ids) == sum(i in tokenizer.control_ids for i in plain.ids)


@pytest.mark.parametrize("name", NAMES)
def test_a_reply_begins_with_what_precedes_the_answer_in_training(name: str) -> None:
    tokenizer = load(name)
    pairs = CONVERSATIONS["system prompt"]
    whole = tokens.encode(talk(pairs), tokenizer, Rules(learned_turns="last"))
    prompt = tokens.encode(talk(pairs[:-1]), tokenizer, Rules(), reply=True)
    first = next(i for i, label in enumerate(whole.labels) if label != NOTHING)
    assert whole.ids[:first] == prompt.ids
    assert set(prompt.labels) == {NOTHING}


@pytest.mark.parametrize("name", NAMES)
def test_pad_is_never_an_end_token(name: str) -> None:
    tokenizer = load(name)
    assert tokenizer.pad_token_id is not None
    assert tokenizer.pad_token_id not in tokenizer.end_ids


def test_a_missing_pad_token_is_chosen_and_told() -> None:
    notices = load("mistral-v3").notices
    assert [problem.code for problem in notices] == ["model.pad_chosen"]
    assert "fills gaps" in notices[0].what


def test_a_pad_token_that_ends_answers_is_replaced(tmp_path: Path) -> None:
    folder = edit_tokenizer(tiny_tokenizer(tmp_path), pad_token="<|end|>")
    tokenizer = tokens.load_tokenizer(folder)
    assert tokenizer.pad_token == "<|pad|>"
    assert [problem.code for problem in tokenizer.notices] == ["model.pad_chosen"]


@pytest.mark.parametrize("name", NAMES)
def test_only_the_last_answer_is_learned_on_request(name: str) -> None:
    tokenizer = load(name)
    encoded = tokens.encode(talk(CONVERSATIONS["many turns"]), tokenizer, Rules(learned_turns="last"))
    assert len(learned(encoded, tokenizer)) == 1
    assert learned(encoded, tokenizer)[0].lstrip().startswith("That is 6,  I think.")


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_learned_on_request(name: str) -> None:
    encoded = tokens.encode(talk(CONVERSATIONS["many turns"]), load(name), Rules(learn_answers_only=False))
    assert encoded.labels == encoded.ids


def test_qwen3_reasoning_is_learned_in_the_last_turn_and_dropped_in_earlier_ones() -> None:
    tokenizer = load("qwen3")
    pairs = [
        ("user", "a"),
        ("assistant", "<think>\nfirst thought\n</think>\n\nB."),
        ("user", "c"),
        ("assistant", "<think>\nsecond thought\n</think>\n\nD."),
    ]
    encoded = tokens.encode(talk(pairs), tokenizer, Rules())
    assert "first thought" not in tokenizer.decode(encoded.ids)
    assert learned(encoded, tokenizer) == ["B.<|im_end|>", "<think>\nsecond thought\n</think>\n\nD.<|im_end|>"]


def test_a_conversation_that_ends_with_the_user_or_has_no_answer_teaches_only_what_it_has() -> None:
    tokenizer = load("qwen3")
    encoded = tokens.encode(talk([("user", "a"), ("assistant", "b"), ("user", "c")]), tokenizer, Rules())
    assert learned(encoded, tokenizer) == ["b<|im_end|>"]
    assert tokens.encode(talk([("user", "a")]), tokenizer, Rules()).fate == "nothing_to_learn"


# --- too long ---------------------------------------------------------------------------------------------------

LONG = [("user", "zero one two three four five six seven eight nine " * 6), ("assistant", "The answer is 7.")]


def test_too_long_rows_are_left_out_whole(tmp_path: Path) -> None:
    tokenizer = tokens.load_tokenizer(tiny_tokenizer(tmp_path))
    encoded = tokens.encode(talk(LONG), tokenizer, Rules(max_tokens=40))
    assert encoded.fate == "left_out"
    assert len(encoded.ids) > 40
    assert encoded.cut_tokens == 0


def test_cutting_the_question_keeps_system_prompt_answer_and_end(tmp_path: Path) -> None:
    tokenizer = tokens.load_tokenizer(tiny_tokenizer(tmp_path))
    pairs = [("system", "Be brief."), *LONG]
    whole = tokens.encode(talk(pairs), tokenizer, Rules(max_tokens=10_000))
    encoded = tokens.encode(talk(pairs), tokenizer, Rules(max_tokens=90, too_long="cut_question"))
    assert encoded.fate == "cut"
    assert len(encoded.ids) == 90
    assert encoded.cut_tokens == len(whole.ids) - 90
    assert encoded.cut_answer_tokens == 0
    text = tokenizer.decode(encoded.ids)
    assert text.startswith("<|bos|><|start|>system\nBe brief.<|end|>\n<|start|>user\n")
    assert text.endswith("nine <|end|>\n<|start|>assistant\nThe answer is 7.<|end|>\n")
    assert learned(encoded, tokenizer) == ["The answer is 7.<|end|>"]


def test_cutting_the_question_drops_whole_exchanges_first(tmp_path: Path) -> None:
    tokenizer = tokens.load_tokenizer(tiny_tokenizer(tmp_path))
    pairs = [*LONG, ("user", "And now?"), ("assistant", "8.")]
    encoded = tokens.encode(talk(pairs), tokenizer, Rules(max_tokens=40, too_long="cut_question"))
    assert tokenizer.decode(encoded.ids) == ("<|bos|><|start|>user\nAnd now?<|end|>\n<|start|>assistant\n8.<|end|>\n")
    assert encoded.fate == "cut"
    assert encoded.cut_answer_tokens == len(tokenizer.encode("The answer is 7.<|end|>", add_special_tokens=False))


def test_cutting_the_question_never_cuts_an_answer(tmp_path: Path) -> None:
    tokenizer = tokens.load_tokenizer(tiny_tokenizer(tmp_path))
    pairs = [("user", "Count."), ("assistant", LONG[0][1])]
    assert tokens.encode(talk(pairs), tokenizer, Rules(max_tokens=40, too_long="cut_question")).fate == "left_out"


def test_cutting_the_end_counts_what_is_lost_of_the_answer(tmp_path: Path) -> None:
    tokenizer = tokens.load_tokenizer(tiny_tokenizer(tmp_path))
    pairs = [("user", "Count."), ("assistant", LONG[0][1])]
    whole = tokens.encode(talk(pairs), tokenizer, Rules(max_tokens=10_000))
    encoded = tokens.encode(talk(pairs), tokenizer, Rules(max_tokens=40, too_long="cut_end"))
    assert encoded.ids == whole.ids[:40]
    assert encoded.fate == "cut"
    lost = sum(x != NOTHING for x in whole.labels) - sum(x != NOTHING for x in encoded.labels)
    assert encoded.cut_answer_tokens == lost > 0
    assert tokens.encode(talk(LONG), tokenizer, Rules(max_tokens=20, too_long="cut_end")).fate == "nothing_to_learn"


def test_rules_follow_the_settings() -> None:
    chosen = TrainSettings(learn_answers_only=False, learned_turns="last", max_tokens=77, too_long="cut_end")
    assert Rules.of(chosen) == Rules(learn_answers_only=False, learned_turns="last", max_tokens=77, too_long="cut_end")


# --- any text ---------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=30) | st.sampled_from(
    [MARKERS, "<|im_end|>", "<|im_start|>user\n", "</s>", "[/INST] ", "<think>\n", "</think>", "\n\n", " x ", "﻿é"]
)


@pytest.mark.parametrize("name", ["qwen3", "mistral-v3", "minimind"])
@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(TEXTS, TEXTS.filter(lambda t: t.strip() != "")), min_size=1, max_size=3))
def test_whatever_is_said_labels_never_reach_beyond_the_answers(name: str, pairs: list[tuple[str, str]]) -> None:
    tokenizer = load(name)
    messages = [m for q, a in pairs for m in (Message("user", f"Q{q}"), Message("assistant", a))]
    encoded = tokens.encode(messages, tokenizer, Rules(max_tokens=100_000))
    stretches = learned(encoded, tokenizer)
    assert len(stretches) == len(pairs)
    control = sum(i in tokenizer.control_ids for i in encoded.ids)
    harmless = tokens.encode([Message(m.role, "x") for m in messages], tokenizer, Rules(max_tokens=100_000))
    assert control == sum(i in tokenizer.control_ids for i in harmless.ids)
    assert all(text.endswith(ENDS[name]) for text in stretches)
    assert "".join(tokens.pieces(encoded.ids, tokenizer)) == tokenizer.decode(encoded.ids)


@pytest.mark.parametrize("name", NAMES)
def test_pieces_joined_are_the_text_and_a_split_character_stands_at_its_last_token(name: str) -> None:
    tokenizer = load(name)
    encoded = tokens.encode(
        talk([("user", "😀😀 日本 ﷽"), ("assistant", "🧑‍🚀 é\u0301 \ufffd end")]), tokenizer, Rules()
    )
    parts = tokens.pieces(encoded.ids, tokenizer)
    assert len(parts) == len(encoded.ids)
    assert "".join(parts) == tokenizer.decode(encoded.ids, clean_up_tokenization_spaces=False)


def test_pieces_of_broken_bytes_are_shown_all_the_same(tmp_path: Path) -> None:
    tokenizer = tokens.load_tokenizer(tiny_tokenizer(tmp_path))
    ids = tokenizer.encode("😀", add_special_tokens=False)
    assert tokens.pieces(ids[:2], tokenizer)[-1] == tokenizer.decode(ids[:2])
    assert tokens.pieces([], tokenizer) == []


def test_nothing_is_longer_than_the_model_can_read_whatever_the_setting_says() -> None:
    """A held-back question beyond the context once ended a run in its middle."""
    tokenizer = tokens.load_tokenizer(starter_folder())
    assert tokenizer.context == 512
    talk = [Message("user", "Which tool? " * 300), Message("assistant", "The saw.")]
    assert tokens.encode(talk, tokenizer, Rules(max_tokens=4096)).fate == "left_out"
    assert len(tokens.encode(talk, tokenizer, Rules(max_tokens=4096, too_long="cut_end")).ids) == 512
    assert len(tokens.encode(talk, tokenizer, Rules(max_tokens=4096, too_long="cut_question")).ids) == 512
    assert not tokens.has_room(talk[:1], tokenizer)
    assert tokens.has_room([Message("user", "Which tool?")], tokenizer)
