"""A run that begins at its first step again: what it had saved is kept aside, and its record says so."""

import os
from pathlib import Path

from studio.contract import events
from studio.contract.errors import Problem, StudioError
from studio.contract.run_folder import RunFolder
from studio.data import run_record
from studio.data.worker_lock import living_worker

ASIDE = "checkpoints-aside"
CODE = "run.started_over"


def start_over(folder: RunFolder) -> None:
    """Put a run's checkpoints aside, so that it begins at its first step when it is taken up.

    Nothing is deleted: the folder gets another name, `checkpoints-aside`, or `checkpoints-aside-2` and so on.

    Raises:
        StudioError: The run goes on, or the disk refuses.
    """
    if living_worker(folder) is not None:
        raise StudioError("run.goes_on", "A run that goes on cannot start over.", fix="Stop it first.")
    if not folder.checkpoints.is_dir():
        return
    number, aside = 1, folder.path / ASIDE
    while os.path.lexists(aside):
        number += 1
        aside = folder.path / f"{ASIDE}-{number}"
    try:
        folder.checkpoints.rename(aside)
        told = Problem(
            code=CODE,
            what="The run starts over from its first step.",
            why=f"What it had saved before lies in {aside.name}.",
        )
        run_record.append(folder, events.Notice(problem=told))
    except OSError as error:
        raise StudioError(
            "run.start_over",
            "The run cannot start over.",
            f"{error.strerror}.",
            "Make room on the disk, or check the folder.",
            where=str(folder.path),
        ) from error


def newest_aside(folder: RunFolder) -> Path | None:
    """Where the checkpoints lie that were put aside last."""
    return max(folder.path.glob(f"{ASIDE}*"), key=lambda path: (len(path.name), path.name), default=None)
