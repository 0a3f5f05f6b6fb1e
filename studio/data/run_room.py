"""How much room runs take on the disk, and what of it can be given back without losing a result."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from studio.contract.errors import StudioError
from studio.contract.run_folder import MARKER, RunFolder
from studio.data.adapter_files import is_whole
from studio.data.run_history import RunSummary, living_worker
from studio.data.starting_over import ASIDE

BEFORE = "before"
"""Where a run that goes on is kept as it was saved (`engine.earlier_parts`); an ended one needs it no more."""


class Spare(msgspec.Struct, frozen=True):
    """Checkpoints of a run that ended by itself: its adapter is kept, they are of no more use.

    Attributes:
        folder: The run's folder.
        size_bytes: What deleting them frees.
    """

    folder: Path
    size_bytes: int


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; links are not followed, what vanishes meanwhile is not counted.

    A file with several names counts once.
    """
    total, waiting, seen = 0, [folder], set()
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    else:
                        told = os.lstat(entry.path)  # on Windows an entry itself knows nothing of links
                        if told.st_nlink < 2 or told.st_ino not in seen:
                            total += told.st_size
                            seen.add(told.st_ino)
        except OSError:
            continue
    return total


def spare(summaries: Sequence[RunSummary]) -> list[Spare]:
    """What can be cleaned up: checkpoints of runs that are done, or were thrown away.

    A run that was stopped, failed or was interrupted keeps its own: it can be taken up from them. So does one whose
    adapter is damaged: they are all that is left of it.
    """
    found = []
    for summary in summaries:
        folder = RunFolder(summary.folder)
        is_over = (summary.state == "done" and is_whole(folder.adapter)) or summary.state == "discarded"
        if is_over and (size := sum(size_of(saved) for saved in _saved(folder))):
            found.append(Spare(summary.folder, size))
    return found


def _saved(folder: RunFolder) -> list[Path]:
    """Where a run's checkpoints lie, those included that were put aside when it started over."""
    places = [folder.checkpoints, folder.path / BEFORE, *sorted(folder.path.glob(f"{ASIDE}*"))]
    return [place for place in places if place.is_dir() and not place.is_symlink()]


def clean(found: Sequence[Spare]) -> int:
    """Delete them; gives the bytes that became free.

    Raises:
        StudioError: One cannot be deleted; those before it are gone.
    """
    freed = 0
    for one in found:
        folder = RunFolder(one.folder)
        places = [saved for saved in _saved(folder) if (saved / MARKER).is_file()]
        if not places or living_worker(folder) is not None:
            continue
        for saved in places:
            try:
                shutil.rmtree(saved)
            except OSError as error:
                raise StudioError(
                    "run.clean", f"The checkpoints of {folder.id} cannot be deleted.", f"{error.strerror}.",
                    where=str(saved),
                ) from error  # fmt: skip
        freed += one.size_bytes
    return freed
