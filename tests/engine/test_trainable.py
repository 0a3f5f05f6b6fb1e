"""What the planner counts for each way of tuning, and takes for granted, is what the engine builds and does."""

from pathlib import Path

import msgspec
import pytest

from studio.contract.compatibility import refusals
from studio.contract.memory_plan import Machine, estimate, lengths_of
from studio.contract.methods import METHODS
from studio.contract.model_shape import shape_of
from studio.contract.trainable import resting_layers, trainable_parameters
from studio.engine import base_model, methods, recompute
from tests.engine.ground import make_model
from tests.engine.ways import way_job
from tests.helpers.tiny_models import tiny_model

OTHERS = {
    "lora": {"method__target_modules": "attention", "method__dora": True},
    "lokr": {"method__both_small": True, "method__factor": 4},
    "ia3": {"method__target_modules": "all-linear"},
    "bottleneck": {"method__places": "pfeiffer"},
    "prefix": {"method__projection": True},
    "ptuning": {"method__encoder": "LSTM"},
    "layers": {"method__parts": "attention"},
    "full": {"method__embeddings": False},
}
CASES = [(name, {}) for name in METHODS if name != "qlora"] + list(OTHERS.items())
HEADS: list[tuple[str, dict[str, object]]] = [
    (name, {"method__target_modules": words})
    for name in ("lora", "adalora", "vera", "loha", "lokr", "oft")
    for words in ("lm_head", "down_proj, lm_head")
]
"""The output layer, which is there once, alone and beside others."""


HIGH = [
    ("lora", {"method__target_modules": "layers.2.self_attn.q_proj, layers.3.mlp.up_proj"}, 2),
    ("lora", {"method__target_modules": "layers.3.mlp.up_proj, o_proj"}, 0),
    ("llama_adapter", {"method__layers_share": 0.5}, 2),
    ("llama_adapter", {"method__layers_share": 0.1}, 3),
    ("layers", {"method__last_layers": 3}, 1),
    ("layers", {"method__last_layers": 1, "method__parts": "attention"}, 3),
]
"""Ways of tuning a model of four layers that leave some below alone, and how many."""


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3_text", "phi3"])
@pytest.mark.parametrize(
    ("name", "values"),
    [*CASES, *HEADS],
    ids=[f"{n} {v.get('method__target_modules', 'other') if v else 'usual'}" for n, v in [*CASES, *HEADS]],
)
def test_as_many_numbers_learn_as_the_plan_says(
    name: str, values: dict[str, object], architecture: str, tmp_path: Path
) -> None:
    folder = make_model(tmp_path / "model", architecture)
    work = way_job(name, folder, tmp_path, **values)
    if any(refusals(work.settings, False, architecture)):
        pytest.skip("the table refuses it")
    shape = shape_of(msgspec.json.decode((folder / "config.json").read_bytes()))
    assert shape is not None
    placement = base_model.resolve(work.settings)
    model = methods.attach(base_model.load(folder, placement), work.settings.method, 0)
    learned = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trainable_parameters(work.settings.method, shape) == learned
    told = estimate(
        shape, work.settings, lengths_of([40] * 9, 0.5, 9), Machine(device="cpu", total_bytes=1, free_bytes=1)
    )
    assert next(part.bytes for part in told.parts if part.name == "gradients") == 4 * learned


@pytest.mark.parametrize(
    ("name", "values", "resting"),
    [*((name, values, None) for name, values in CASES), *HIGH],
    ids=lambda value: str(value) if isinstance(value, str | int) else None,
)
def test_layers_below_all_that_learns_are_those_that_the_plan_says(
    name: str, values: dict[str, object], resting: int | None, tmp_path: Path
) -> None:
    folder = tiny_model(tmp_path / "model", "llama", sizes={"num_hidden_layers": 4})
    settings = way_job(name, folder, tmp_path, **values).settings
    shape = shape_of(msgspec.json.decode((folder / "config.json").read_bytes()))
    assert shape is not None
    model = methods.attach(base_model.load(folder, base_model.resolve(settings)), settings.method, 0)
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    told = resting_layers(settings.method, shape)
    assert recompute.resting(causal) == told
    assert resting in (None, told)
