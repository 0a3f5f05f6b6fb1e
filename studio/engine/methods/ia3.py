"""IA3 (arXiv 2205.05638) with PEFT: one learned factor for each inner feature."""

from typing import Any

from studio.contract.methods import Ia3Settings
from studio.engine import peft_models
from studio.engine.peft_models import adapted_linears, save

__all__ = ["attach", "save"]

PAPER = ("k_proj", "v_proj", "qkv_proj", "down_proj")
"""Keys, values and what goes into the feed-forward part's second layer; phi3 joins queries, keys and values."""
INWARD = "down_proj"
"""Where the factors stand before the layer, not after it."""


def attach(model: Any, settings: Ia3Settings, seed: int) -> Any:
    """Freeze a base model and put the factors to its linear layers; at first all of them are 1."""
    names = {name.rsplit(".", 1)[-1] for name in adapted_linears(model, "all-linear")}
    targets = sorted(names if settings.target_modules == "all-linear" else names & set(PAPER))

    def config() -> Any:
        from peft import IA3Config

        return IA3Config(task_type="CAUSAL_LM", target_modules=targets, feedforward_modules=[INWARD])

    return peft_models.keep_format(peft_models.wrap(model, config, seed))
