"""Model folders of strangers: what is fine is told, what is not is named with its file, before anything is loaded."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.contract.architectures import ARCHITECTURES, expected_shapes
from studio.contract.errors import StudioError
from studio.engine import model_config, model_folder
from studio.engine.weights_file import LFS
from tests.helpers.tiny_models import tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "tiny")


def first(folder: Path) -> str:
    checked = model_folder.check(folder)
    assert not checked.usable
    return checked.problems[0].code


def edit(folder: Path, name: str = "config.json", **changes: Any) -> None:
    path = folder / name
    told = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({k: v for k, v in told.items() if v != "absent"}), encoding="utf-8")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_supported_architecture_is_usable_and_described(tmp_path: Path, architecture: str) -> None:
    checked = model_folder.check(tiny_model(tmp_path / "my model", architecture))
    assert checked.problems == ()
    assert checked.usable
    assert checked.name == "my model"
    assert (checked.model_type, checked.architecture) == (architecture, ARCHITECTURES[architecture])
    weights = load_file(tmp_path / "my model" / "model.safetensors")
    assert checked.parameters == sum(tensor.numel() for tensor in weights.values())
    assert checked.file_bytes == (tmp_path / "my model" / "model.safetensors").stat().st_size
    assert (checked.context, checked.vocabulary, checked.has_template) == (512, 320, True)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("variant", [{}, {"attention_bias": True, "mlp_bias": True}, {"tie_word_embeddings": True}])
def test_expected_shapes_are_those_that_transformers_makes(architecture: str, variant: dict[str, object]) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4}
    told = sizes | {"num_key_value_heads": 2, "vocab_size": 99, "pad_token_id": 0} | variant
    if architecture == "gemma3_text":
        told.pop("attention_bias", None)
    with torch.device("meta"):
        real = AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture, **told))
    wanted = {name: tuple(tensor.shape) for name, tensor in real.named_parameters()}
    assert expected_shapes({"model_type": architecture, **told}) == wanted


def test_what_the_folder_brings_is_reported(model: Path) -> None:
    (model / "general.jsonl").write_text("{}\n")
    (model / "probes.jsonl").write_text("{}\n")
    (model / "README.md").write_text("---\nbase: x\nlicense: Apache-2.0\n---\n# hi\n")
    checked = model_folder.check(model)
    assert checked.general == str(model / "general.jsonl")
    assert checked.probes == str(model / "probes.jsonl")
    assert checked.licence == "Apache-2.0"
    assert checked.warnings == ()


def test_the_licence_is_found_in_a_licence_file_or_its_lack_told(model: Path) -> None:
    assert [warning.code for warning in model_folder.check(model).warnings] == ["model.no_licence"]
    (model / "LICENSE").write_text("   Apache License\n Version 2.0\n")
    assert model_folder.check(model).licence == "apache-2.0"
    (model / "README.md").write_text("---\nlicense: other\nlicense_name: gemma\n---\n")
    assert model_folder.check(model).licence == "gemma"


def test_a_folder_of_the_hugging_face_cache_is_usable_and_bears_its_models_name(tmp_path: Path, model: Path) -> None:
    snapshot = tmp_path / "models--maker--small-model" / "snapshots" / "0a1b"
    blobs = tmp_path / "models--maker--small-model" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for file in model.iterdir():
        file.rename(blobs / file.name)
        (snapshot / file.name).symlink_to(blobs / file.name)
    checked = model_folder.check(snapshot)
    assert checked.problems == ()
    assert checked.name == "maker/small-model"


# --- config.json ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "model.auto_map"),
        ({"rope_parameters": {"deep": [{"auto_map": 1}]}}, "model.auto_map"),
        ({"trust_remote_code": True}, "model.unsafe_field"),
        ({"sub": {"trust_remote_code": True}}, "model.unsafe_field"),
        ({"_attn_implementation_internal": "maker/kernel"}, "model.unsafe_field"),
        ({"_attn_implementation": "maker/kernel"}, "model.unsafe_field"),
        ({"attn_implementation": {"": "maker/kernel"}}, "model.unsafe_field"),
        ({"use_kernels": True}, "model.unsafe_field"),
        ({"_something_private": 1}, "model.unsafe_field"),
        ({"model_type": "llama4"}, "model.unsupported"),
        ({"model_type": ["llama"]}, "model.unsupported"),
        ({"model_type": "absent"}, "model.unsupported"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "model.unsupported"),
        ({"vision_config": {}}, "model.unsupported"),
        ({"layer_types": ["full_attention", "linear_attention"]}, "model.unsupported"),
        ({"quantization_config": {"quant_method": "gptq"}}, "model.quantised"),
        ({"hidden_size": 10**9}, "model.config_invalid"),
        ({"num_hidden_layers": -1}, "model.config_invalid"),
        ({"num_attention_heads": 0}, "model.config_invalid"),
        ({"vocab_size": True}, "model.config_invalid"),
        ({"head_dim": "16"}, "model.config_invalid"),
        ({"num_hidden_layers": 3}, "model.weights_incomplete"),
        ({"num_hidden_layers": 1}, "model.weights_incomplete"),
        ({"intermediate_size": 129}, "model.shape_mismatch"),
        ({"vocab_size": 300}, "model.shape_mismatch"),
    ],
)
def test_configs_that_are_hostile_unsupported_or_wrong_are_refused(
    model: Path, changes: dict[str, Any], code: str
) -> None:
    edit(model, **changes)
    assert first(model) == code


@pytest.mark.parametrize(
    ("kind", "architecture", "word"),
    [
        ("gemma3", "Gemma3ForConditionalGeneration", "images"),
        ("qwen3_next", "Qwen3NextForCausalLM", "llama, qwen2"),
    ],
)
def test_refusals_say_what_is_supported(model: Path, kind: str, architecture: str, word: str) -> None:
    more = {"text_config": {}} if "Conditional" in architecture else {}
    edit(model, model_type=kind, architectures=[architecture], **more)
    assert word in model_folder.check(model).problems[0].why


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": NaN}', b'{"a": 1, "a": 2}', b'{"a":' + b"[" * 9000])
def test_a_damaged_config_is_named(model: Path, content: bytes) -> None:
    (model / "config.json").write_bytes(content)
    checked = model_folder.check(model)
    assert checked.problems[0].code == "model.file_damaged"
    assert checked.problems[0].where == "config.json"


def test_unknown_keys_are_named_and_never_reach_the_library(model: Path) -> None:
    edit(model, new_in_next_year={"a": 1}, num_hidden_layers_of_draft=7)
    checked = model_folder.check(model)
    assert checked.usable
    (warning,) = [warning for warning in checked.warnings if warning.code == "model.keys_left_out"]
    assert "new_in_next_year, num_hidden_layers_of_draft" in warning.what
    assert not hasattr(model_config.read(model), "new_in_next_year")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_config_of_allowed_keys_is_the_one_that_transformers_would_read(tmp_path: Path, architecture: str) -> None:
    from transformers import AutoConfig

    folder = tiny_model(tmp_path / "m", architecture)
    wanted = AutoConfig.from_pretrained(str(folder), local_files_only=True).to_dict()
    assert model_config.read(folder).to_dict() == wanted | {"_name_or_path": ""}
    assert [w for w in model_folder.check(folder).warnings if w.code == "model.keys_left_out"] == []


def test_a_huge_config_is_not_read(model: Path) -> None:
    (model / "config.json").write_bytes(b" " * 2_000_000)
    assert "1,000,000" in model_folder.check(model).problems[0].why


def test_folders_that_are_no_models_say_what_they_are(tmp_path: Path, model: Path) -> None:
    assert first(tmp_path / "nowhere") == "model.no_folder"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert first(empty) == "model.no_config"
    (empty / "model-q4.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    assert first(empty) == "model.gguf"
    assert first(empty / "model-q4.gguf") == "model.gguf"
    (model / "adapter_config.json").write_text("{}")
    assert first(model) == "model.is_adapter"


# --- weights ----------------------------------------------------------------------------------------------------


def rewrite_header(path: Path, change: Callable[[bytes], bytes]) -> None:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = change(data[8 : 8 + length])
    path.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + length :])


def test_truncated_weights_tell_expected_and_actual_bytes(model: Path) -> None:
    path = model / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    problem = model_folder.check(model).problems[0]
    assert problem.code == "model.shard_truncated"
    assert f"{len(whole):,}" in problem.why
    assert f"{len(whole) - 7:,}" in problem.why
    path.write_bytes(whole + b"more")
    assert first(model) == "model.shard_truncated"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"abc",
        struct.pack("<Q", 2**40) + b"{}",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b"\xff\xff{}",
        struct.pack("<Q", 9) + b'{"a": {}}',
    ],
)
def test_corrupt_headers_are_refused_without_reading_what_they_claim(model: Path, content: bytes) -> None:
    (model / "model.safetensors").write_bytes(content)
    checked = model_folder.check(model)
    assert checked.problems[0].code == "model.file_damaged"
    assert checked.problems[0].where == "model.safetensors"


def test_a_tensor_that_is_named_twice_is_refused(model: Path) -> None:
    def twice(header: bytes) -> bytes:
        name, entry = next((k, v) for k, v in json.loads(header).items() if k != "__metadata__")
        return header.rstrip()[:-1] + f", {json.dumps(name)}: {json.dumps(entry)}}}".encode()

    rewrite_header(model / "model.safetensors", twice)
    assert first(model) == "model.file_damaged"


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e | {"dtype": "COMPLEX"},
        lambda e: e | {"shape": [-1, 2]},
        lambda e: e | {"shape": [2**40, 2**40]},
        lambda e: e | {"data_offsets": [0, 4]},
        lambda e: e | {"data_offsets": [e["data_offsets"][0] + 4, e["data_offsets"][1] + 4]},
        lambda e: e | {"data_offsets": None},
    ],
)
def test_entries_that_contradict_themselves_are_refused(model: Path, change: Callable[[Any], Any]) -> None:
    def damage(header: bytes) -> bytes:
        told = json.loads(header)
        name = "model.layers.0.mlp.up_proj.weight"
        told[name] = change(told[name])
        return json.dumps(told).encode()

    rewrite_header(model / "model.safetensors", damage)
    assert first(model) == "model.file_damaged"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_git_lfs_pointers_are_named(model: Path, name: str) -> None:
    (model / name).write_bytes(LFS + b"/spec/v1\noid sha256:00\nsize 12\n")
    problem = model_folder.check(model).problems[0]
    assert (problem.code, problem.where) == ("model.lfs_pointer", name)


def test_pickled_weights_are_refused_and_never_opened(model: Path) -> None:
    (model / "model.safetensors").unlink()
    assert first(model) == "model.no_weights"
    (model / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    assert first(model) == "model.pickle"


def sharded(model: Path) -> dict[str, str]:
    weights = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    names = sorted(weights)
    places = {name: f"model-0000{1 + (i % 2)}-of-00002.safetensors" for i, name in enumerate(names)}
    for file in set(places.values()):
        save_file({n: weights[n] for n in names if places[n] == file}, model / file, metadata={"format": "pt"})
    write_index(model, places)
    return places


def write_index(model: Path, places: dict[str, str]) -> None:
    (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def test_sharded_weights_are_read_whole(model: Path) -> None:
    before = model_folder.check(model).parameters
    sharded(model)
    checked = model_folder.check(model)
    assert checked.problems == ()
    assert checked.parameters == before


def test_a_missing_shard_is_named(model: Path) -> None:
    places = sharded(model)
    missing = sorted(set(places.values()))[1]
    (model / missing).unlink()
    problem = model_folder.check(model).problems[0]
    assert (problem.code, problem.where) == ("model.shard_missing", missing)


@pytest.mark.parametrize("escape", ["../outside.safetensors", "/etc/passwd", "sub/x.safetensors", "..", ".hidden"])
def test_an_index_cannot_lead_out_of_the_folder(model: Path, escape: str) -> None:
    places = sharded(model)
    write_index(model, dict.fromkeys(places, escape))
    assert first(model) == "model.file_damaged"


def test_links_that_lead_out_of_the_folder_are_refused(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").rename(tmp_path / "elsewhere.safetensors")
    (model / "model.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    assert first(model) == "model.file_damaged"


def test_tensors_that_an_index_promises_must_be_there(model: Path) -> None:
    places = sharded(model)
    write_index(model, places | {"model.more.weight": next(iter(places.values()))})
    assert "model.more.weight" in model_folder.check(model).problems[0].why


@pytest.mark.parametrize(
    ("fault", "code"),
    [("missing", "model.weights_incomplete"), ("more", "model.weights_incomplete"), ("int8", "model.quantised")],
)
def test_tensors_that_are_not_the_architectures_are_named(model: Path, fault: str, code: str) -> None:
    weights = load_file(model / "model.safetensors")
    name = "model.layers.1.self_attn.q_proj.weight"
    if fault == "missing":
        del weights[name]
    elif fault == "more":
        weights["visual.patch.weight"] = torch.zeros(3)
    else:
        weights[name] = weights[name].to(torch.int8)
    save_file(weights, model / "model.safetensors")
    problem = model_folder.check(model).problems[0]
    assert problem.code == code
    assert problem.where == ("visual.patch.weight" if fault == "more" else name)


# --- the whole ---------------------------------------------------------------------------------------------------


def test_python_files_are_told_and_never_run(model: Path) -> None:
    (model / "modeling_evil.py").write_text("raise SystemExit('ran')")
    assert "model.has_code" in [warning.code for warning in model_folder.check(model).warnings]
    assert model_folder.check(model).usable


def test_require_usable_raises_the_first_problem(model: Path) -> None:
    assert model_folder.require_usable(model).usable
    (model / "tokenizer.json").unlink()
    with pytest.raises(StudioError, match=r"tokenizer\.json"):
        model_folder.require_usable(model)


def test_checking_a_model_costs_no_torch(model: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from studio.engine import model_folder\n"
        "assert model_folder.check(Path(sys.argv[1])).usable\n"
        "print([m for m in ('torch', 'transformers', 'numpy', 'safetensors') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_weights_that_are_a_link_to_nothing_are_told_so(model: Path, tmp_path: Path) -> None:
    """As a cache has them whose blobs were deleted."""
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").symlink_to(tmp_path / "gone")
    problem = model_folder.check(model).problems[0]
    assert problem.code == "model.no_weights"
    assert "a link to one that is gone" in problem.why
