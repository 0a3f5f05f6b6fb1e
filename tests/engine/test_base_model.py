"""Base models are loaded whole or not at all; adapters fit or are refused."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.contract.errors import StudioError
from studio.contract.fields import build, fields
from studio.contract.memory_plan import resolved
from studio.contract.method_choice import values_of
from studio.contract.methods import METHODS, LoraSettings
from studio.contract.records import Message
from studio.contract.settings import TrainSettings
from studio.engine import attention, base_model, device, generate, tokens
from studio.engine.base_model import Placement
from studio.engine.device import Nvidia, NvidiaCard, TorchBuild
from studio.engine.methods import lora
from studio.supervisor.forecast import machine_of
from tests.helpers.tiny_models import ARCHITECTURES, tiny_model

CPU = Placement(device="cpu", quantisation="none", precision="fp32")
NF4 = msgspec.structs.replace(CPU, quantisation="nf4")
IDS = torch.tensor([[5, 6, 7, 8, 9]])


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def test_4_bit_is_always_doubly_quantised_and_its_setting_says_so() -> None:
    assert base_model._quantised(NF4).bnb_4bit_use_double_quant
    (field,) = (field for field in fields(TrainSettings) if field.path == "quantisation")
    assert "4-bit always with double quantisation" in field.help


# --- what auto becomes --------------------------------------------------------------------------------------


def test_on_a_machine_without_gpu_automatic_means_cpu_fp32_unquantised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    placement = base_model.resolve(TrainSettings())
    assert (placement.device, placement.quantisation, placement.precision) == ("cpu", "none", "fp32")


def test_choices_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = TrainSettings(device="cpu", quantisation="nf4", precision="bf16")
    assert base_model.resolve(chosen) == Placement(device="cpu", quantisation="nf4", precision="bf16")


def test_a_chosen_gpu_that_is_absent_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StudioError) as caught:
        base_model.resolve(TrainSettings(device="cuda:3"))
    assert caught.value.problem.code == "device.absent"
    assert caught.value.problem.where == "device"


def as_if_gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], fault: str = "") -> None:
    def zeros(*_: object, **__: object) -> None:
        if fault:
            raise RuntimeError(fault)

    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Card")
    monkeypatch.setattr(torch, "zeros", zeros)


def test_on_a_gpu_automatic_means_nf4_and_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    as_if_gpu(monkeypatch, (8, 0))
    placement = base_model.resolve(TrainSettings())
    assert (placement.device, placement.quantisation, placement.precision) == ("cuda:0", "nf4", "bf16")


def test_an_old_gpu_calculates_in_fp32_and_refuses_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    as_if_gpu(monkeypatch, (7, 5))
    assert base_model.resolve(TrainSettings()).precision == "fp32"
    with pytest.raises(StudioError) as caught:
        base_model.resolve(TrainSettings(precision="bf16"))
    assert caught.value.problem.code == "device.no_bf16"


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("capability", [None, (7, 5), (9, 0)])
def test_the_plan_takes_the_number_format_and_loading_that_the_run_will_have(
    name: str, capability: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards: tuple[NvidiaCard, ...] = ()
    if capability is None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    else:
        as_if_gpu(monkeypatch, capability)
        cards = (NvidiaCard("Card", 24 << 30, 20 << 30, capability),)
    nvidia, build_of_torch = Nvidia("580", (13, 0), cards), TorchBuild("2.13.0", "12.8")
    report = device.report(device.Sources(lambda: nvidia, lambda: build_of_torch, lambda: (), visible="0"))
    for precision in ("auto", "fp32"):
        settings = build(TrainSettings, {**values_of(name), "precision": precision})
        placement, planned = base_model.resolve(settings), resolved(settings, machine_of(settings, report))
        assert (placement.precision, placement.quantisation) == (planned.precision, planned.quantisation)


def test_a_gpu_that_fails_is_passed_over_and_the_reason_told(monkeypatch: pytest.MonkeyPatch) -> None:
    as_if_gpu(monkeypatch, (8, 0), "CUDA error: no kernel image\nmore")
    placement = base_model.resolve(TrainSettings())
    assert placement.device == "cpu"
    assert [problem.code for problem in placement.notices] == ["device.gpu_unused"]
    assert "no kernel image" in placement.notices[0].why


# --- loading ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_loads_and_in_4_bit_answers_nearly_the_same(tmp_path: Path, architecture: str) -> None:
    path = tiny_model(tmp_path / architecture, architecture)
    plain, packed = base_model.load(path, CPU), base_model.load(path, NF4)
    assert not plain.training
    assert packed.is_loaded_in_4bit
    kinds = {type(module).__name__ for module in packed.modules()}
    assert "Linear4bit" in kinds
    assert base_model.parameter_count(plain) == base_model.parameter_count(packed)
    a, b = logits(plain), logits(packed)
    assert not torch.equal(a, b)
    assert torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0) > 0.8


def test_capped_attention_is_calculated_where_it_is_capped(tmp_path: Path) -> None:
    model = base_model.load(tiny_model(tmp_path / "g", "gemma2"), CPU)
    assert model.config.attn_logit_softcapping
    assert model.config._attn_implementation == attention.CAPPED


def test_bf16_weights_are_bf16(folder: Path) -> None:
    model = base_model.load(folder, msgspec.structs.replace(CPU, precision="bf16"))
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("fault", ["missing", "superfluous", "shape", "nan"])
def test_weights_that_are_not_the_models_are_refused(tmp_path: Path, fault: str) -> None:
    path = tiny_model(tmp_path / "m")
    weights = load_file(path / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    if fault == "missing":
        del weights[name]
    elif fault == "superfluous":
        weights["model.layers.0.mlp.more.weight"] = torch.zeros(2)
    elif fault == "shape":
        weights[name] = weights[name][:5].clone()
    else:
        weights[name][3, 3] = torch.nan
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StudioError) as caught:
        base_model.load(path, CPU)
    codes = {"nan": "model.not_finite", "shape": "model.load_failed"}
    assert caught.value.problem.code == codes.get(fault, "model.weights_incomplete")
    if fault == "nan":
        with pytest.raises(StudioError):
            base_model.load(path, NF4)


# --- adapters -----------------------------------------------------------------------------------------------


def trained(folder: Path, where: Path, settings: LoraSettings | None = None, seed: int = 1) -> Path:
    """An adapter as training saves it, with weights that change the answers."""
    model = lora.attach(base_model.load(folder, CPU), settings or LoraSettings(rank=4), seed)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.5)
    lora.save(model, where, str(folder))
    return where


@pytest.mark.parametrize("placement", [CPU, NF4], ids=["plain", "4-bit"])
@pytest.mark.parametrize("settings", [LoraSettings(rank=4), LoraSettings(rank=4, dora=True, rslora=True)])
def test_adapters_are_swapped_without_loading_the_base_again(
    folder: Path, tmp_path: Path, placement: Placement, settings: LoraSettings
) -> None:
    one, two = trained(folder, tmp_path / "one", settings), trained(folder, tmp_path / "two", settings, seed=2)
    model = base_model.load(folder, placement)
    alone = logits(model)
    model = base_model.load_adapter(model, one, "first.v1/x")
    model = base_model.load_adapter(model, two, "second")
    told = {}
    for side in ("", "first.v1/x", "second", "", "first.v1/x"):
        with base_model.using_adapter(model, side) as answering:
            told.setdefault(side, []).append(logits(answering))
    assert torch.allclose(told[""][0], alone, atol=1e-5)
    assert torch.equal(told[""][0], told[""][1])
    assert torch.equal(told["first.v1/x"][0], told["first.v1/x"][1])
    assert not torch.allclose(told["first.v1/x"][0], alone, atol=1e-2)
    assert not torch.allclose(told["first.v1/x"][0], told["second"][0], atol=1e-2)


@pytest.mark.parametrize("quantisation", ["none", "nf4", "fp4", "int8"])
def test_an_adapter_answers_as_it_did_in_training(folder: Path, tmp_path: Path, quantisation: Any) -> None:
    where = trained(folder, tmp_path / "a")
    placement = msgspec.structs.replace(CPU, quantisation=quantisation)
    in_training = lora.attach(base_model.load(folder, placement), LoraSettings(rank=4), 1).eval()
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(in_training, load_file(where / "adapter_model.safetensors"))
    in_chat = base_model.load_adapter(base_model.load(folder, placement), where, "a")
    with base_model.using_adapter(in_chat, "a") as answering:
        assert torch.allclose(logits(answering), logits(in_training), atol=1e-6)


def test_the_base_side_of_a_model_without_adapters_is_the_model(folder: Path) -> None:
    model = base_model.load(folder, CPU)
    with base_model.using_adapter(model, "") as same:
        assert same is model


def test_an_adapter_of_another_base_is_refused_and_the_model_stays_usable(folder: Path, tmp_path: Path) -> None:
    other = tiny_model(tmp_path / "phi", "phi3")
    foreign = trained(other, tmp_path / "foreign")
    own = trained(folder, tmp_path / "own")
    fresh = base_model.load(folder, CPU)
    before = logits(fresh)
    with pytest.raises(StudioError) as caught:
        base_model.load_adapter(fresh, foreign, "x")
    assert caught.value.problem.code == "adapter.other_base"
    assert torch.equal(logits(fresh), before)
    model = base_model.load_adapter(fresh, own, "own")
    with pytest.raises(StudioError):
        base_model.load_adapter(model, foreign, "x")
    with base_model.using_adapter(model, "") as answering:
        assert torch.equal(logits(answering), before)
    tokenizer = tokens.load_tokenizer(folder)
    with base_model.using_adapter(model, "own") as answering:
        assert len(generate.answers(answering, tokenizer, [[Message("user", "hello")]], 4)) == 1


def change(folder: Path, **options: object) -> Path:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | options), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"auto_mapping": {"base_model_class": "X", "parent_library": "os"}}, "adapter.unsupported"),
        ({"peft_type": "XLORA"}, "adapter.unsupported"),
        ({"modules_to_save": ["lm_head"]}, "adapter.unsupported"),
        ({"some_new_option": 3}, "adapter.unsupported"),
        ({"target_modules": "(a+)+$"}, "adapter.unsupported"),
        ({"r": 8}, "adapter.other_base"),
        ({"target_modules": ["q_proj"]}, "adapter.other_base"),
        ({"target_modules": ["nowhere"]}, "adapter.other_base"),
        ({"bias": "none", "layers_to_transform": None, "inference_mode": False}, ""),
    ],
)
def test_an_adapters_options_are_allowed_by_name(
    folder: Path, tmp_path: Path, options: dict[str, object], code: str
) -> None:
    where = change(trained(folder, tmp_path / "a"), **options)
    model = base_model.load(folder, CPU)
    if not code:
        assert base_model.load_adapter(model, where, "a") is not None
        return
    with pytest.raises(StudioError) as caught:
        base_model.load_adapter(model, where, "a")
    assert caught.value.problem.code == code


def test_adapters_that_cannot_be_read_are_refused(folder: Path, tmp_path: Path) -> None:
    def code(where: Path) -> str:
        with pytest.raises(StudioError) as caught:
            base_model.load_adapter(base_model.load(folder, CPU), where, "a")
        return caught.value.problem.code

    assert code(tmp_path) == "adapter.no_config"
    where = trained(folder, tmp_path / "a")
    weights = load_file(where / "adapter_model.safetensors")
    cut = (where / "adapter_model.safetensors").read_bytes()[:-10]
    (where / "adapter_model.safetensors").write_bytes(cut)
    assert code(where) == "adapter.damaged"
    (where / "adapter_model.safetensors").unlink()
    assert code(where) == "adapter.no_weights"
    (where / "adapter_model.bin").write_bytes(b"\x80\x04.")
    assert code(where) == "adapter.pickle"
    next(iter(weights.values())).fill_(torch.inf)
    save_file(weights, where / "adapter_model.safetensors")
    assert code(where) == "adapter.not_finite"
    save_file({f"other.{k}": torch.zeros(2) for k in weights}, where / "adapter_model.safetensors")
    assert code(where) == "adapter.other_base"
