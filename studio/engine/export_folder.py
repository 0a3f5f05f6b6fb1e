"""An export's folder appears whole under its name, or not at all; what killed exports left behind is swept away."""

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from studio.contract.control import Control
from studio.contract.errors import StudioError
from studio.contract.events import Exported
from studio.contract.exports import name_problem
from studio.contract.parity import Parity
from studio.contract.private_files import share
from studio.contract.run_folder import MARKER
from studio.contract.whole_file import sync_names
from studio.engine.weights_file import Damaged

LONGEST_PATH = 240
"""Characters; Windows' limit of 260 less the longest name of a file in the folder."""
PARTIAL = ".apprentice-export-"
MARGIN = 1.1


@contextmanager
def new_export(destination: Path) -> Iterator[Path]:
    """A folder beside the destination that takes its name at the end, or is gone.

    Everything in it is flushed to the disk before it is renamed.

    Args:
        destination: Absolute; a folder that does not exist yet.

    Raises:
        StudioError: The destination exists or cannot be written.
    """
    require_free(destination)
    temporary = destination.parent / f"{PARTIAL}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        made = [folder for folder in destination.parents if not folder.exists()]
        destination.parent.mkdir(parents=True, exist_ok=True)
        share(made)
        _sweep(destination.parent)
        temporary.mkdir()
        try:
            (temporary / MARKER).touch()
            yield temporary
            share([temporary, *temporary.rglob("*")])
            sync_all(temporary)
            require_free(destination)  # again: time has passed
            temporary.rename(destination)
            # The marker goes last: a folder without it would never be swept away after a kill before the rename.
            with contextlib.suppress(OSError):
                (destination / MARKER).unlink()
            sync_names(destination.parent)
        finally:
            if temporary.exists():
                shutil.rmtree(temporary)
    except Damaged as damage:
        raise StudioError.of(damage.problem) from damage
    except OSError as error:
        raise _unwritable(destination, error) from error


def told(destination: Path, run: str, parity: Parity | None) -> Exported:
    """What lies in a finished export, from which run it is, and how it compares with that run's adapter."""
    files = sorted(path for path in destination.rglob("*") if path.is_file())
    return Exported(
        path=str(destination),
        run=run,
        files=tuple(path.relative_to(destination).as_posix() for path in files),
        total_bytes=sum(path.stat().st_size for path in files),
        parity=parity,
    )


def require_free(destination: Path) -> None:
    """See that a folder may have this name and that nothing has it yet.

    Raises:
        StudioError: It may not, or something has.
    """
    problem = name_problem(destination.name)
    if problem is not None:
        raise StudioError.of(problem)
    if len(str(destination)) > LONGEST_PATH:
        raise StudioError(
            "export.path_too_long",
            f"The folder's path has {len(str(destination))} characters.",
            f"Not every system can open more than about {LONGEST_PATH}.",
            "Choose a shorter name, or a folder nearer to the root.",
            where=destination.name,
        )
    if os.path.lexists(destination):
        raise StudioError(
            "export.exists",
            "A file or folder of this name exists already.",
            "An export never overwrites anything.",
            "Choose another name.",
            where=str(destination),
        )
    there = next(folder for folder in destination.parents if os.path.lexists(folder) or folder == folder.parent)
    if os.path.isfile(there):
        raise StudioError(
            "export.unwritable",
            "The export could not be written.",
            f"{there} is a file, not a folder.",
            "Choose another folder.",
            where=str(there),
        )


def require_room(folder: Path, size: int) -> None:
    """See that the disk takes an export.

    Args:
        folder: Where it is written; exists.
        size: Its bytes, as reckoned before.

    Raises:
        StudioError: `export.no_room`, with what is needed and what is free.
    """
    free, needed = shutil.disk_usage(folder).free, int(size * MARGIN)
    if free < needed:
        raise StudioError(
            "export.no_room",
            f"The disk has no room for this export: {_size(free)} are free, {_size(needed)} are needed.",
            "Nothing was written.",
            f"Free {_size(needed - free)}, choose another disk, or choose a smaller number format.",
            where=str(folder.parent),
        )


def require_going(control: Control) -> None:
    """Go on unless the user has stopped the export.

    Raises:
        StudioError: `export.stopped`.
    """
    if control.poll() in ("stop", "discard"):
        raise StudioError("export.stopped", "The export was stopped.", "Nothing of it was kept.", "Start it again.")


def _size(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _sweep(parent: Path) -> None:
    """Remove what exports that were killed left behind; only folders that bear our marker, of processes that ended."""
    for folder in parent.glob(f"{PARTIAL}*"):
        number = folder.name.removeprefix(PARTIAL).partition("-")[0]
        if folder.is_symlink() or not (folder / MARKER).is_file() or not number.isdigit():
            continue
        if not psutil.pid_exists(int(number)) or time.time() - folder.stat().st_mtime > 24 * 3600:
            shutil.rmtree(folder)


def sync_all(folder: Path) -> None:
    """Have every file below a folder, and every name, written to the disk now.

    Raises:
        OSError: The disk refuses.
    """
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            sync_names(path)
            continue
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    sync_names(folder)


def _unwritable(destination: Path, error: OSError) -> StudioError:
    reasons = {
        errno.ENOSPC: ("export.disk_full", "The disk is full.", "Free some space, or choose another disk."),
        errno.EDQUOT: ("export.disk_full", "Your share of the disk is used up.", "Free some space."),
        errno.EROFS: ("export.read_only", "The disk is read-only.", "Choose another folder."),
        errno.EACCES: ("export.read_only", "You may not write to that folder.", "Choose another folder."),
        errno.EPERM: ("export.read_only", "You may not write to that folder.", "Choose another folder."),
    }
    code, why, fix = reasons.get(
        error.errno or 0, ("export.unwritable", error.strerror or str(error), "Choose another folder.")
    )
    return StudioError(code, "The export could not be written.", why, fix, where=str(destination.parent))
