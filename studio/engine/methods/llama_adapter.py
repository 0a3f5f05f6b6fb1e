"""LLaMA-Adapter (arXiv 2303.16199) with PEFT: upper layers also attend to learned prompts, at first with no weight."""

from typing import Any

from studio.contract.methods import LlamaAdapterSettings
from studio.engine import peft_models
from studio.engine.peft_models import save

__all__ = ["attach", "save"]


def attach(model: Any, settings: LlamaAdapterSettings, seed: int) -> Any:
    """Freeze a base model and put learned prompts into its upper layers."""
    layers = max(1, int(settings.layers_share * model.config.num_hidden_layers))

    def config() -> Any:
        from peft import AdaptionPromptConfig

        return AdaptionPromptConfig(task_type="CAUSAL_LM", adapter_len=settings.prompt_length, adapter_layers=layers)

    return peft_models.wrap(model, config, seed)
