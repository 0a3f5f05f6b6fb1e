"""LoRA adapters (arXiv 2106.09685) with PEFT; on a 4-bit base this is QLoRA (arXiv 2305.14314)."""

from pathlib import Path
from typing import Any

import torch

from studio.contract.methods import LoraSettings
from studio.engine import lora_start, peft_models
from studio.engine.peft_models import light_peft, target_modules

__all__ = ["attach", "light_peft", "save", "target_modules"]


def attach(model: Any, settings: LoraSettings, seed: int) -> Any:
    """Freeze a base model and put LoRA adapters beside its linear layers.

    The adapter's weights are fp32, whatever the base's precision. At first the adapter changes nothing.

    Args:
        model: A causal language model of transformers, possibly loaded in 4-bit.
        settings: Rank, alpha, dropout, target modules, rsLoRA, DoRA.
        seed: Decides the adapter's first weights.

    Returns:
        The `peft.PeftModel`.

    Raises:
        StudioError: No layer of the model bears a wanted name.
    """

    def config() -> Any:
        from peft import EvaConfig, LoraConfig

        eva = settings.initialisation == "eva"
        return LoraConfig(
            task_type="CAUSAL_LM",
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]
            lora_dropout=settings.dropout,
            target_modules=target_modules(model, settings.target_modules),
            use_rslora=settings.rslora,
            use_dora=settings.dora,
            eva_config=EvaConfig() if eva else None,
            init_lora_weights=lora_start.NAMES[settings.initialisation],
        )

    adapted = peft_models.wrap(model, config, seed)
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad and parameter.dtype != torch.float32:
            raise AssertionError(f"the adapter's {name} is {parameter.dtype}")
    lora_start.remember(adapted, settings)
    return adapted


def save(model: Any, folder: Path, base: str) -> None:
    """Write the adapter alone, as ordinary LoRA for the base as it is, bound to `base`, the base model's folder."""
    peft_models.save(model, folder, base)
    lora_start.convert(model, folder)
