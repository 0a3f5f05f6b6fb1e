"""Which weights learn how fast."""

import pytest
import torch

from studio.contract.methods import LoraSettings
from studio.contract.settings import TrainSettings
from studio.engine.optimiser import make_optimiser, set_learning_rate, settled

CPU = torch.device("cpu")
KINDS = ["adamw", "adamw_8bit", "adafactor", "lion", "schedule_free"]


def adapter() -> dict[str, torch.nn.Parameter]:
    return {f"x.lora_{side}.default.weight": torch.nn.Parameter(torch.ones(4, 4)) for side in "AB"}


@pytest.mark.parametrize("kind", KINDS)
def test_with_lora_plus_the_second_matrices_learn_so_many_times_faster(kind: str) -> None:
    weights = adapter()
    settings = TrainSettings(optimiser=kind, method=LoraSettings(rate_ratio=16.0), weight_decay=0.0)  # type: ignore[arg-type]
    optimiser = make_optimiser(weights, settings, CPU)
    set_learning_rate(optimiser, 1e-3)
    for weight in weights.values():
        weight.grad = torch.full_like(weight, 0.5)
    optimiser.step()
    first, second = ((1 - weight.detach()).mean().item() for weight in weights.values())
    assert first > 0
    assert second / first == pytest.approx(16, rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_without_it_all_learn_alike_and_a_look_at_the_weights_leaves_them_as_they_are(kind: str) -> None:
    weights = adapter()
    optimiser = make_optimiser(weights, TrainSettings(optimiser=kind), CPU)  # type: ignore[arg-type]
    for _ in range(3):
        set_learning_rate(optimiser, 1e-2)
        for weight in weights.values():
            weight.grad = torch.full_like(weight, 0.5)
        optimiser.step()
    first, second = (weight.detach().clone() for weight in weights.values())
    assert torch.equal(first, second)
    with settled(optimiser, list(weights.values())):
        used = next(iter(weights.values())).detach().clone()
    assert torch.equal(used, first) == (kind != "schedule_free")
    assert torch.equal(next(iter(weights.values())), first)
