"""Whether a model fits this computer's memory, for chat and for training: the memory planner's own formula."""

from pathlib import Path
from typing import Literal

import msgspec

from studio.contract.memory_plan import RUNTIME_CPU, RUNTIME_CUDA, Lengths, Machine, estimate
from studio.contract.model_shape import ModelShape, shape_of
from studio.contract.settings import TrainSettings
from studio.data.own_files import is_own

LARGEST_CONFIG = 1_000_000
USUAL = Lengths(rows=1000, own=1000, points=(64, 128, 192, 256, 512), source="guess")
"""Examples as people bring them: short questions and answers."""
USUAL_TOKENS = USUAL.longest
"""Of the longest of them: what training is said to need is for such texts and the usual settings."""
TALK_TOKENS = 2048
"""Of a conversation, kept for every layer while it is chatted with."""
How = Literal["fits", "tight", "too_large"]


class Fit(msgspec.Struct, frozen=True):
    """One use of a model: what it needs, and whether that is free."""

    needed_bytes: int
    how: How


class ModelFit(msgspec.Struct, frozen=True):
    """Both uses, on the machine that would do it."""

    machine: Machine
    chat: Fit
    training: Fit


def fit_of(model: Path, machine: Machine) -> ModelFit | None:
    """What a model needs on a machine; None where its sizes are not known.

    Args:
        model: Folder that was checked before.
        machine: From `supervisor.forecast.machine_of` or the like.
    """
    shape = read_shape(model)
    if shape is None:
        return None
    settings = TrainSettings()
    told = estimate(shape, settings, USUAL, machine)
    how: How = {"fits": "fits", "tight": "tight"}.get(told.verdict(machine), "too_large")  # type: ignore[assignment]
    weights = next(part.bytes for part in told.parts if part.name == "weights")
    runtime = RUNTIME_CUDA if machine.is_gpu else RUNTIME_CPU
    kept = 2 * shape.layers * shape.keys * min(TALK_TOKENS, shape.context or TALK_TOKENS) * (2 if machine.is_gpu else 4)
    needed = weights + runtime + kept
    return ModelFit(machine, Fit(needed, _how(needed, machine.free_bytes)), Fit(told.total, how))


def _how(needed: int, free: int) -> How:
    if needed <= 0.9 * free:
        return "fits"
    return "tight" if needed <= free else "too_large"


def read_shape(folder: Path) -> ModelShape | None:
    """The folder was checked before; here it is only read, and anything odd means: not known."""
    try:
        if not is_own(folder / "config.json"):
            return None
        with (folder / "config.json").open("rb") as file:
            table = msgspec.json.decode(file.read(LARGEST_CONFIG))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return shape_of(table) if isinstance(table, dict) else None
