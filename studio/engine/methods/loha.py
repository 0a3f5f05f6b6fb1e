"""LoHa (arXiv 2108.06098, 2309.14859) with PEFT: two low-rank changes multiplied number by number."""

from typing import Any

from studio.contract.methods import LohaSettings
from studio.engine import peft_models
from studio.engine.peft_models import save, target_modules

__all__ = ["attach", "save"]


def attach(model: Any, settings: LohaSettings, seed: int) -> Any:
    """Freeze a base model and put the add-ons beside its linear layers; at first they change nothing.

    Raises:
        StudioError: No layer of the model bears a wanted name.
    """

    def config() -> Any:
        from peft import LoHaConfig

        return LoHaConfig(
            task_type="CAUSAL_LM",
            r=settings.rank,
            alpha=settings.alpha,  # type: ignore[arg-type]
            rank_dropout=settings.rank_dropout,
            target_modules=target_modules(model, settings.target_modules),
        )

    return peft_models.wrap(model, config, seed)
