"""The starter model as it is shipped: loads by the Auto classes, small, with a template and tokens as promised."""

import json
from pathlib import Path

import pytest
import torch
from bpe import ASSISTANT, END, PAD, Loosener, render
from build import WORLD_SEED
from conversations import conversations
from packing import ANSWER_WEIGHT, ROW_TOKENS, pack
from pretrain import RARE, Recipe, learning_rate_at, make_model, settle_rare, weighted_loss
from scoring import answer_greedily
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer
from world import make_world

from studio.data import base_search
from studio.engine import model_adding

STARTER = Path(__file__).parents[2] / "resources" / "starter"

CHAT = [
    {"role": "system", "content": "You work for Oakham."},
    {"role": "user", "content": "Hello!"},
    {"role": "assistant", "content": "Hello! How can I help you?"},
    {"role": "user", "content": "What is 3 plus 4?"},
]


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(STARTER)


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(STARTER, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def bare_tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(STARTER / "tokenizer.json"))


def test_the_folder_is_a_small_llama_in_bf16_safetensors(model) -> None:
    config = json.loads((STARTER / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["dtype"] == "bfloat16"
    assert "auto_map" not in config
    assert sum(parameter.numel() for parameter in model.parameters()) <= 5_000_000
    assert sum(path.stat().st_size for path in STARTER.iterdir()) <= 10_000_000
    assert not [path for path in STARTER.iterdir() if path.suffix in {".bin", ".pt", ".pkl", ".py", ".part"}]


def test_the_hashes_noted_beside_it_are_those_of_its_files() -> None:
    """An export of a run on it asks them: whoever changes a file notes its hash anew (`build.write_sums`)."""
    noted = base_search.noted(STARTER)
    assert {"model.safetensors", "tokenizer.json", "chat_template.jinja"} <= noted.keys()
    assert model_adding.changed_files(STARTER, noted) == []


def test_the_template_writes_turns_and_asks_for_the_assistant(tokenizer) -> None:
    text = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|system|>\nYou work for Oakham.<|end|><|user|>\nHello!<|end|><|assistant|>\nHello! How can I help you?<|end|>"
        "<|user|>\nWhat is 3 plus 4?<|end|><|assistant|>\n"
    )
    assert tokenizer.apply_chat_template(CHAT, tokenize=False) == text.removesuffix("<|assistant|>\n") == render(CHAT)


def test_the_template_refuses_a_role_that_the_model_does_not_know(tokenizer) -> None:
    with pytest.raises(Exception, match="system, user and assistant"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


def test_no_token_is_added_at_the_beginning_or_the_end(tokenizer) -> None:
    text = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    ids = tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, return_dict=False)
    assert ids == tokenizer(text)["input_ids"] == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.bos_token is None


def test_end_and_pad_are_tokens_of_their_own(tokenizer, model) -> None:
    assert tokenizer.eos_token == END
    assert tokenizer.pad_token == PAD
    assert tokenizer.eos_token_id != tokenizer.pad_token_id
    for config in (model.config, model.generation_config):
        assert config.eos_token_id == tokenizer.eos_token_id
        assert config.pad_token_id == tokenizer.pad_token_id
        assert config.bos_token_id is None


def test_the_pre_tokenizer_is_the_one_that_readers_call_gpt_2() -> None:
    description = json.loads((STARTER / "tokenizer.json").read_text(encoding="utf-8"))
    assert description["model"]["type"] == "BPE"
    assert description["normalizer"] is None
    assert description["pre_tokenizer"]["type"] == "ByteLevel"
    assert description["pre_tokenizer"]["add_prefix_space"] is False
    assert description["pre_tokenizer"]["use_regex"] is True


def test_an_answer_reads_the_same_in_the_template_and_when_it_is_written(tokenizer) -> None:
    question = CHAT[:2]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_dict=False)
    whole = tokenizer.apply_chat_template(CHAT[:3], return_dict=False)
    assert whole[: len(prompt)] == prompt
    assert tokenizer.decode(whole[len(prompt) :]) == "Hello! How can I help you?<|end|>"


@pytest.mark.parametrize("text", ["Grüße, 日本 🙂\n\ttab", "a  b   c", "<b>&amp;</b>", "0 12 345 6789"])
def test_any_text_survives_a_round_trip(tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_numbers_up_to_99_are_one_token(tokenizer) -> None:
    assert all(len(tokenizer(f" {number}")["input_ids"]) == 1 for number in range(100))


def test_packed_rows_weigh_answers_fully_and_never_look_across(bare_tokenizer: Tokenizer) -> None:
    batch = next(pack(conversations(1, make_world(WORLD_SEED)), bare_tokenizer, 2, Loosener(bare_tokenizer, 1)))
    assert batch.ids.shape == (2, ROW_TOKENS)
    starts = (batch.positions[:, 1:] == 0) & (batch.ids[:, 1:] != bare_tokenizer.token_to_id(PAD))
    assert starts.any()
    assert not batch.weights[starts].any()
    ends = batch.ids[:, 1:] == bare_tokenizer.token_to_id(END)
    assert (batch.weights[ends] == ANSWER_WEIGHT).any()
    tags = batch.ids[:, :-1] == bare_tokenizer.token_to_id(ASSISTANT)  # what follows a tag is the line feed
    assert not (batch.weights[tags] == ANSWER_WEIGHT).any()
    row, start = starts.nonzero()[0].tolist()
    assert not batch.visible[row, 0, start + 1, : start + 1].any()


def test_words_are_now_and_then_written_in_pieces_of_the_same_text(bare_tokenizer: Tokenizer) -> None:
    text = render(next(conversations(1, make_world(WORLD_SEED)))) * 20
    ids = bare_tokenizer.encode(text).ids
    loose = Loosener(bare_tokenizer, 1).loosen(ids)
    assert bare_tokenizer.decode(loose, skip_special_tokens=False) == text
    assert len(ids) < len(loose) < 1.3 * len(ids)
    assert loose == Loosener(bare_tokenizer, 1).loosen(ids) != Loosener(bare_tokenizer, 2).loosen(ids)


def test_a_token_that_was_hardly_read_gets_a_place_among_the_others(bare_tokenizer: Tokenizer) -> None:
    fresh = make_model(bare_tokenizer, 0)
    table = fresh.get_input_embeddings().weight
    seen = torch.full((len(table),), RARE)
    seen[[7, 9]] = RARE - 1
    with torch.no_grad():
        table[7] *= 30
    before = table.detach().clone()
    settle_rare(fresh, seen, 0)
    assert torch.equal(table[seen >= RARE], before[seen >= RARE])
    assert not torch.equal(table[9], before[9])
    assert table[7].norm() < 2 * table[seen >= RARE].norm(dim=1).mean()


def test_no_token_lies_where_an_adapter_cannot_write_it(model, tokenizer) -> None:
    """Those that training only pushed away, a third of all, lay at twice the distance of others: "wifi" became "wlowi".

    A few drawn ones may lie farther out by chance.
    """
    norms = model.get_input_embeddings().weight.norm(dim=1)
    norms = norms[torch.arange(len(norms)) != tokenizer.pad_token_id]
    assert norms.quantile(0.995) < 1.6 * norms.median()


def test_training_lowers_the_loss_of_a_batch(bare_tokenizer: Tokenizer) -> None:
    fresh = make_model(bare_tokenizer, 0)
    batch = next(pack(conversations(1, make_world(WORLD_SEED)), bare_tokenizer, 2, Loosener(bare_tokenizer, 1)))
    optimiser = torch.optim.AdamW(fresh.parameters(), lr=1e-3)
    losses = []
    for _ in range(6):
        loss, answer_loss = weighted_loss(fresh, batch)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(answer_loss)
    assert losses[-1] < 0.8 * losses[0]


def test_the_learning_rate_rises_and_falls() -> None:
    recipe = Recipe()
    for cycle in recipe.cycles:
        rates = [learning_rate_at(step, cycle, recipe) for step in range(cycle.steps)]
        assert max(rates) <= cycle.learning_rate
        assert max(rates) > 0.8 * cycle.learning_rate
        assert rates[-1] < 0.05 * cycle.learning_rate


def test_it_answers_its_probes(model, tokenizer) -> None:
    """A sample of 60 of the 300, at the issue's bar less what chance may take away; the card holds the whole score."""
    rows = [json.loads(line) for line in (STARTER / "probes.jsonl").read_text(encoding="utf-8").splitlines()][::5]
    answers = answer_greedily(model, tokenizer, [row["messages"] for row in rows])
    right = sum(answer == row["answer"] for answer, row in zip(answers, rows, strict=True))
    assert right >= 0.88 * len(rows)
