"""VeRA (arXiv 2310.11454) with PEFT: two vectors a layer beside random matrices that all layers share."""

from typing import Any

from studio.contract.methods import VeraSettings
from studio.engine import peft_models
from studio.engine.peft_models import save, target_modules

__all__ = ["attach", "save"]


def attach(model: Any, settings: VeraSettings, seed: int) -> Any:
    """Freeze a base model and put the vectors beside its linear layers; at first they change nothing.

    The random matrices are saved too, so that an adapter does not depend on how a version of torch draws them.

    Raises:
        StudioError: No layer of the model bears a wanted name.
    """

    def config() -> Any:
        from peft import VeraConfig

        return VeraConfig(
            task_type="CAUSAL_LM",
            r=settings.rank,
            vera_dropout=settings.dropout,
            d_initial=settings.initial_scale,
            projection_prng_key=seed,
            save_projection=True,
            target_modules=target_modules(model, settings.target_modules),
        )

    return peft_models.wrap(model, config, seed)
