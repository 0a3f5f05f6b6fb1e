"""Whether what a run leaves behind can be used, seen from sizes and the header alone: no tensor is read."""

from pathlib import Path

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
        with weights.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= _LONGEST_HEADER:
                return False
            header = msgspec.json.decode(file.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        return isinstance(options, dict) and bool(ends) and weights.stat().st_size == 8 + length + max(ends)
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return False
