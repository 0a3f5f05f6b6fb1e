"""How much room runs take on the disk, and what of it can be given back without losing a result."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from studio.contract.errors import StudioError
from studio.contract.run_folder import MARKER, RunFolder
from studio.data.run_history import RunSummary, living_worker


class Spare(msgspec.Struct, frozen=True):
    """Checkpoints of a run that ended by itself: its adapter is kept, they are of no more use.

    Attributes:
        folder: The run's folder.
        size_bytes: What deleting them frees.
    """

    folder: Path
    size_bytes: int


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; links are not followed, what vanishes meanwhile is not counted."""
    total, waiting = 0, [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def spare(summaries: Sequence[RunSummary]) -> list[Spare]:
    """What can be cleaned up: checkpoints of runs that are done, or were thrown away.

    A run that was stopped, failed or was interrupted keeps its own: it can be taken up from them.
    """
    found = []
    for summary in summaries:
        checkpoints = RunFolder(summary.folder).checkpoints
        is_over = (summary.state == "done" and summary.has_adapter) or summary.state == "discarded"
        if is_over and checkpoints.is_dir() and not checkpoints.is_symlink() and (size := size_of(checkpoints)):
            found.append(Spare(summary.folder, size))
    return found


def clean(found: Sequence[Spare]) -> int:
    """Delete them; gives the bytes that became free.

    Raises:
        StudioError: One cannot be deleted; those before it are gone.
    """
    freed = 0
    for one in found:
        folder = RunFolder(one.folder)
        checkpoints = folder.checkpoints
        if checkpoints.is_symlink() or not (checkpoints / MARKER).is_file() or living_worker(folder) is not None:
            continue
        try:
            shutil.rmtree(checkpoints)
        except OSError as error:
            raise StudioError(
                "run.clean", f"The checkpoints of {folder.id} cannot be deleted.", f"{error.strerror}.",
                where=str(checkpoints),
            ) from error  # fmt: skip
        freed += one.size_bytes
    return freed
