"""Which cells the trial of every way of tuning has: ways of tuning with the settings that are varied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from studio.contract.compatibility import refusals
from studio.contract.fields import build
from studio.contract.method_choice import values_of
from studio.contract.methods import METHODS
from studio.contract.settings import TrainSettings

RATES = {
    "lora": 5e-3, "qlora": 5e-3, "adalora": 1e-2, "vera": 3e-2, "loha": 1e-2, "lokr": 1e-2, "oft": 3e-3, "ia3": 5e-2,
    "norms": 2e-2, "bottleneck": 5e-3, "prefix": 5e-2, "prompt": 1e-1, "ptuning": 5e-3, "llama_adapter": 5e-2,
    "layers": 1e-3, "full": 1e-3,
}  # fmt: skip
"""Learning rates of the cells: high, so that twenty steps show."""
CELL = {
    "max_steps": 20, "batch_size": 8, "evaluations": 0, "replay_share": 0.0, "held_back_share": 0.0, "device": "cpu",
    "schedule": "constant",
}  # fmt: skip
VARIATIONS: tuple[dict[str, Any], ...] = (
    {},
    {"quantisation": "nf4"},
    {"quantisation": "fp4"},
    {"quantisation": "int8"},
    {"packing": True},
    {"packing": False},
    {"gradient_checkpointing": "on"},
    {"precision": "bf16"},
)
ARCHITECTURES = ("qwen2", "qwen3", "mistral", "gemma2", "gemma3_text", "phi3")
TINY = {
    "lora": {"method.rank": 4}, "qlora": {"method.rank": 4}, "oft": {"method.block_size": 4},
    "adalora": {"method.initial_rank": 6, "method.target_rank": 4}, "bottleneck": {"method.width": 16},
    "layers": {"method.last_layers": 1}, "vera": {"method.rank": 32},
}  # fmt: skip
"""Of tiny models the default sizes would be larger than the layers."""
OF_LORA: tuple[dict[str, Any], ...] = (
    {"method.dora": True},
    {"method.rslora": True},
    {"method.rate_ratio": 16.0, "learning_rate": 5e-4},
    {"method.initialisation": "pissa"},
    {"method.initialisation": "olora"},
    {"method.initialisation": "eva"},
    {"method.initialisation": "loftq"},
)
"""Settings of LoRA's own, with whole weights and with compressed ones."""
OWN: dict[str, tuple[dict[str, Any], ...]] = {
    "lora": (
        *OF_LORA,
        {"method.dropout": 0.1},
        {"method.target_modules": "attention"},
        {"method.dora": True, "quantisation": "int8"},
        {"method.initialisation": "pissa", "quantisation": "int8"},
        {"method.initialisation": "olora", "quantisation": "int8"},
        {"method.initialisation": "eva", "quantisation": "int8"},
        {"method.initialisation": "pissa", "method.dora": True},
        {"method.initialisation": "olora", "method.dora": True},
        {"method.initialisation": "eva", "method.dora": True},
    ),
    "qlora": (
        *OF_LORA,
        {"method.initialisation": "loftq", "method.dora": True},
        {"method.initialisation": "eva", "method.dora": True},
    ),
    "adalora": ({"method.dropout": 0.1}, {"method.orthogonality": 0.0}, {"method.target_modules": "attention"}),
    "vera": ({"method.dropout": 0.1}, {"method.initial_scale": 1.0}, {"method.target_modules": "attention"}),
    "loha": ({"method.rank_dropout": 0.1}, {"method.target_modules": "attention"}),
    "lokr": ({"method.both_small": True}, {"method.factor": 4}, {"method.target_modules": "attention"}),
    "oft": ({"method.dropout": 0.1}, {"method.target_modules": "attention"}),
    "ia3": ({"method.target_modules": "all-linear"},),
    "bottleneck": (
        {"method.places": "houlsby"},
        {"method.activation": "gelu"},
        {"method.activation": "silu"},
        {"method.dropout": 0.1},
    ),
    "prefix": ({"method.projection": True},),
    "prompt": ({"method.initial": "random"},),
    "ptuning": ({"method.encoder": "LSTM"},),
    "llama_adapter": ({"method.layers_share": 0.5},),
    "layers": ({"method.parts": "attention"}, {"method.parts": "feed-forward"}, {"method.last_layers": 1}),
    "full": ({"method.embeddings": False},),
}
"""Settings of a way's own, each beside the defaults, and combinations of which a row of the table tells."""


def key(name: str, values: dict[str, Any], architecture: str) -> str:
    """A cell's name: "ia3 quantisation=nf4"."""
    return " ".join([name, *(f"{path}={value}" for path, value in values.items()), architecture]).strip()


def cells(full: bool) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Method, values, architecture ("" is the starter) of each cell to try, those of the short round first."""
    every = [(name, values, "") for values in VARIATIONS for name in METHODS]
    every += [(name, values, "") for name, several in OWN.items() for values in several]
    every += [(name, {}, architecture) for architecture in ARCHITECTURES for name in METHODS]
    short = [cell for cell in every if cell[1:] == ({}, "") or is_refused(cell[0], cell[1], cell[2] or "llama")]
    yield from short
    if full:
        yield from (cell for cell in every if cell not in short)


def is_refused(name: str, values: dict[str, Any], architecture: str) -> bool:
    """Whether the table says that this does not work."""
    settings = build(TrainSettings, {**values_of(name), **values})
    return any(True for _ in refusals(settings, has_cuda=False, architecture=architecture))
