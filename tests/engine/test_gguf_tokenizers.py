"""Tokenizers in GGUF files: ways of cutting text, scores and marks."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from studio.contract.errors import StudioError
from studio.engine import gguf_tokenizer
from studio.engine.exports import gguf as gguf_export
from studio.engine.tokens import load_tokenizer
from tests.engine.exported_run import learned_run
from tests.engine.test_gguf import QWEN, SENTENCES, keys
from tests.helpers.tiny_models import tiny_model
from tests.helpers.tiny_tokenizers import sentencepiece


@pytest.mark.parametrize(("architecture", "prefix"), [("phi3", True), ("llama", True), ("gemma2", False)])
def test_sentencepiece_tokenizers_are_read_back_as_they_cut(architecture: str, prefix: bool, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", architecture, sentencepiece(tmp_path / "tokenizer", prefix))
    exported = gguf_export.write(learned_run(tmp_path, model).path, tmp_path / "out")
    assert exported.parity is not None
    assert exported.parity.holds, exported.parity
    told = keys(Path(exported.path))
    assert told["tokenizer.ggml.model"] == "llama"
    assert told["tokenizer.ggml.add_space_prefix"] is prefix
    assert told["tokenizer.ggml.token_type"][:6] == [3, 3, 3, 3, 2, 6]
    ours = load_tokenizer(model)
    scores, tokens = told["tokenizer.ggml.scores"], told["tokenizer.ggml.tokens"]
    for text in SENTENCES:
        normal = ours.backend_tokenizer.normalizer.normalize_str(text)
        assert joined_by_score(normal, tokens, scores) == ours(text).input_ids


@pytest.mark.parametrize(("scheme", "told"), [("first", False), ("always", True), ("never", False)])
def test_a_space_before_a_text_is_told_only_where_it_also_stands_behind_marks(
    scheme: str, told: bool, tmp_path: Path
) -> None:
    model = tiny_model(tmp_path / "model", "mistral", sentencepiece(tmp_path / "tokenizer", True, scheme))
    exported = gguf_export.write(learned_run(tmp_path, model).path, tmp_path / "out")
    assert exported.parity is not None
    assert exported.parity.holds, exported.parity
    assert keys(Path(exported.path))["tokenizer.ggml.add_space_prefix"] is told


def joined_by_score(text: str, tokens: list[str], scores: list[float]) -> list[int]:
    """SentencePiece's rule, as its paper tells it: of all neighbours, join the pair whose piece has the best score."""
    places = {token: place for place, token in enumerate(tokens)}
    parts = list(text)
    while True:
        pairs = [(-scores[places[a + b]], i) for i, (a, b) in enumerate(itertools.pairwise(parts)) if a + b in places]
        if not pairs:
            break
        _, at = min(pairs)
        parts[at : at + 2] = ["".join(parts[at : at + 2])]
    ids = []
    for part in parts:
        ids += [places[part]] if part in places else [places[f"<0x{byte:02X}>"] for byte in part.encode()]
    return ids


@pytest.mark.parametrize(
    ("cuts", "name"),
    [({"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}, "gpt-2"),
     ({"type": "Sequence", "pretokenizers": [
         {"type": "Split", "pattern": {"Regex": QWEN}, "behavior": "Isolated", "invert": False},
         {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}]}, "qwen2"),
     ({"type": "Sequence", "pretokenizers": [
         {"type": "Digits", "individual_digits": True},
         {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}]}, "smollm")],
)  # fmt: skip
def test_ways_of_cutting_text_have_their_names(cuts: dict[str, Any], name: str) -> None:
    assert gguf_tokenizer.pre_name({"pre_tokenizer": cuts, "normalizer": None}) == name


def test_readers_know_our_ways_of_cutting_by_the_same_names() -> None:
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    for split, name in gguf_tokenizer.SPLITS.items():
        assert GGUF_PRE_TOKENIZER_SPLITS[name] == split


def test_a_tokenizer_that_cuts_otherwise_is_refused() -> None:
    with pytest.raises(StudioError) as caught:
        gguf_tokenizer.pre_name({"pre_tokenizer": {"type": "WhitespaceSplit"}, "normalizer": None})
    assert caught.value.problem.code == "export.gguf_tokenizer"


def test_the_mark_that_ends_an_answer_is_told_beside_the_end_of_text(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    told = json.loads((model / "tokenizer_config.json").read_text()) | {"eos_token": "<|start|>"}
    (model / "tokenizer_config.json").write_text(json.dumps(told))
    found = keys(Path(gguf_export.write(learned_run(tmp_path, model).path, tmp_path / "out").path))
    assert (found["tokenizer.ggml.eos_token_id"], found["tokenizer.ggml.eot_token_id"]) == (2, 3)
