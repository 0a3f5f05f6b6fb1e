"""Values that no real model has are named by the check, before a library computes with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from studio.contract.architectures import ARCHITECTURES
from studio.contract.run_folder import starter_folder
from studio.engine import config_keys, config_values, model_folder
from tests.helpers.tiny_models import tiny_model

GOOD: dict[str, Any] = {"vocab_size": 320, "num_attention_heads": 4, "num_key_value_heads": 2}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
GEMMA3 = {"full_attention": {"rope_type": "default", "rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}}
BAD: list[tuple[str, Any, str]] = [
    ("eos_token_id", "../../etc", "eos_token_id"),
    ("eos_token_id", 10**7, "eos_token_id"),
    ("eos_token_id", [1, 10**7], "eos_token_id"),
    ("eos_token_id", True, "eos_token_id"),
    ("pad_token_id", -2, "pad_token_id"),
    ("bos_token_id", 1.5, "bos_token_id"),
    ("hidden_act", "nonsense", "hidden_act"),
    ("hidden_act", ["silu"], "hidden_act"),
    ("rope_theta", "abc", "rope_theta"),
    ("rope_theta", 0, "rope_theta"),
    ("rope_theta", float("inf"), "rope_theta"),
    ("rope_scaling", {"type": "linear", "factor": 0}, "rope_scaling.factor"),
    ("rope_scaling", {"type": "linear"}, "rope_scaling.factor"),
    ("rope_scaling", {"type": "warp", "factor": 2}, "rope_scaling.type"),
    ("rope_scaling", "linear", "rope_scaling"),
    ("rope_parameters", LLAMA3 | {"high_freq_factor": 1.0}, "rope_parameters.high_freq_factor"),
    ("rope_parameters", {"full_attention": {"rope_theta": []}}, "rope_parameters.full_attention.rope_theta"),
    ("rms_norm_eps", None, "rms_norm_eps"),
    ("rms_norm_eps", -1e-5, "rms_norm_eps"),
    ("attention_dropout", 2, "attention_dropout"),
    ("tie_word_embeddings", "yes", "tie_word_embeddings"),
    ("sliding_window", 0, "sliding_window"),
    ("torch_dtype", "os.system", "torch_dtype"),
    ("num_key_value_heads", 3, "num_key_value_heads"),
    ("initializer_range", "wide", "initializer_range"),
]


@pytest.mark.parametrize(("key", "value", "named"), BAD)
def test_a_value_of_a_wrong_kind_or_range_is_named(key: str, value: Any, named: str) -> None:
    assert list(config_values.wrong(GOOD)) == []
    assert [found for found, _ in config_values.wrong(GOOD | {key: value})] == [named]


@pytest.mark.parametrize(
    "good",
    [
        {"eos_token_id": [1, 2], "pad_token_id": -1, "bos_token_id": None, "hidden_act": "gelu_pytorch_tanh"},
        {"rope_scaling": None, "rope_theta": 1_000_000, "sliding_window": None, "torch_dtype": "bfloat16"},
        {"rope_scaling": LLAMA3 | {"original_max_position_embeddings": 8192}},
        {"rope_parameters": GEMMA3, "attn_logit_softcapping": None, "final_logit_softcapping": 30.0},
        {"rope_scaling": {"type": "longrope", "short_factor": [1, 1.1], "long_factor": [1, 2]}},
        {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "mscale": 1.0, "truncate": False}},
    ],
)
def test_what_makers_write_is_accepted(good: dict[str, Any]) -> None:
    assert list(config_values.wrong(GOOD | good)) == []


def test_every_allowed_key_has_its_check() -> None:
    apart = {"bos_token_id", "eos_token_id", "pad_token_id", "rope_parameters", "rope_scaling", "model_type"}
    counted = {"head_dim", "hidden_size", "intermediate_size", "max_position_embeddings", "num_attention_heads"}
    counted |= {"num_hidden_layers", "num_key_value_heads", "vocab_size"}
    allowed = config_keys.COMMON.union(*config_keys.OF_KIND.values())
    assert config_values.TABLE.keys() == allowed - apart - counted


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, ""])
def test_models_that_the_library_writes_pass(architecture: str, tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "m", architecture) if architecture else starter_folder()
    assert list(config_values.wrong(json.loads((folder / "config.json").read_bytes()))) == []


def test_the_check_of_a_folder_says_it(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "m")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"eos_token_id": 10**7}))
    problem = model_folder.check(folder).problems[0]
    assert (problem.code, problem.where) == ("model.config_invalid", "config.json, eos_token_id")
