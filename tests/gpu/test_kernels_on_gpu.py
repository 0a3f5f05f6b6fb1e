"""The kernels that only a GPU has, beside what they stand for. Left out, with a reason, on machines without one."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.contract import events
from studio.contract.methods import LoraSettings
from studio.contract.settings import TrainSettings
from studio.engine import (
    attention,
    base_model,
    fused_gate,
    fused_lora,
    fused_norm,
    hot_path,
    last_layer,
    liger,
    loss,
    memory,
    recompute,
)
from studio.engine.batches import collate
from studio.engine.kernel_trial import _compared, numbers, passes
from studio.engine.methods import lora
from tests.engine.ground import make_model
from tests.engine.test_fused_lora import ARCHITECTURES
from tests.engine.test_loss import some_rows
from tests.gpu.test_qlora_on_gpu import train_sample
from tests.helpers.tiny_models import tiny_model

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda:0")
LENGTHS = (400, 60, 17, 2, 43, 43, 130)


def model_on_gpu(folder: Path, precision: str, quantisation: str = "none") -> Any:
    settings = TrainSettings(device="cuda:0", precision=precision, quantisation=quantisation)  # type: ignore[arg-type]
    base = base_model.load(folder, base_model.resolve(settings))
    model = lora.attach(base, LoraSettings(rank=4), 0)
    dice = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=dice))
    fused_lora.fuse(model)
    fused_norm.fuse(model)
    fused_gate.fuse(model)
    last_layer.fuse(base)
    return model.train()


def gradients(model: Any, bf16: bool) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    batch = collate(some_rows(LENGTHS), range(len(LENGTHS)), 0, CUDA, packed=True)
    with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
        total, _ = loss.summed_loss(model, batch)
    total.backward()
    return float(total.detach()), {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}


def assert_near(
    found: tuple[float, dict[str, torch.Tensor]], wanted: tuple[float, dict[str, torch.Tensor]], bf16: bool
) -> None:
    assert found[0] == pytest.approx(wanted[0], rel=2e-2 if bf16 else 1e-4)
    for name, gradient in wanted[1].items():
        apart = float((found[1][name] - gradient).norm() / gradient.norm())
        assert apart < (0.1 if bf16 else 1e-3), (name, apart)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_every_way_of_attention_has_the_losses_and_gradients_of_row_by_row(
    tmp_path: Path, architecture: str, precision: str
) -> None:
    bf16 = precision == "bf16"
    model = model_on_gpu(make_model(tmp_path / "model", architecture), precision)
    wanted = gradients(model, bf16)
    for name in attention.kernels(architecture == "gemma2"):
        model.get_base_model().set_attn_implementation(name)
        assert_near(gradients(model, bf16), wanted, bf16)


@pytest.mark.parametrize("quantisation", ["none", "nf4"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_a_run_chooses_has_the_losses_and_gradients_of_the_references(
    tmp_path: Path, architecture: str, quantisation: str, record_property: Any
) -> None:
    model = model_on_gpu(make_model(tmp_path / "model", architecture), "bf16", quantisation)
    wanted = gradients(model, True)
    found = hot_path.choose(model.get_base_model(), CUDA, torch.bfloat16)
    for one in found:
        record_property(one.piece, str(one))
        assert "wrong" not in one.why, str(one)
        assert "does not work" not in one.why, str(one)
    assert_near(gradients(model, True), wanted, True)


@pytest.mark.skipif(bool(liger.missing()), reason="liger-kernel is not installed (extra cuda)")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kind", ["SiLUActivation", "GELUTanh"])
def test_ligers_gated_products_are_ours(dtype: torch.dtype, kind: str) -> None:
    def made(function: Any, form: torch.dtype) -> Any:
        inputs = [numbers(300, 1408, dtype=form, device=CUDA, seed=seed) for seed in (1, 2)]
        return passes(lambda gate, up: function(gate, up, kind), inputs)()

    right, why = _compared(
        made(fused_gate.gated, torch.float64), made(fused_gate.gated, dtype), made(liger.gated, dtype)
    )
    assert right, why


@pytest.mark.parametrize("layers", [1, 4])
def test_layers_computed_twice_and_inputs_in_main_memory_change_no_gradient(tmp_path: Path, layers: int) -> None:
    folder = tiny_model(tmp_path / "model", "llama", sizes={"num_hidden_layers": 4})
    model = model_on_gpu(folder, "bf16")
    wanted = gradients(model, True)
    for offload in (False, True):
        recompute.apply(model, layers, offload, CUDA)
        found = gradients(model, True)
        assert found[0] == wanted[0]
        for name, gradient in wanted[1].items():
            assert torch.equal(found[1][name], gradient), name


def test_inputs_in_main_memory_take_less_of_the_cards(tmp_path: Path) -> None:
    sizes = {"num_hidden_layers": 12, "hidden_size": 256, "intermediate_size": 512, "max_position_embeddings": 8192}
    model = model_on_gpu(tiny_model(tmp_path / "model", "llama", sizes=sizes), "bf16")
    rows, peaks = some_rows((4000,) * 4), []
    for count, offload in ((0, False), (6, False), (12, False), (12, True)):
        recompute.apply(model, count, offload, CUDA)
        memory.restart_peak(CUDA)
        with torch.autocast("cuda", torch.bfloat16):
            total, _ = loss.summed_loss(model, collate(rows, range(4), 0, CUDA, packed=True))
        total.backward()
        model.zero_grad()
        peaks.append(memory.recent_peak_bytes(CUDA))
    assert peaks == sorted(peaks, reverse=True)
    inputs = 12 * 16_000 * 256 * 2
    assert peaks[2] - peaks[3] > 0.6 * inputs


@pytest.mark.parametrize("values", [{}, {"gradient_checkpointing": "offload"}, {"gradient_checkpointing": "on"}])
def test_a_run_tells_which_kernels_it_takes_and_learns(tmp_path: Path, values: dict[str, object]) -> None:
    seen, _ = train_sample(tmp_path, max_steps=40, **values)
    started = next(event for event in seen if isinstance(event, events.Started))
    assert any(line.startswith("attention: ") for line in started.kernels)
    assert started.gradient_checkpointing == bool(values)
    losses = [event.loss for event in seen if isinstance(event, events.Step)]
    assert losses[-1] < losses[0] / 2


def test_a_second_model_in_the_process_keeps_its_own_ways(tmp_path: Path) -> None:
    first = model_on_gpu(make_model(tmp_path / "model"), "bf16")
    second = copy.deepcopy(first)
    hot_path.choose(first.get_base_model(), CUDA, torch.bfloat16)
    assert second.get_base_model().config._attn_implementation == attention.SDPA
    assert loss.way_of(second.get_base_model()) is loss.gradient_by_graph
