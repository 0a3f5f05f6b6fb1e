"""LayerNorm tuning (arXiv 2312.11420) with PEFT: only the factors inside the norms learn."""

from typing import Any

from studio.contract.methods import NormsSettings
from studio.engine import peft_models
from studio.engine.peft_models import save

__all__ = ["attach", "save"]


def attach(model: Any, settings: NormsSettings, seed: int) -> Any:
    """Freeze a base model and put a copy beside each of its norms, which learns instead."""
    del settings  # there is nothing to set
    names = sorted({name.rsplit(".", 1)[-1] for name, m in model.named_modules() if type(m).__name__.endswith("Norm")})

    def config() -> Any:
        from peft import LNTuningConfig

        return LNTuningConfig(task_type="CAUSAL_LM", target_modules=names)

    return peft_models.keep_format(peft_models.wrap(model, config, seed))
