"""What the last layer leaves out changes neither losses nor gradients."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.contract.methods import LoraSettings
from studio.engine import last_layer, loss
from studio.engine.batches import collate
from tests.engine.ground import make_model
from tests.engine.test_fused_lora import ARCHITECTURES, CPU, adapted, gradients
from tests.engine.test_loss import some_rows


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_losses_and_gradients_are_those_of_the_whole_layer_in_float64(tmp_path: Path, architecture: str) -> None:
    model = adapted(make_model(tmp_path / "model", architecture), LoraSettings(rank=4), double=True)
    short = copy.deepcopy(model)
    assert last_layer.fuse(short.get_base_model())
    (whole, wanted), (ours, found) = gradients(model), gradients(short)
    assert float(ours) == pytest.approx(float(whole), rel=1e-12)
    for name, gradient in wanted.items():
        assert torch.allclose(found[name], gradient, rtol=1e-9, atol=1e-12), name


def test_only_what_is_read_is_computed_and_only_in_training(llama: Path) -> None:
    model = adapted(llama, LoraSettings(rank=4))
    last_layer.fuse(model.get_base_model())
    seen: list[int] = []
    model.get_base_model().base_model.layers[-1].mlp.act_fn.register_forward_hook(
        lambda module, given, out: seen.append(out.shape[1])
    )
    batch = collate(some_rows(), range(5), 0, CPU, packed=True)
    loss.summed_loss(model, batch)
    assert seen == [batch.learned_tokens]
    model.eval()
    model(input_ids=batch.ids)
    assert seen[1:] == [batch.ids.shape[1]]


def test_a_checkpointed_layer_computes_the_same_places_again(llama: Path) -> None:
    model: Any = adapted(llama, LoraSettings(rank=4))
    last_layer.fuse(model.get_base_model())
    _, plain = gradients(model)
    model.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
    _, twice = gradients(model)
    for name, gradient in plain.items():
        assert torch.equal(twice[name], gradient), name
