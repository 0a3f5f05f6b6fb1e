"""Whether a way of tuning fits a model: `contract.size_limits`, asked before it is loaded and of what was loaded."""

from pathlib import Path
from typing import Any

from studio.contract.errors import StudioError
from studio.contract.model_shape import steady_length
from studio.contract.settings import TrainSettings
from studio.contract.size_limits import Sizes, sizes_of, unfitting
from studio.data.model_fit import read_shape
from studio.engine.generate import context
from studio.engine.peft_models import adapted_linears


def foresee(folder: Path, settings: TrainSettings, longest: int, goes_on: bool = False) -> None:
    """Refuse settings by what config.json tells, before the model is loaded.

    Args:
        folder: The model's, checked.
        settings: As chosen.
        longest: Tokens of the longest example.
        goes_on: The size is that of an adapter that is there.

    Raises:
        StudioError: As `require`.
    """
    shape = read_shape(folder)
    if shape is not None:
        _refuse(settings, sizes_of(shape), longest, goes_on)


def require(model: Any, settings: TrainSettings, longest: int, goes_on: bool = False) -> None:
    """Refuse settings that this model cannot be trained with, before any time is spent.

    Args:
        model: The base model.
        settings: As chosen.
        longest: Tokens of the longest example.
        goes_on: The size is that of an adapter that is there.

    Raises:
        StudioError: A named layer does not exist, an adapter would be larger than the layer it sits at, learned tokens
            leave no room for the text, or rows are so long that others beside them would be computed otherwise.
    """
    _refuse(settings, sizes_in(model), longest, goes_on)


def sizes_in(model: Any) -> Sizes:
    """The sizes of a model that was loaded."""
    linears = adapted_linears(model, "all-linear")
    return Sizes(
        linears={name: (int(m.in_features), int(m.out_features)) for name, m in linears.items()},
        hidden=int(model.config.hidden_size),
        layers=int(model.config.num_hidden_layers),
        context=context(model),
        steady=steady_length(model.config.to_dict()),
        tied=model.get_output_embeddings().weight is model.get_input_embeddings().weight,
    )


def _refuse(settings: TrainSettings, sizes: Sizes, longest: int, goes_on: bool) -> None:
    problem = next(unfitting(settings, sizes, longest, goes_on=goes_on), None)
    if problem is not None:
        raise StudioError.of(problem)
