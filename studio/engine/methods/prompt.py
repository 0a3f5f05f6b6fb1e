"""Prompt tuning (arXiv 2104.08691) with PEFT: learned words before the text."""

from typing import Any

import torch

from studio.contract.methods import PromptSettings
from studio.engine import peft_models, virtual_tokens
from studio.engine.peft_models import save

__all__ = ["attach", "save"]


def attach(model: Any, settings: PromptSettings, seed: int) -> Any:
    """Freeze a base model and put learned words before what it reads."""

    def config() -> Any:
        from peft import PromptTuningConfig

        return PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=settings.virtual_tokens)

    adapted = peft_models.wrap(model, config, seed)
    if settings.initial == "vocabulary":
        _begin_with_words(adapted, seed)
    return virtual_tokens.take_over(adapted)


@torch.no_grad()
def _begin_with_words(adapted: Any, seed: int) -> None:
    """Words as the model itself reads them (some models scale their embeddings, which PEFT's own way leaves out)."""
    words = adapted.get_base_model().get_input_embeddings()
    weight = adapted.prompt_encoder["default"].embedding.weight  # (virtual tokens, width)
    dice = torch.Generator().manual_seed(seed)
    ids = torch.randint(words.num_embeddings, (len(weight),), generator=dice)
    weight.copy_(words(ids.to(words.weight.device)))
