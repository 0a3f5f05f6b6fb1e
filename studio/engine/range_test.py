"""The learning-rate range test: a short sweep from tiny to too large rates on real batches, undone afterwards.

Batches differ: some are easy, some hold more general rows. What is plotted is therefore each batch's loss less what the
untouched adapter has on that very batch, put back to the mean of those: only what learning did moves the curve.
"""

import math
import time
from pathlib import Path

import torch

from studio.contract.advice import advised_rate
from studio.contract.control import Control, Emit
from studio.contract.events import Progress, RangeTested
from studio.contract.job import RangeTestJob
from studio.contract.methods import METHODS, tag_of
from studio.contract.range_test import RangeResult, is_over, rates, result_of
from studio.contract.run_folder import RunFolder
from studio.engine import planner, trial
from studio.engine.batches import collate
from studio.engine.checkpoint import Snapshot
from studio.engine.loop import Run
from studio.engine.loss import row_losses
from studio.engine.optimiser import clip_gradients, set_learning_rate


def run_test(job: RangeTestJob, folder: RunFolder, emit: Emit, control: Control) -> RangeTested:
    """Try learning rates and suggest one.

    Raises:
        StudioError: Something is wrong that a run would stumble on, too; or the user ended it (`trial.ended`).
    """
    run = trial.prepare(job.work, folder, emit, control)
    return RangeTested(result=sweep(run, job.steps))


def sweep(run: Run, steps: int) -> RangeResult:
    """Exponentially rising rates (Smith, arXiv 1506.01186), a real step each; the run is then as it was before.

    The last one is the highest that the way of tuning bears.

    Args:
        run: Ready for a step.
        steps: At most; it ends early where the loss blows up.

    Raises:
        StudioError: The user ended it.
    """
    began = time.monotonic()
    before = _copied(run.snapshot())
    highest, shape = METHODS[tag_of(run.settings.method)].highest_rate, planner.shape_in(Path(run.job.model))
    tried: list[tuple[float, float]] = []
    try:
        starts = _losses_at_start(run, steps)
        run.restore(_copied(before))  # the optimiser goes on with the tensors it is given
        mean = sum(starts) / len(starts)
        for number, (rate, start) in enumerate(zip(rates(steps, highest=highest), starts, strict=True), start=1):
            _go_on(run, steps + number, 2 * steps)
            loss = _step(run, rate) - start + mean
            tried.append((rate, max(loss, 0.0)))  # in this order: what is no number stays none
            if is_over([loss for _, loss in tried]):
                break
    finally:
        run.restore(before)
    by_rule = advised_rate(run.settings, shape) if shape is not None else 0.0
    return result_of(tried, time.monotonic() - began, highest, by_rule)


def _losses_at_start(run: Run, steps: int) -> list[float]:
    """Mean loss of each of the next batches before anything is learned."""
    found, size = [], run.settings.batch_size
    for number in range(1, steps + 1):
        _go_on(run, number, 2 * steps)
        rows, total, learned = run.feed.next_step(), 0.0, 0
        for start in range(0, len(rows), size):
            part = rows[start : start + size].tolist()
            batch = collate(run.rows, part, run.ready.tokenizer.pad_token_id, run.device, run.settings.packing)
            with torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=run.ready.bf16):
                sums, counts = row_losses(run.model, batch)
            total, learned = total + float(sums.sum()), learned + int(counts.sum())
        found.append(total / max(1, learned))
    return found


def _go_on(run: Run, done: int, total: int) -> None:
    """Say how far it is.

    Raises:
        StudioError: The user ended it.
    """
    if run.control.poll() in ("stop", "discard"):
        raise trial.ended()
    run.emit(Progress(stage="Trying learning speeds", done=done, total=total, unit="steps"))


def _step(run: Run, rate: float) -> float:
    """One correction at this rate; the loss before it."""
    set_learning_rate(run.optimiser, rate)
    losses, _, _ = run.gradients(run.feed.next_step())
    norm = clip_gradients(run.parameters, run.settings.max_grad_norm)
    if math.isfinite(norm):
        run.optimiser.step()
    run.optimiser.zero_grad(set_to_none=True)
    return losses.all if math.isfinite(norm) else float("nan")


def _copied(snapshot: Snapshot) -> Snapshot:
    """The snapshot with tensors of its own: the run's go on changing."""
    own = {
        group: {name: tensor.detach().clone() for name, tensor in tensors.items()}
        for group, tensors in snapshot.tensors.items()
    }
    return Snapshot(snapshot.state, own)
