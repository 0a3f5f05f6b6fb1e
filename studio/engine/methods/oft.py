"""OFT (arXiv 2306.07280, 2506.19847) with PEFT: the inputs of each layer are turned in small blocks."""

from typing import Any

from studio.contract.methods import OftSettings
from studio.engine import peft_models
from studio.engine.peft_models import save, target_modules

__all__ = ["attach", "save"]


def attach(model: Any, settings: OftSettings, seed: int) -> Any:
    """Freeze a base model and put the turns before its linear layers; at first they change nothing.

    Raises:
        StudioError: No layer of the model bears a wanted name.
    """

    def config() -> Any:
        from peft import OFTConfig

        return OFTConfig(
            task_type="CAUSAL_LM",
            oft_block_size=settings.block_size,
            module_dropout=settings.dropout,
            target_modules=target_modules(model, settings.target_modules),
        )

    return peft_models.wrap(model, config, seed)
