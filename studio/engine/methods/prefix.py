"""Prefix tuning (arXiv 2101.00190, 2110.07602) with PEFT: learned keys and values before the text in every layer."""

from typing import Any

from studio.contract.methods import PrefixSettings
from studio.engine import peft_models, virtual_tokens
from studio.engine.peft_models import save

__all__ = ["attach", "save"]


def attach(model: Any, settings: PrefixSettings, seed: int) -> Any:
    """Freeze a base model and put a learned prefix before what it reads."""

    def config() -> Any:
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=settings.virtual_tokens,
            prefix_projection=settings.projection,
            encoder_hidden_size=int(model.config.hidden_size),
        )

    return virtual_tokens.take_over(peft_models.wrap(model, config, seed))
