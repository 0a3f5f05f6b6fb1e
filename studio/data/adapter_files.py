"""Whether what a run leaves behind can be used, seen from sizes and the header alone: no tensor is read."""

from pathlib import Path
from typing import Any

import msgspec

from studio.data.own_files import is_own

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_LONGEST_HEADER = 100_000_000
"""Bytes; the limit of the safetensors library."""


def is_whole(adapter: Path) -> bool:
    """Whether an adapter's folder has its options and weights of exactly the length that their header tells.

    Bytes that were changed within are not noticed; that takes reading all of it.
    """
    config, weights = adapter / CONFIG, adapter / WEIGHTS
    if not is_own(config) or not is_own(weights):
        return False
    try:
        options = msgspec.json.decode(config.read_bytes())
        length, header = _header(weights)
        ends = [entry["data_offsets"][1] for entry in header.values()]
        return isinstance(options, dict) and bool(ends) and weights.stat().st_size == 8 + length + max(ends)
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return False


def tensor_names(weights: Path) -> frozenset[str]:
    """Names of the tensors in an adapter's weights, by their header; empty where it cannot be read."""
    try:
        return frozenset(_header(weights)[1]) if is_own(weights) else frozenset()
    except (OSError, ValueError, AttributeError, RecursionError):
        return frozenset()


def _header(weights: Path) -> tuple[int, dict[str, Any]]:
    """Its length in bytes, and what it tells of each tensor.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no header.
        AttributeError: It is no table.
    """
    with weights.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= _LONGEST_HEADER:
            raise ValueError("no header of safetensors")
        header = msgspec.json.decode(file.read(length))
    return length, {name: entry for name, entry in header.items() if name != "__metadata__"}
