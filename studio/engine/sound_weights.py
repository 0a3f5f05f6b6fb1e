"""Weights that are no numbers any more: they are never saved, and the run goes back to what it saved before."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from studio.contract.errors import Problem, StudioError
from studio.contract.events import Notice
from studio.engine import checkpoint

if TYPE_CHECKING:
    from studio.engine.loop import Run

CODE = "train.weights_not_finite"


def are_finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether every value is a number. Reads all of them once."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def state_of(optimiser: Any) -> list[torch.Tensor]:
    """What an optimiser remembers: not a number there, no weight is one after the next step."""
    return [value for state in optimiser.state.values() for value in state.values() if torch.is_tensor(value)]


def not_finite(step: int, loss: float, norm: float, rate: float) -> Problem:
    """What is told when a step's loss or gradient was no number; the weights are sound then.

    Args:
        step: It, which was not used.
        loss: Of its examples.
        norm: Of its gradients.
        rate: The learning rate.
    """
    what = "loss" if not math.isfinite(loss) else "gradient"
    return Problem(
        code="train.not_finite",
        what=f"In step {step} the {what} was not a number any more; this step was not used.",
        why="The learning speed is too high, or one of the examples is broken.",
        fix="Resume to leave these examples out and go on, or stop and save what was learned before; "
        "then try a lower learning speed.",
        details=f"loss {loss}, gradient norm {norm}, learning rate {rate}",
    )


def broken(step: int) -> Problem:
    """What is told when a correction has spoiled the weights themselves."""
    return Problem(
        code=CODE,
        what=f"After step {step} a weight was not a number any more; nothing of it was saved.",
        why="The learning speed is too high: a correction was larger than numbers can hold.",
        fix="Resume to go on from what was saved last, or stop and keep that; then try a lower learning speed.",
    )


def go_back(run: "Run") -> None:
    """Put the run to where its newest whole checkpoint was made, and say so.

    Raises:
        StudioError: Nothing was saved yet.
    """
    step = run.step
    path = checkpoint.newest(run.folder.checkpoints, run.emit)
    if path is None and checkpoint.found(run.folder.checkpoints):
        raise checkpoint.none_whole(run.folder.checkpoints)
    if path is None:
        raise StudioError(
            CODE,
            f"After step {step} a weight was not a number any more, and nothing was saved before.",
            "The learning speed is too high: a correction was larger than numbers can hold.",
            "Start a new run with a lower learning speed.",
        )
    run.restore(checkpoint.load(path))
    run.saved_at = run.pace.train_seconds
    run.pace.end_seconds = run.ready.end_seconds
    problem = Problem(
        code="train.went_back",
        what=f"The run went back from step {step} to step {run.step}, where it was saved last.",
        why="Its weights were not numbers any more.",
        fix="If that happens again, stop and try a lower learning speed.",
    )
    run.emit(Notice(problem=problem))
