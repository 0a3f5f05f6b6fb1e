"""Memory before a run: refused where it cannot fit; else a dry step with the longest real pack, by the loop's pieces.

The dry step is one forward and backward pass without a correction. On a CPU it goes twice: the first pass leaves holes
in the C library's heap, and only the second shows what the process will go on holding (measured: a third more).
"""

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch

from studio.contract.compatibility import ONCE
from studio.contract.errors import StudioError
from studio.contract.events import MemoryPlanned, Progress
from studio.contract.memory_fit import Planner, fix_after_all, gigabytes, refusal
from studio.contract.memory_plan import (
    RUNTIME_CUDA,
    Lengths,
    MemoryPlan,
    calibrated,
    estimate,
    lengths_of,
    recomputable,
)
from studio.contract.methods import tag_of
from studio.contract.model_shape import ModelShape, shape_of
from studio.contract.settings import TrainSettings
from studio.engine import checkpoint, memory, recompute
from studio.engine.batches import Plan
from studio.engine.examples import Examples
from studio.engine.weights_file import read_json

if TYPE_CHECKING:
    from studio.engine.loop import Run

MOST_EPOCHS = 3
"""Passes that are searched for the longest pack; later ones are mixed anew, within the same limits."""
CHEAP_PASSES = 20
"""From so many passes on the dry step costs a run about a tenth of its time at most."""
LARGEST_CONFIG = 1_000_000
EVERY = 2**31
"""More layers than any model has."""


def shape_in(folder: Path) -> ModelShape | None:
    """The shape of a checked model folder."""
    return shape_of(read_json(folder / "config.json", LARGEST_CONFIG))


def lengths_in(examples: Examples) -> Lengths:
    """Lengths of all rows that are learned from, general ones included, as the encoder counted them."""
    rows = examples.rows
    tokens, own = rows.lengths.tolist(), examples.train_rows
    learned = int(rows.learned_counts.sum()) / max(1, sum(tokens))
    found = lengths_of(tokens, learned, own, examples.longer)
    if own == len(tokens):
        return found
    general = lengths_of(tokens[own:], learned, own)
    return msgspec.structs.replace(found, apart=(lengths_of(tokens[:own], learned, own), general))


def require_room(folder: Path, settings: TrainSettings, examples: Examples, device: torch.device) -> None:
    """Refuse a run that surely does not fit, before anything is loaded.

    Raises:
        StudioError: Even the low end of the estimate is more than is free; the message names the nearest way out.
    """
    shape = shape_in(folder)
    if shape is None:
        return
    problem = refusal(Planner(shape, lengths_in(examples), memory.machine(device)), settings)
    if problem is not None:
        raise StudioError.of(problem)


def recomputed(folder: Path, settings: TrainSettings, examples: Examples, device: torch.device) -> int:
    """Layers that are computed twice: what the settings say, of "automatic" as many as it takes to fit."""
    shape = shape_in(folder)
    if shape is None:
        automatic = settings.gradient_checkpointing == "auto" and tag_of(settings.method) not in ONCE
        return (
            EVERY
            if settings.gradient_checkpointing in ("on", "offload") or (automatic and device.type == "cuda")
            else 0
        )
    return estimate(shape, settings, lengths_in(examples), memory.machine(device)).recomputed


def is_cheap(run: "Run") -> bool:
    """Whether the dry step costs little beside the run."""
    return run.total_steps * run.settings.accumulation >= CHEAP_PASSES


def tell(run: "Run") -> None:
    """Emit what the run will take: measured where that costs little beside it, else by the formula alone.

    Raises:
        StudioError: The memory ran out while it was measured.
    """
    if is_cheap(run):
        run.emit(Progress(stage="Trying the longest examples"))
        made = dry_step(run)
    else:
        twice = recompute.count(run.model)
        made = by_formula(Path(run.job.model), run.settings, run.ready.examples, run.device, twice)
    if made is not None:
        run.emit(MemoryPlanned(plan=made))


def by_formula(
    folder: Path, settings: TrainSettings, examples: Examples, device: torch.device, recomputed: int | None = None
) -> MemoryPlan | None:
    """The plan without a dry step; None for a model whose shape is not known.

    Args:
        folder: The model's, checked.
        settings: As chosen.
        examples: Encoded.
        device: What trains.
        recomputed: Layers that are computed twice, where that is known.
    """
    shape, there = shape_in(folder), memory.machine(device)
    if shape is None:
        return None
    lengths = lengths_in(examples)
    told = estimate(shape, settings, lengths, there, recomputed=recomputed)
    return MemoryPlan(estimate=told, formula_bytes=told.total, machine=there, lengths=lengths)


def longest_pack(plan: Plan, settings: TrainSettings) -> np.ndarray:
    """Rows of the pack that takes the most memory, of those that the loop will make."""
    most, found = -1, np.zeros(0, dtype=np.int64)
    for epoch in range(min(MOST_EPOCHS, math.ceil(settings.epochs))):
        for step in plan.epoch(epoch):
            for start in range(0, len(step), settings.batch_size):
                pack = step[start : start + settings.batch_size]
                lengths = plan.lengths[pack]
                size = int(lengths.sum()) if settings.packing else len(pack) * int(lengths.max())
                if size > most:
                    most, found = size, pack
    return found


def dry_step(run: "Run") -> MemoryPlan | None:
    """Measure what the longest pack takes, and leave weights, optimiser, generators and order as they were.

    Of "automatic", as many layers are computed twice afterwards as what was measured asks for.

    Returns:
        The plan; None for a model whose shape is not known.

    Raises:
        StudioError: The memory ran out on the way; the message names the nearest way out.
    """
    began, device, settings = time.monotonic(), run.device, run.settings
    shape = shape_in(Path(run.job.model))
    if shape is None:
        return None
    lengths, there = lengths_in(run.ready.examples), memory.machine(device)
    pack = longest_pack(run.feed.plan, settings)
    settled = memory.settled_bytes(device)
    before = memory.peak_bytes(device)
    ran_out = _try(run, pack, Planner(shape, lengths, there))
    sizes = run.rows.lengths[pack]
    tokens = int(sizes.sum()) if settings.packing else len(pack) * int(sizes.max())
    context, peak, twice = _context_bytes(device), memory.recent_peak_bytes(device), recompute.count(run.model)
    found = calibrated(
        shape, settings, lengths, there, tokens, settled + context, peak + context, before, recomputed=twice
    )
    told = estimate(shape, settings, lengths, there, found, recomputed=twice if ran_out else None)
    if told.recomputed != twice:
        recompute.apply(run.model, told.recomputed, settings.gradient_checkpointing == "offload", device)
    return MemoryPlan(
        estimate=told,
        formula_bytes=estimate(shape, settings, lengths, there).total,
        machine=there,
        lengths=lengths,
        calibration=found,
        seconds=time.monotonic() - began,
    )


def _try(run: "Run", pack: np.ndarray, planner: Planner) -> bool:
    """Read the pack; where the memory runs out and that is left to us, again with as many layers twice as may be.

    Returns:
        Whether it ran out at first.

    Raises:
        StudioError: It ran out all the same.
    """
    ran_out = False
    while True:
        memory.restart_peak(run.device)
        try:
            without_trace(run, pack, passes=1 if run.device.type == "cuda" else 2)
            return ran_out
        except (MemoryError, RuntimeError) as error:
            known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
            if not known and "can't allocate memory" not in str(error):
                raise
            most = recomputable(planner.shape, run.settings)[1]
            if recompute.count(run.model) >= most:
                raise _ran_out(planner, run.settings) from error
        ran_out = True
        if run.device.type == "cuda":
            torch.cuda.empty_cache()
        recompute.apply(run.model, most, run.settings.gradient_checkpointing == "offload", run.device)


def without_trace(run: "Run", rows: np.ndarray, passes: int) -> None:
    """Forward and backward passes over rows; afterwards all is as it was."""
    generators = checkpoint.read_generators()
    try:
        for _ in range(passes):
            run.gradients(rows)
            run.optimiser.zero_grad(set_to_none=True)
    finally:
        run.optimiser.zero_grad(set_to_none=True)
        checkpoint.set_generators(generators)


def _context_bytes(device: torch.device) -> int:
    """What the driver holds for this process beside what torch allocates."""
    return RUNTIME_CUDA if device.type == "cuda" else 0


def _ran_out(planner: Planner, settings: TrainSettings) -> StudioError:
    what = "graphics card's" if planner.machine.is_gpu else "computer's"
    free, told = gigabytes(planner.machine.free_bytes), gigabytes(planner.estimate(settings).total)
    return StudioError(
        "memory.dry_step",
        f"The {what} memory ran out while the longest examples were tried.",
        f"Model, batch and longest text together need more than the {free} that were free; the estimate was {told}.",
        fix_after_all(planner, settings),
        where="memory",
    )
