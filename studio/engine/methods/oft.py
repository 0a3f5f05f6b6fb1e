"""OFT (arXiv 2306.07280, 2506.19847) with PEFT: the inputs of each layer are turned in small blocks."""

from typing import Any

from studio.contract.errors import StudioError
from studio.contract.methods import OftSettings
from studio.engine import peft_models
from studio.engine.peft_models import adapted_linears, save, target_modules

__all__ = ["attach", "require_fit", "save"]


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


def require_fit(model: Any, settings: OftSettings) -> None:
    """Refuse blocks that do not divide the layers.

    Raises:
        StudioError: A layer's width is no multiple of the block.
    """
    widths = sorted({int(layer.in_features) for layer in adapted_linears(model, settings.target_modules).values()})  # type: ignore[arg-type]
    if any(width % settings.block_size for width in widths):
        fitting = [size for size in range(2, widths[0] + 1) if all(width % size == 0 for width in widths)]
        nearest = min(fitting, key=lambda size: abs(size - settings.block_size))
        raise StudioError(
            "train.block_size",
            f"Blocks of {settings.block_size} do not divide the layers of this model.",
            f"Their widths are {', '.join(map(str, widths))}.",
            f"Choose a block of {nearest}.",
            where="method.block_size",
        )
