"""Answers: streamed and batched ones are equal, sampling follows its settings and its seed."""

from pathlib import Path
from typing import Any

import pytest
import torch

from studio.contract.errors import StudioError
from studio.contract.records import Message
from studio.contract.sampling import Sampling
from studio.contract.settings import TrainSettings
from studio.engine import base_model, generate, tokens
from studio.engine.generate import Sampler
from tests.helpers.tiny_models import ARCHITECTURES, tiny_model

Chat = tuple[Any, Any]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Chat:
    return load(tiny_model(tmp_path_factory.mktemp("model") / "llama"))


def load(folder: Path) -> Chat:
    placement = base_model.resolve(TrainSettings(device="cpu"))
    return base_model.load(folder, placement), tokens.load_tokenizer(folder)


def ask(text: str) -> list[Message]:
    return [Message("user", text)]


def read(stream: generate.Stream) -> str:
    text = "".join(stream)
    assert text == stream.text
    return text


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_greedy_streams_equal_batched_answers(tmp_path: Path, architecture: str) -> None:
    model, tokenizer = load(tiny_model(tmp_path / architecture, architecture))
    questions = [ask("hello there " * n) for n in (1, 5, 2, 9, 3)]
    together = generate.answers(model, tokenizer, questions, max_new_tokens=12, batch_size=3)
    wish = Sampling(max_new_tokens=12)
    alone = [read(generate.stream(model, tokenizer, question, wish)) for question in questions]
    assert together == alone
    # Gemma's tied, scaled embedding makes a random model repeat its last token.
    assert len(set(together)) > 1 or architecture.startswith("gemma")


def test_an_answer_ends_at_its_end_token_and_the_rest_of_the_batch_goes_on(chat: Chat) -> None:
    model, tokenizer = chat
    questions = [ask(f"question {n} " * n) for n in range(1, 9)]
    full = [generate.stream(model, tokenizer, q, Sampling(max_new_tokens=30)) for q in questions]
    drawn = [list(stream._draw()) for stream in full]
    # The token that stands early in some answer becomes an end token: answers then end at different times.
    end = drawn[0][5]
    tokenizer_ends = tokenizer.end_ids
    tokenizer.end_ids = (*tokenizer_ends, end)
    try:
        streams = [generate.stream(model, tokenizer, q, Sampling(max_new_tokens=30)) for q in questions]
        alone = [read(stream) for stream in streams]
        together = generate.answers(model, tokenizer, questions, max_new_tokens=30)
    finally:
        tokenizer.end_ids = tokenizer_ends
    assert together == alone
    assert streams[0].ended == "end_token"
    assert streams[0].tokens == drawn[0].index(end) + 1
    assert len({stream.tokens for stream in streams}) > 1


def test_the_end_tokens_of_generation_config_count(chat: Chat) -> None:
    model, tokenizer = chat
    before = model.generation_config.eos_token_id
    model.generation_config.eos_token_id = [3, 77]
    try:
        assert generate.end_ids(model, tokenizer) == {3, 77}
    finally:
        model.generation_config.eos_token_id = before


def test_a_reply_can_be_stopped_and_keeps_what_was_said(chat: Chat) -> None:
    model, tokenizer = chat
    asked = []

    def should_stop() -> bool:
        asked.append(True)
        return len(asked) > 4

    stream = generate.stream(model, tokenizer, ask("hello"), Sampling(max_new_tokens=50), should_stop)
    text = read(stream)
    assert stream.ended == "stopped"
    assert stream.tokens == 4
    whole = read(generate.stream(model, tokenizer, ask("hello"), Sampling(max_new_tokens=4)))
    assert text == whole


def test_the_limit_is_told(chat: Chat) -> None:
    stream = generate.stream(*chat, ask("hello"), Sampling(max_new_tokens=3))
    read(stream)
    assert (stream.ended, stream.tokens) == ("length", 3)


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(chat: Chat) -> None:
    def say(seed: int) -> str:
        wish = Sampling(temperature=1.0, top_p=0.95, top_k=200, seed=seed, max_new_tokens=24)
        return read(generate.stream(*chat, ask("hello"), wish))

    assert say(1) == say(1)
    assert len({say(seed) for seed in range(4)}) > 1


def test_a_question_longer_than_the_context_is_refused_in_words(chat: Chat) -> None:
    for answer in (
        lambda: generate.stream(*chat, ask("hello " * 600), Sampling()),
        lambda: generate.answers(*chat, [ask("hello " * 600)], 5),
    ):
        with pytest.raises(StudioError) as caught:
            answer()
        assert caught.value.problem.code == "chat.too_long"
        assert "512" in caught.value.problem.what


def test_an_answer_ends_where_the_context_is_full(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = chat
    monkeypatch.setattr(generate, "end_ids", lambda *_: frozenset())
    text = "a " * 230
    length = len(tokens.encode(ask(text), tokenizer, tokens.Rules(), reply=True).ids)
    stream = generate.stream(model, tokenizer, ask(text), Sampling(max_new_tokens=1000))
    read(stream)
    assert stream.ended == "length"
    assert stream.tokens == 512 - length


def test_without_a_question_there_is_no_answer(chat: Chat) -> None:
    with pytest.raises(StudioError) as caught:
        generate.stream(*chat, [Message("user", "a"), Message("assistant", "b")], Sampling())
    assert caught.value.problem.code == "chat.nothing_asked"


def test_a_model_in_training_answers_and_goes_on_training(chat: Chat) -> None:
    model, tokenizer = chat
    model.train()
    try:
        assert generate.answers(model, tokenizer, [ask("hello")], 4) == [
            read(generate.stream(model, tokenizer, ask("hello"), Sampling(max_new_tokens=4)))
        ]
        assert model.training
    finally:
        model.eval()


def test_no_questions_no_answers(chat: Chat) -> None:
    assert generate.answers(*chat, [], 5) == []


# --- sampling -----------------------------------------------------------------------------------------------

SCORES = torch.tensor([4.0, 3.0, 2.0, 1.0, 9.0])


def drawn(wish: Sampling, vocabulary: int = 4, seen: tuple[int, ...] = ()) -> set[int]:
    sampler = Sampler(wish, vocabulary)
    return {sampler.choose(SCORES, seen) for _ in range(400)}


def test_greedy_takes_the_likeliest_token_that_the_tokenizer_knows() -> None:
    assert drawn(Sampling()) == {0}
    assert drawn(Sampling(), vocabulary=5) == {4}


def test_temperature_top_k_and_top_p_bound_what_is_drawn() -> None:
    assert drawn(Sampling(temperature=3.0)) == {0, 1, 2, 3}
    assert drawn(Sampling(temperature=3.0, top_k=2)) == {0, 1}
    assert drawn(Sampling(temperature=1.0, top_p=0.5)) == {0}  # its chance alone is 0.64
    assert drawn(Sampling(temperature=1.0, top_p=0.7)) == {0, 1}


def test_the_repetition_penalty_lowers_what_was_seen_whatever_its_sign() -> None:
    assert Sampler(Sampling(repetition_penalty=2.0), 4).choose(SCORES, (0, 0)) == 1
    negative = torch.tensor([-1.0, -1.5, -9.0])
    assert Sampler(Sampling(repetition_penalty=2.0), 3).choose(negative, (0,)) == 1
    assert SCORES.tolist() == [4.0, 3.0, 2.0, 1.0, 9.0]
