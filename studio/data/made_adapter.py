"""An adapter that is there, as `contract.continuing` asks about it: its options and the run that made it."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from studio.contract import job
from studio.contract.continuing import KINDS, Made, evened
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder
from studio.contract.settings import TrainSettings
from studio.contract.size_limits import sizes_of
from studio.contract.target_layers import HEAD
from studio.data.adapter_files import CONFIG, WEIGHTS, tensor_names
from studio.data.model_fit import read_shape
from studio.data.own_files import is_own

_LARGEST_CONFIG = 1_000_000
_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.(\w+)")
_PARTS = {frozenset({"self_attn"}): "attention", frozenset({"mlp"}): "feed-forward"}


def read(adapter: Path) -> Made:
    """What an adapter folder tells of itself; what cannot be read is told when it is to be loaded.

    Args:
        adapter: `RunFolder.adapter` of the run that made it.
    """
    told: Any = None
    if is_own(adapter / CONFIG):
        try:
            with (adapter / CONFIG).open("rb") as file:
                told = msgspec.json.decode(file.read(_LARGEST_CONFIG))
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            told = None
    options = told if isinstance(told, dict) and isinstance(told.get("peft_type"), str) else {}
    kind = str(options.get("peft_type", ""))
    if kind == KINDS["full"]:
        options = _own_weights(tensor_names(adapter / WEIGHTS))
    plain = options
    if kind == KINDS["lora"]:
        try:
            plain = evened(options)
        except (KeyError, ValueError, TypeError, AttributeError):
            kind = ""
    return Made(kind=kind, options=plain, uneven=plain != options, by=_maker(adapter))


def linear_layers(model: Path) -> Collection[str]:
    """Full names of a model's linear layers by its config.json; empty where they are not known."""
    shape = read_shape(model)
    return (*sizes_of(shape).linears, HEAD) if shape is not None else ()


def _maker(adapter: Path) -> TrainSettings | None:
    try:
        work = job.load(RunFolder(adapter.parent).job)
    except StudioError:
        return None
    return work.settings if isinstance(work, job.TrainJob) else None


def _own_weights(names: frozenset[str]) -> dict[str, Any]:
    """Which of a model's own weights learned, as settings say it; their folder has no options."""
    if not names:
        return {}
    found = [_LAYER.search(name) for name in names]
    if not all(found):
        return {"whole": True, "embeddings": any("embed_tokens" in name for name in names)}
    places = [(int(one[1]), one[2]) for one in found if one is not None]
    parts = frozenset(part for _, part in places)
    return {"whole": False, "last_layers": len({layer for layer, _ in places}), "parts": _PARTS.get(parts, "all")}
