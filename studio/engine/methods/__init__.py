"""Ways of tuning; a module for each that `contract.methods.METHODS` names.

Every module has `attach(model, settings, seed)`, which makes a base model ready to learn and gives back
what is trained, and `save(model, folder, base)`. AdaLoRA has a `companion`, as it does something in each
step.
"""

import importlib
from pathlib import Path
from typing import Any

from studio.contract.methods import METHODS, AnyMethod, tag_of
from studio.engine import fingerprint
from studio.engine.companion import Companion


def attach(model: Any, settings: AnyMethod, seed: int) -> Any:
    """Make a base model ready to learn in the way that the settings' class stands for.

    Args:
        model: A causal language model of transformers; changed in place.
        settings: Of any way of tuning.
        seed: Decides the first weights of what is added.

    Returns:
        The model to train: only what learns requires gradients. It may be a wrapper around `model`.

    Raises:
        StudioError: The settings do not fit this model.
    """
    return _module(settings).attach(model, settings, seed)


def save(model: Any, settings: AnyMethod, folder: Path, base: str) -> None:
    """Write what was learned as safetensors and JSON, bound to `base`, the base model's folder."""
    _module(settings).save(model, folder, base)
    fingerprint.write(folder, Path(base))


def companion(model: Any, settings: AnyMethod, total_steps: int) -> Companion:
    """What a way of tuning does in each step beside the optimiser; most do nothing."""
    make = getattr(_module(settings), "companion", None)
    made: Companion = make(model, settings, total_steps) if make else Companion()
    return made


def _module(settings: AnyMethod) -> Any:
    return importlib.import_module(f"{__name__}.{METHODS[tag_of(settings)].module}")
