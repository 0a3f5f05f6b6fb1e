"""GGUF files are read back by transformers' own reader: same tokens, same template, same greedy answers."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.contract.errors import StudioError
from studio.contract.exports import EXPORTS, K_QUANTS
from studio.contract.run_folder import starter_folder
from studio.engine import base_model
from studio.engine.export_source import Wish
from studio.engine.exports import gguf as gguf_export
from studio.engine.exports import gguf_adapter, merged
from studio.engine.gguf_model import interleaved
from studio.engine.tokens import load_tokenizer
from tests.engine.exported_run import CPU, learned_run, said_with_adapter
from tests.engine.gguf_reader import greedy, loaded, said, the_file, tokenizer_of
from tests.helpers.tiny_models import ARCHITECTURES, tiny_model

SENTENCES = ("Who keeps the hammer?", "  two  spaces,\n\nlines\tand 12345 tables — naïve 日本語 🙂", "don't I'LL we've")


def adapted(model: Path, adapter: Path) -> Any:
    base = base_model.load(model, CPU)
    base_model.load_adapter(base, adapter, "a")
    return base.__dict__["studio_adapters"]["a"]


def merged_in_f16(run: Path, folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    made = merged.write(run, folder, Wish(numbers="f16", check=False)).path
    return AutoModelForCausalLM.from_pretrained(made, dtype=torch.float32, attn_implementation="eager")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_f16_answers_of_every_architecture_are_those_of_the_merged_model(architecture: str, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", architecture)
    run = learned_run(tmp_path, model)
    made = Path(gguf_export.write(run.path, tmp_path / "out").path)
    config = None
    if architecture.startswith(("gemma", "qwen3")):
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(str(model))
    read = loaded(made, config)
    assert read.config.max_position_embeddings == 512
    assert (said(read) - said_with_adapter(model, run.adapter)).abs().max() < 0.05
    # Random models are full of near ties: the very same numbers must name the very same tokens.
    assert greedy(read) == greedy(merged_in_f16(run.path, tmp_path / "merged"))
    ours, theirs = load_tokenizer(model), tokenizer_of(made)
    for text in SENTENCES:
        assert theirs(text).input_ids == ours(text).input_ids
    assert theirs.get_chat_template() == ours.get_chat_template()
    assert (theirs.eos_token_id, theirs.pad_token_id, theirs.bos_token_id) == (3, 0, 1)


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "phi3"])
def test_f32_is_exact(architecture: str, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", architecture)
    run = learned_run(tmp_path, model)
    made = Path(gguf_export.write(run.path, tmp_path / "out", Wish(numbers="f32")).path)
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(str(model)) if architecture == "gemma2" else None
    assert (said(loaded(made, config)) - said_with_adapter(model, run.adapter)).abs().max() < 1e-3


def test_the_starters_f16_file_answers_as_its_adapter(tmp_path: Path) -> None:
    run = learned_run(tmp_path, starter_folder())
    made = Path(gguf_export.write(run.path, tmp_path / "out").path)
    read = loaded(made)
    assert greedy(read) == greedy(adapted(starter_folder(), run.adapter))
    ours, theirs = load_tokenizer(starter_folder()), tokenizer_of(made)
    said_now = [{"role": "user", "content": SENTENCES[1]}]
    rendered = [t.apply_chat_template(said_now, add_generation_prompt=True)["input_ids"] for t in (ours, theirs)]
    assert rendered[0] == rendered[1]
    assert theirs.eos_token == ours.eos_token == "<|end|>"
    assert read.config.eos_token_id == ours.end_ids[0]


@pytest.mark.parametrize(
    ("numbers", "bound"),
    [("bf16", 0.5), ("q8_0", 0.7), ("q5_1", 3.0), ("q5_0", 3.0), ("q4_1", 6.0), ("q4_0", 6.0)],
)
def test_every_number_format_is_read_back_near_to_what_was_learned(
    numbers: str, bound: float, llama: Path, tmp_path: Path
) -> None:
    run = learned_run(tmp_path, llama)
    made = Path(gguf_export.write(run.path, tmp_path / "out", Wish(numbers=numbers)).path)
    away = (said(loaded(made)) - said_with_adapter(llama, run.adapter)).abs()
    assert away.mean() < bound / 5
    assert away.max() < bound
    assert the_file(made).name == f"out-{numbers.upper()}.gguf"


def test_every_offered_format_has_its_bytes(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    sizes = {}
    for numbers in (numbers for numbers in EXPORTS["gguf"].numbers if numbers not in K_QUANTS):
        made = Path(gguf_export.write(run.path, tmp_path / numbers, Wish(numbers=numbers)).path)
        sizes[numbers] = the_file(made).stat().st_size
    assert sizes["f32"] > sizes["f16"] == sizes["bf16"] > sizes["q8_0"] > sizes["q5_1"] > sizes["q4_1"] > sizes["q4_0"]


def test_an_output_layer_of_its_own_is_in_the_file_where_readers_look_for_one(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", sizes={"tie_word_embeddings": True})
    run = learned_run(tmp_path, model, method__target_modules="lm_head")
    made = Path(gguf_export.write(run.path, tmp_path / "out", Wish(numbers="f32")).path)
    assert (said(loaded(made)) - said_with_adapter(model, run.adapter)).abs().max() < 1e-3
    gemma = learned_run(
        tmp_path / "g", tiny_model(tmp_path / "g" / "model", "gemma2"), method__target_modules="lm_head"
    )
    with pytest.raises(StudioError) as caught:
        gguf_export.write(gemma.path, tmp_path / "no")
    assert caught.value.problem.code == "export.gguf_unsupported"


# --- stretched contexts ---------------------------------------------------------------------------------------------


def stretched(folder: Path, **rope: Any) -> Path:
    model = tiny_model(folder)
    told = json.loads((model / "config.json").read_text())
    told["rope_parameters"] = {"rope_theta": 10000.0, **rope}
    (model / "config.json").write_text(json.dumps(told))
    return model


def keys(made: Path) -> dict[str, Any]:
    import gguf

    return {name: field.contents() for name, field in gguf.GGUFReader(the_file(made)).fields.items()}


def test_llama_3s_stretched_frequencies_are_written_as_factors(tmp_path: Path) -> None:
    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    model = stretched(tmp_path / "model", original_max_position_embeddings=64, **rope)
    made = Path(gguf_export.write(learned_run(tmp_path, model).path, tmp_path / "out").path)
    import gguf

    factors = next(t.data for t in gguf.GGUFReader(the_file(made)).tensors if t.name == "rope_freqs.weight")
    inverse = base_model.load(model, CPU).model.rotary_emb.inv_freq.numpy()
    plain = 1.0 / 10000.0 ** (np.arange(0, 16, 2) / 16)
    assert np.allclose(plain / np.array(factors), inverse, rtol=1e-5)
    assert factors[0] == pytest.approx(1.0)
    assert factors[-1] == pytest.approx(8.0)


def test_a_linear_stretch_is_told(tmp_path: Path) -> None:
    model = stretched(tmp_path / "model", rope_type="linear", factor=4.0)
    told = keys(Path(gguf_export.write(learned_run(tmp_path, model).path, tmp_path / "out").path))
    assert (told["llama.rope.scaling.type"], told["llama.rope.scaling.factor"]) == ("linear", 4.0)


def read_as_llama_cpp(told: dict[str, Any], head: int) -> tuple[np.ndarray, float]:
    """Frequencies and the strength of attention that llama.cpp makes of a file's keys, as its `rope_yarn` has it."""
    factor, context, base = (
        told[f"llama.rope.{key}"] for key in ("scaling.factor", "scaling.original_context_length", "freq_base")
    )
    slow, fast = (head * np.log(context / (turns * 2 * np.pi)) / (2 * np.log(base)) for turns in (1.0, 32.0))
    low, high = max(np.floor(fast), 0.0), min(np.ceil(slow), head - 1.0)
    ramp = np.clip((np.arange(head // 2) - low) / max(high - low, 0.001), 0, 1)
    plain = 1.0 / base ** (np.arange(0, head, 2) / head)
    strength = (1.0 + 0.1 * np.log(factor)) * told.get("llama.rope.scaling.attn_factor", 1.0)
    return plain / factor * ramp + plain * (1 - ramp), strength


@pytest.mark.parametrize(
    "also",
    [{}, {"attention_factor": 1.7}, {"mscale": 0.7, "mscale_all_dim": 1.3}, {"beta_fast": 32.0, "beta_slow": None},
     {"attention_factor": 1.0, "truncate": True}],
)  # fmt: skip
def test_yarn_is_told_with_the_strength_that_it_gives_attention(also: dict[str, Any], tmp_path: Path) -> None:
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
    model = stretched(tmp_path / "model", **rope, **also)
    told = keys(Path(gguf_export.write(learned_run(tmp_path, model).path, tmp_path / "out", Wish(check=False)).path))
    turning = base_model.load(model, CPU).model.rotary_emb
    frequencies, strength = read_as_llama_cpp(told, head=16)
    assert told["llama.rope.scaling.type"] == "yarn"
    assert np.allclose(frequencies, turning.inv_freq.numpy(), rtol=1e-5)
    assert strength == pytest.approx(turning.attention_scaling, rel=1e-5)


YARN = {"rope_type": "yarn", "factor": 2.0, "rope_theta": 1e4, "original_max_position_embeddings": 128}


@pytest.mark.parametrize(
    ("architecture", "change", "why"),
    [("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}}, "dynamic"),
     ("llama", {"rope_parameters": YARN | {"beta_fast": 8.0}}, "1 to 8 turns"),
     ("qwen3", {"rope_parameters": YARN | {"beta_slow": 2.0}}, "2 to 32 turns"),
     ("llama", {"rope_parameters": YARN | {"truncate": False}}, "between two"),
     ("gemma2", {"attn_logit_softcapping": None}, "attn_logit_softcapping"),
     ("gemma2", {"final_logit_softcapping": None}, "final_logit_softcapping"),
     ("gemma3_text", {"rope_parameters": {"full_attention": YARN, "sliding_attention": {"rope_theta": 1e4}}}, "yarn"),
     ("gemma2", {"query_pre_attn_scalar": 77}, "77"),
     ("gemma2", {"layer_types": ["full_attention", "full_attention"]}, "order")],
)  # fmt: skip
def test_what_gguf_has_no_words_for_is_refused(
    architecture: str, change: dict[str, Any], why: str, tmp_path: Path
) -> None:
    model = tiny_model(tmp_path / "model", architecture)
    told = json.loads((model / "config.json").read_text()) | change
    (model / "config.json").write_text(json.dumps(told))
    run = learned_run(tmp_path, model)
    with pytest.raises(StudioError) as caught:
        gguf_export.write(run.path, tmp_path / "out")
    assert caught.value.problem.code == "export.gguf_unsupported"
    assert why in caught.value.problem.why
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", [gguf_export, gguf_adapter])
def test_a_base_that_asks_for_code_of_its_own_is_refused_before_transformers_reads_it(
    form: Any, llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = config_readings(monkeypatch)
    run = learned_run(tmp_path, edited(llama, tmp_path / "base"))
    edited(tmp_path / "base", tmp_path / "base", auto_map={"AutoConfig": "modeling_own.Own"})
    read.clear()
    with pytest.raises(StudioError) as caught:
        form.write(run.path, tmp_path / "out", Wish(check=False))
    assert caught.value.problem.code == "model.auto_map"
    assert read == []


@pytest.mark.parametrize("form", [gguf_export, gguf_adapter])
def test_keys_that_nobody_knows_reach_no_writer(
    form: Any, llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = config_readings(monkeypatch)
    run = learned_run(tmp_path, edited(llama, tmp_path / "base", evil_key=7))
    form.write(run.path, tmp_path / "out", Wish(check=False))
    assert len(read) > 1
    assert not any("evil_key" in told for told in read)


def edited(model: Path, folder: Path, **values: object) -> Path:
    """A copy of a model folder, or the folder itself, with other values in config.json."""
    if folder != model:
        shutil.copytree(model, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


def config_readings(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The keys of every config that transformers is given from now on, or reads by itself."""
    from transformers import PreTrainedConfig

    read: list[list[str]] = []
    usual = PreTrainedConfig.from_dict.__func__  # type: ignore[attr-defined]
    by_itself = PreTrainedConfig.get_config_dict.__func__  # type: ignore[attr-defined]

    def from_dict(kind: Any, told: Any, **options: Any) -> Any:
        read.append(sorted(told))
        return usual(kind, told, **options)

    def get_config_dict(kind: Any, *arguments: Any, **options: Any) -> Any:
        told = by_itself(kind, *arguments, **options)
        read.append(sorted(told[0]))
        return told

    monkeypatch.setattr(PreTrainedConfig, "from_dict", classmethod(from_dict))
    monkeypatch.setattr(PreTrainedConfig, "get_config_dict", classmethod(get_config_dict))
    return read


# --- tokenizers -----------------------------------------------------------------------------------------------------


QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


# --- the adapter alone ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [{}, {"method__rslora": True}, {"method__target_modules": "attention"}])
@pytest.mark.parametrize("architecture", ["llama", "phi3"])
def test_a_gguf_lora_holds_what_was_learned(architecture: str, values: dict[str, Any], tmp_path: Path) -> None:
    import gguf

    model = tiny_model(tmp_path / "model", architecture)
    run = learned_run(tmp_path, model, **values)
    made = Path(gguf_adapter.write(run.path, tmp_path / "out").path)
    reader = gguf.GGUFReader(the_file(made))
    alpha = reader.fields["adapter.lora.alpha"].contents()
    found = {tensor.name: np.array(tensor.data) for tensor in reader.tensors}
    checked = 0
    for name, layer in adapted(model, run.adapter).get_base_model().named_modules():
        if not hasattr(layer, "lora_A") or not name.endswith(("q_proj", "o_proj", "qkv_proj")):
            continue
        wanted = layer.get_delta_weight("default").detach().numpy()
        place, kind = name.split(".")[2], name.rsplit(".", 1)[1]
        short = {"q_proj": "attn_q", "o_proj": "attn_output", "qkv_proj": "attn_qkv"}[kind]
        a, b = (found[f"blk.{place}.{short}.weight.lora_{part}"] for part in "ab")
        change = b @ a * (alpha / a.shape[0])
        assert np.allclose(change, interleaved(wanted, 4) if kind == "q_proj" else wanted, atol=1e-5)
        checked += 1
    assert checked == 4


@pytest.mark.parametrize(
    ("way", "values"), [("ia3", {}), ("lora", {"method__dora": True}), ("loha", {}), ("prompt", {})]
)
def test_what_is_no_plain_lora_is_refused(way: str, values: dict[str, Any], llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama, way, **values)
    with pytest.raises(StudioError) as caught:
        gguf_adapter.write(run.path, tmp_path / "out")
    assert caught.value.problem.code == "export.not_lora"


def test_the_greedy_helper_sees_differences(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    assert greedy(base_model.load(llama, CPU)) != greedy(adapted(llama, run.adapter))
    assert torch.isfinite(said(base_model.load(llama, CPU))).all()
