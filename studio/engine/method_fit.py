"""Whether a way of tuning fits the model that was loaded: what only the model's own sizes can tell."""

from typing import Any

from studio.contract.errors import StudioError
from studio.contract.settings import TrainSettings
from studio.engine import methods
from studio.engine.generate import context
from studio.engine.peft_models import adapted_linears


def require(model: Any, settings: TrainSettings, longest: int) -> None:
    """Refuse settings that this model cannot be trained with, before any time is spent.

    Args:
        model: The base model.
        settings: As chosen.
        longest: Tokens of the longest example.

    Raises:
        StudioError: A named layer does not exist, an adapter would be larger than the layer it sits at, or learned
            tokens leave no room for the text.
    """
    method = settings.method
    wanted = getattr(method, "target_modules", None)
    layers = adapted_linears(model, wanted if wanted not in (None, "paper") else "all-linear")
    for name in ("rank", "initial_rank"):
        rank = getattr(method, name, 0)
        # VeRA's rank is the width of shared random matrices, which may be larger than a layer.
        if rank and type(method).__name__ != "VeraSettings":
            _require_rank(name, rank, min(min(m.in_features, m.out_features) for m in layers.values()))
    methods.require_fit(model, method)
    tokens = getattr(method, "virtual_tokens", 0)
    if tokens:
        _require_room(tokens, longest, context(model))


def _require_rank(name: str, rank: int, smallest: int) -> None:
    if rank > smallest:
        raise StudioError(
            "train.rank_too_large",
            f"An adapter of size {rank} is larger than the layers it sits at.",
            f"The smallest of these layers is {smallest} wide; more than that holds nothing more.",
            f"Choose a size of at most {smallest}.",
            where=f"method.{name}",
        )


def _require_room(tokens: int, longest: int, most: int) -> None:
    if tokens + longest <= most:
        return
    fitting = most - longest
    fix = f"Choose at most {fitting} learned tokens." if fitting > 0 else "Choose a shorter longest text."
    raise StudioError(
        "train.too_many_virtual_tokens",
        f"{tokens:,} learned tokens and the longest example of {longest:,} do not fit into the model's context.",
        f"The model reads at most {most:,} tokens.",
        fix,
        where="method.virtual_tokens",
    )
