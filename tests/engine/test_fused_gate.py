"""The gated product in one step of the graph has the values and gradients of the models' own code."""

import copy
from pathlib import Path

import pytest
import torch

from studio.contract.methods import LoraSettings
from studio.engine import fused_gate, last_layer
from tests.engine.ground import make_model
from tests.engine.test_fused_lora import ARCHITECTURES, adapted, gradients


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_values_and_gradients_are_the_models_own_in_float64(tmp_path: Path, architecture: str) -> None:
    model = adapted(make_model(tmp_path / "model", architecture), LoraSettings(rank=4), double=True)
    fused = copy.deepcopy(model)
    joined = architecture == "phi3"  # its gate and up are one layer: left as it is
    assert fused_gate.fuse(fused) == (0 if joined else model.config.num_hidden_layers)
    last_layer.fuse(fused.get_base_model())
    (theirs, wanted), (ours, found) = gradients(model), gradients(fused)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-12)
    for name, gradient in wanted.items():
        assert torch.allclose(found[name], gradient, rtol=1e-9, atol=1e-12), name


def test_the_activation_is_not_kept_for_the_backward_pass() -> None:
    gate, up = (torch.randn(7, 5, requires_grad=True) for _ in range(2))
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        fused_gate._Gated.apply(gate, up, "SiLU")
    assert len(kept) == 2
    assert kept[0] is gate
    assert kept[1] is up
