"""Other settings for a run that is to go on: in its job, and in its record, so that everyone sees it later."""

from typing import Any

import msgspec

from studio.contract import events, job
from studio.contract.errors import Problem, StudioError
from studio.contract.memory_fit import changed
from studio.contract.run_folder import RunFolder
from studio.contract.taking_up import may_follow
from studio.data import run_record
from studio.data.run_history import has_checkpoint
from studio.data.worker_lock import living_worker


def change_settings(folder: RunFolder, sets: dict[str, Any], what: str, costs: str = "") -> job.TrainJob:
    """Change settings of a run that no worker works on.

    Args:
        folder: Of the run.
        sets: Dotted path -> value.
        what, costs: For the record: what was changed, and what that costs, in sentences.

    Returns:
        The job as it is now.

    Raises:
        StudioError: The run goes on, its checkpoint does not bear the change, or the disk refuses.
    """
    work = job.load(folder.job)
    if not isinstance(work, job.TrainJob):
        raise StudioError("run.settings", "There is no training run in this folder.", where=str(folder.path))
    if living_worker(folder) is not None:
        raise StudioError("run.goes_on", "The settings of a run that goes on cannot be changed.", fix="Stop it first.")
    then = changed(work.settings, sets)
    if has_checkpoint(folder) and not may_follow(work.settings, then):
        raise StudioError(
            "run.settings",
            "The run cannot go on with these settings.",
            f"Its checkpoint does not fit to another {', '.join(sets)}.",
            "Start a new run with them.",
        )
    made = msgspec.structs.replace(work, settings=then)
    try:
        job.save(made, folder.job)
        told = Problem(code="run.settings_changed", what=f"Settings were changed on the way: {what}", why=costs)
        run_record.append(folder, events.Notice(problem=told))
    except OSError as error:
        raise StudioError(
            "run.settings",
            "The run's settings cannot be changed.",
            f"{error.strerror}.",
            "Make room on the disk, or check the folder.",
            where=str(folder.path),
        ) from error
    return made
