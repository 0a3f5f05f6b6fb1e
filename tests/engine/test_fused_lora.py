"""LoRA in one step of the graph computes what PEFT's layers compute."""

import copy
from pathlib import Path
from typing import Any

import bitsandbytes
import pytest
import torch

from studio.contract.methods import LoraSettings
from studio.contract.settings import TrainSettings
from studio.engine import base_model, fused_lora, fused_norm, loss
from studio.engine.batches import collate
from studio.engine.methods import lora
from tests.engine.ground import make_model
from tests.engine.test_loss import some_rows

CPU = torch.device("cpu")
ARCHITECTURES = ["llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3_text", "phi3"]


def adapted(folder: Path, settings: LoraSettings, quantisation: str = "none", double: bool = False) -> Any:
    """A model with an adapter that already changes its answers."""
    chosen = TrainSettings(device="cpu", quantisation=quantisation)  # type: ignore[arg-type]
    base = base_model.load(folder, base_model.resolve(chosen))
    model = lora.attach(base, settings, 0)
    torch.manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return (model.double() if double else model).train()


def gradients(model: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    total, _ = loss.summed_loss(model, collate(some_rows(), range(5), 0, CPU, packed=True))
    total.backward()
    return total.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}


def pair(model: Any) -> tuple[Any, Any]:
    """The model in PEFT's way and in ours."""
    fused = copy.deepcopy(model)
    assert fused_lora.fuse(fused) > 0
    return gradients(model), gradients(fused)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_values_and_gradients_are_pefts_in_float64(tmp_path: Path, architecture: str) -> None:
    folder = make_model(tmp_path / "model", architecture)
    (theirs, their_gradients), (ours, our_gradients) = pair(adapted(folder, LoraSettings(rank=4), double=True))
    assert float(ours) == pytest.approx(float(theirs), rel=1e-12)
    assert our_gradients.keys() == their_gradients.keys()
    for name, gradient in their_gradients.items():
        assert float(gradient.abs().max()) > 0, name
        assert torch.allclose(our_gradients[name], gradient, rtol=1e-9, atol=1e-12), name


def test_values_and_gradients_are_pefts_with_4_bit_weights(llama: Path) -> None:
    (theirs, their_gradients), (ours, our_gradients) = pair(adapted(llama, LoraSettings(rank=4), "nf4"))
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)
    for name, gradient in their_gradients.items():
        assert torch.allclose(our_gradients[name], gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max())), name


def test_the_forward_pass_of_4_bit_weights_is_that_of_bitsandbytes(llama: Path) -> None:
    model = adapted(llama, LoraSettings(rank=4), "nf4")
    layer = model.get_base_model().base_model.layers[0].self_attn.q_proj
    weight = layer.base_layer.weight
    x = torch.randn(9, 64)
    own = bitsandbytes.matmul_4bit(x, weight.t(), quant_state=weight.quant_state)
    assert torch.equal(layer.base_layer(x), own)
    with torch.no_grad():
        layer.lora_B.default.weight.zero_()
    fused_lora.fuse(model)
    assert torch.allclose(layer(x), own, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [LoraSettings(rank=4, dropout=0.3), LoraSettings(rank=4, dora=True)])
def test_what_it_does_not_know_stays_pefts(llama: Path, settings: LoraSettings) -> None:
    model = adapted(llama, settings)
    fused = copy.deepcopy(model)
    fused_lora.fuse(fused)
    found = []
    for one in (model, fused):
        torch.manual_seed(5)
        found.append(gradients(one))
    assert torch.equal(found[0][0], found[1][0])
    for name, gradient in found[0][1].items():
        assert torch.equal(found[1][1][name], gradient), name


def test_the_adapter_can_still_be_switched_off(llama: Path) -> None:
    model = adapted(llama, LoraSettings(rank=4))
    fused_lora.fuse(model)
    batch = collate(some_rows(), range(5), 0, CPU, packed=True)
    on = loss.summed_loss(model, batch)[0]
    with model.disable_adapter():
        off = loss.summed_loss(model, batch)[0]
    plain = base_model.load(llama, base_model.resolve(TrainSettings(device="cpu")))
    untouched = loss.summed_loss(plain, batch)[0]
    assert off.item() == pytest.approx(untouched.item(), rel=1e-6)
    assert on.item() != pytest.approx(off.item(), rel=1e-4)


def test_4_bit_weights_keep_their_layout_whatever_the_processor(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitsandbytes.nn.modules, "has_avx512bf16", lambda: True)
    base = base_model.load(llama, base_model.resolve(TrainSettings(device="cpu", quantisation="nf4")))
    batch = collate(some_rows(), range(5), 0, CPU, packed=True)
    with torch.no_grad():
        before = loss.summed_loss(base, batch)[0].item()
    states = [p.quant_state for p in base.parameters() if getattr(p, "quant_state", None) is not None]
    assert states
    assert not any(getattr(state, "packing_format_for_cpu", False) for state in states)
    model = lora.attach(base, LoraSettings(rank=4), 0)  # at first it changes nothing
    fused_lora.fuse(model)
    assert loss.summed_loss(model, batch)[0].item() == pytest.approx(before, rel=1e-5)


def bf16_model(folder: Path) -> Any:
    base = base_model.load(folder, base_model.resolve(TrainSettings(device="cpu", precision="bf16")))
    model = lora.attach(base, LoraSettings(rank=4), 0)
    torch.manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return model


def test_without_autocast_a_bf16_model_answers_as_it_will_in_the_chat(llama: Path) -> None:
    model = bf16_model(llama)
    fused = copy.deepcopy(model)
    fused_lora.fuse(fused)
    ids = torch.arange(5, 60)[None]
    with torch.no_grad():
        assert torch.equal(fused(input_ids=ids).logits, model(input_ids=ids).logits)


def test_bf16_gradients_under_autocast_are_pefts_as_nearly_as_bf16_tells(llama: Path) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        (theirs, their_gradients), (ours, our_gradients) = pair(bf16_model(llama).train())
    assert float(ours) == pytest.approx(float(theirs), rel=2e-2)
    for name, gradient in their_gradients.items():
        mine = our_gradients[name]
        assert mine.dtype == torch.float32
        near = torch.nn.functional.cosine_similarity(mine.flatten(), gradient.flatten(), dim=0)
        assert float(near) > 0.98, name


def test_nothing_of_a_4_bit_weight_is_kept_unpacked_for_the_backward_pass(llama: Path) -> None:
    model = adapted(llama, LoraSettings(rank=4), "nf4")
    fused_lora.fuse(model)
    shapes = {p.quant_state.shape for p in model.parameters() if getattr(p, "quant_state", None) is not None}
    kept: list[torch.Size] = []

    def watch(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.shape)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(watch, lambda tensor: tensor):
        loss.summed_loss(model, collate(some_rows(), range(5), 0, CPU, packed=True))
    assert kept
    assert not shapes & set(kept)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_norms_in_one_step_have_the_values_and_gradients_of_the_models_own(tmp_path: Path, architecture: str) -> None:
    model = adapted(make_model(tmp_path / "model", architecture), LoraSettings(rank=4))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.normal_(std=0.5)
    fused = copy.deepcopy(model)
    assert fused_norm.fuse(fused) >= 2 * model.config.num_hidden_layers + 1
    (theirs, their_gradients), (ours, our_gradients) = gradients(model), gradients(fused)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-6)
    for name, gradient in their_gradients.items():
        scale = float(gradient.abs().max())
        assert torch.allclose(our_gradients[name], gradient, rtol=1e-3, atol=1e-5 * scale + 1e-9), name


def test_layers_with_the_same_input_are_computed_once(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted(llama, LoraSettings(rank=4))
    layers = fused_lora.fuse(model)
    calls: list[int] = []
    real = fused_lora._compute

    def count(some: Any, x: torch.Tensor) -> Any:
        calls.append(len(some))
        return real(some, x)

    monkeypatch.setattr(fused_lora, "_compute", count)
    gradients(model)
    assert sorted(set(calls)) == [1, 2, 3]
    assert sum(calls) == layers
