"""P-tuning (arXiv 2103.10385) with PEFT: learned words before the text, written by a small network."""

from typing import Any

from studio.contract.methods import PTuningSettings
from studio.engine import peft_models, virtual_tokens
from studio.engine.peft_models import save

__all__ = ["attach", "save"]


def attach(model: Any, settings: PTuningSettings, seed: int) -> Any:
    """Freeze a base model and put learned words before what it reads; the network itself is not saved."""

    def config() -> Any:
        from peft import PromptEncoderConfig

        return PromptEncoderConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=settings.virtual_tokens,
            encoder_hidden_size=settings.encoder_width,
            encoder_reparameterization_type=settings.encoder,
        )

    return virtual_tokens.take_over(peft_models.wrap(model, config, seed))
