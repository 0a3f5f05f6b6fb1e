"""What a run had learned at its best test: kept while it goes on, and beside its adapter when it ends with another."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch

from studio.contract.errors import Problem
from studio.contract.events import Notice
from studio.contract.settings import TrainSettings
from studio.contract.trainable import keeps_best
from studio.data.adapter_choice import best_folder, last_folder
from studio.engine import checkpoint, methods

if TYPE_CHECKING:
    from studio.engine.loop import Run


def are_kept(parameters: Iterable[torch.Tensor], settings: TrainSettings) -> bool:
    """Whether a copy of what was learned at the best test is kept; `parameters` are the trained ones."""
    return keeps_best(sum(tensor.numel() for tensor in parameters), settings)


def copied(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights as they are now, in the computer's memory."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights.items()}


def save_aside(run: "Run") -> int:
    """Write the best adapter beside the one that a run has saved, where that is another one; what lay there goes.

    Where the disk refuses, that is told: the run's own adapter is safe by then.

    Returns:
        The step of the best adapter; 0: none was saved.
    """
    best, last = best_folder(run.folder), last_folder(run.folder)
    for stale in (best, last):  # of a run that had been stopped and has gone on
        checkpoint.discard(stale)
    if run.settings.early_stopping or not run.best or run.best_step == run.step:
        return 0
    learned = copied(run.adapter)
    run.use_weights(run.best)
    try:
        checkpoint.replace_folder(
            best, lambda folder: methods.save(run.model, run.settings.method, folder, run.job.model)
        )
        return run.best_step
    except OSError as error:
        run.emit(Notice(problem=_unsaved(run.best_step, error)))
        return 0
    finally:
        run.use_weights(learned)


def _unsaved(step: int, error: OSError) -> Problem:
    return Problem(
        code="train.best_unsaved",
        what=f"The best adapter, of step {step}, could not be kept beside that of the last step.",
        why=f"{error.strerror or error}.",
        fix="The adapter of the last step is saved. To keep the best one next time, make room on the disk.",
    )
