"""LoKr (arXiv 2309.14859) with PEFT: the change is a Kronecker product of a small and a low-rank matrix."""

from typing import Any

from studio.contract.methods import LokrSettings
from studio.engine import peft_models
from studio.engine.peft_models import save, target_modules

__all__ = ["attach", "save"]


def attach(model: Any, settings: LokrSettings, seed: int) -> Any:
    """Freeze a base model and put the add-ons beside its linear layers; at first they change nothing.

    Raises:
        StudioError: No layer of the model bears a wanted name.
    """

    def config() -> Any:
        from peft import LoKrConfig

        return LoKrConfig(
            task_type="CAUSAL_LM",
            r=settings.rank,
            alpha=settings.alpha,  # type: ignore[arg-type]
            decompose_both=settings.both_small,
            decompose_factor=settings.factor,
            target_modules=target_modules(model, settings.target_modules),
        )

    return peft_models.wrap(model, config, seed)
