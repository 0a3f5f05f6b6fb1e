"""Room on the disk that a run takes, told before it starts."""

import errno
import math
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch

from studio.contract.errors import Problem, StudioError
from studio.contract.settings import TrainSettings
from studio.engine import best_weights
from studio.engine.checkpoint import KEEP_LATEST

MARGIN = 1.1
"""The estimate is within a tenth of what is written (tests/engine/test_room.py); less room than that is refused."""
_OVERHEAD_BYTES = 64 * 1024
_LEAST_IN_8_BIT = 4096
"""bitsandbytes keeps the state of smaller tensors whole."""
_BLOCK = 256


def checkpoint_bytes(parameters: Iterable[torch.Tensor], settings: TrainSettings) -> int:
    """Size of one checkpoint: weights, the best ones where they are kept, and the optimiser's state.

    Args:
        parameters: The trainable ones, stored in fp32.
        settings: Optimiser and tests.
    """
    tensors = list(parameters)
    copies = 2 if best_weights.are_kept(tensors, settings) else 1
    return _OVERHEAD_BYTES + sum(
        4 * copies * tensor.numel() + _state_bytes(tensor, settings.optimiser) for tensor in tensors
    )


def _state_bytes(tensor: torch.Tensor, optimiser: str) -> int:
    count = tensor.numel()
    match optimiser:
        case "adamw" | "schedule_free":  # two moments; or one, and the point that the mean is taken to
            return 8 * count
        case "adafactor":  # a mean for each row and each column
            return 4 * (sum(tensor.shape[-2:]) if tensor.dim() > 1 else count)
        case "lion":
            return 4 * count
        case _:  # two moments in 8 bits, with a scale and a table of 256 values each
            return 8 * count if count < _LEAST_IN_8_BIT else 2 * (count + 4 * count // _BLOCK + 1024)


def needed_bytes(parameters: Iterable[torch.Tensor], settings: TrainSettings) -> int:
    """The most that a run's folder holds at once: the checkpoints that are kept, the next one, and the adapters."""
    tensors = list(parameters)
    kept = KEEP_LATEST + 1 + (1 if settings.evaluations else 0)
    adapters = 2 if best_weights.are_kept(tensors, settings) and not settings.early_stopping else 1
    return kept * checkpoint_bytes(tensors, settings) + 4 * adapters * sum(tensor.numel() for tensor in tensors)


def require(folder: Path, parameters: Iterable[torch.Tensor], settings: TrainSettings) -> None:
    """See that a run's folder has room.

    Raises:
        StudioError: `disk.too_full`, with the gigabytes that are needed and free.
    """
    needed, free = MARGIN * needed_bytes(parameters, settings), shutil.disk_usage(folder).free
    if free < needed:
        has, wants, lacks = compared(free, needed)
        raise StudioError(
            "disk.too_full",
            f"The disk has no room for this run: {has} are free, {wants} are needed.",
            "Checkpoints and the adapter are written while it goes on, and a run must not end for want of room.",
            f"Free {lacks} on the disk of {folder}, or choose a smaller adapter.",
            where=str(folder),
        )


_REFUSED = {
    errno.ENOSPC: "The disk is full.",
    getattr(errno, "EDQUOT", errno.ENOSPC): "The disk is full, or your share of it.",
    errno.EIO: "The disk did not write what it was asked to; it may be failing.",
    errno.EROFS: "The disk can only be read.",
    errno.EACCES: "The program may not write there.",
}


def unsaved(error: OSError, folder: Path, needed: int) -> Problem:
    """What is told when a run's state could not be saved.

    Args:
        error: What the system said.
        folder: Of the run.
        needed: Bytes of one more state.
    """
    why = _REFUSED.get(error.errno or 0, f"{error.strerror or error}.")
    full = error.errno is None or "full" in why
    room = f"Free about {compared(0, max(needed, 10**7))[1]} on the disk of {folder}, then resume."
    return Problem(
        code="train.cannot_save",
        what="The run's state could not be saved; nothing saved earlier is lost.",
        why=why,
        fix=room if full else f"See that {folder} can be written, then resume.",
        where=str(folder),
        details=str(error),
    )


def compared(free: float, needed: float) -> tuple[str, str, str]:
    """What is free, what is needed and what is missing, in one unit and so that the figures add up.

    Args:
        free: Bytes, told rounded down.
        needed: Bytes, more than are free; told rounded up.
    """
    unit, size = ("GB", 1e9) if needed >= 1e9 else ("MB", 1e6)
    has, wants = math.floor(10 * free / size), math.ceil(10 * needed / size)
    has_words, wants_words, lacks_words = (f"{tenths / 10:.1f} {unit}" for tenths in (has, wants, wants - has))
    return has_words, wants_words, lacks_words
