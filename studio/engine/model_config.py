"""A model's config as transformers gets it: made from allowed keys alone, never read from the folder by a library."""

from pathlib import Path
from typing import Any

from studio.contract.architectures import ARCHITECTURES
from studio.contract.errors import StudioError
from studio.engine import config_keys
from studio.engine.weights_file import Damaged, inside, read_json

LARGEST_CONFIG = 1_000_000


def read(folder: Path) -> Any:
    """A `transformers.PreTrainedConfig` of a checked model folder.

    Raises:
        StudioError: config.json is missing, damaged, or of an architecture that is not supported.
        ValueError, TypeError, KeyError, AttributeError: Its values do not fit each other.
    """
    from transformers import CONFIG_MAPPING

    try:
        told = read_json(inside(folder, "config.json"), LARGEST_CONFIG)
    except Damaged as damage:
        raise StudioError.of(damage.problem) from damage
    kind = told.get("model_type")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise StudioError(
            "model.unsupported",
            f"Models of the kind {str(kind)[:100]!r} are not supported yet.",
            fix="Choose a text model of a supported architecture.",
            where="config.json, model_type",
        )
    return CONFIG_MAPPING[kind].from_dict(config_keys.allowed(told))
