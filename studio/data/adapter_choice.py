"""Which adapter of a run is used: that of its last step, or the one that was best on unseen examples.

A run that ended with another adapter than its best one has both: the one that is used lies in `adapter`, as of any run,
so that chat, export and all others need not know; the other lies beside it, under the name of what it is.
"""

from pathlib import Path
from typing import Literal

from studio.contract import events
from studio.contract.errors import Problem, StudioError
from studio.contract.run_folder import MARKER, RunFolder
from studio.data import run_record
from studio.data.worker_lock import living_worker

Which = Literal["best", "last"]


def best_folder(run: RunFolder) -> Path:
    """Where the best adapter lies while the last one is used."""
    return run.path / "adapter-best"


def last_folder(run: RunFolder) -> Path:
    """Where the last adapter lies while the best one is used."""
    return run.path / "adapter-last"


def other(run: RunFolder) -> Which | None:
    """The adapter that could be used instead; None where there is but one."""
    if _is_ours(last_folder(run)):
        return "last"
    return "best" if _is_ours(best_folder(run)) else None


def _is_ours(folder: Path) -> bool:
    return not folder.is_symlink() and (folder / MARKER).is_file() and (folder / "adapter_config.json").is_file()


def use(run: RunFolder, which: Which) -> None:
    """Have a run's other adapter used; the one that was used is kept beside it.

    Between the two renames there is no `adapter`: whoever was ended there calls this again, with either.

    Raises:
        StudioError: The run goes on, has no such adapter, or the disk refuses.
    """
    if living_worker(run) is not None:
        raise StudioError("run.goes_on", "The adapter of a run that goes on cannot be chosen.", fix="Stop it first.")
    wanted, kept = (best_folder(run), last_folder(run)) if which == "best" else (last_folder(run), best_folder(run))
    if not _is_ours(wanted):
        raise _missing(run, which)
    try:
        if run.adapter.exists():
            run.adapter.rename(kept)
        wanted.rename(run.adapter)
        words = "the best one on unseen examples" if which == "best" else "that of the last step"
        told = Problem(code="run.adapter_chosen", what=f"The run's adapter is {words} from now on.")
        run_record.append(run, events.Notice(problem=told))
    except OSError as error:
        raise StudioError(
            "run.adapter_choice",
            "The run's adapter cannot be changed.",
            f"{error.strerror}.",
            "Close chats that use it, or check the folder.",
            where=str(run.path),
        ) from error


def _missing(run: RunFolder, which: Which) -> StudioError:
    if other(run) is not None:
        return StudioError("run.adapter_used", f"The {which} adapter is the one that is used.", "Nothing was changed.")
    return StudioError(
        "run.one_adapter",
        "The run has but one adapter.",
        "It was best on unseen examples at its last test, was not tested at least twice, or stopped when it got no "
        "better and kept the best one. Very large adapters are kept once.",
        "Use the one that it has.",
        where=run.id,
    )
