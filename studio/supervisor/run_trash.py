"""Runs into the system's trash, and back again."""

import sys
from pathlib import Path

from PySide6.QtCore import QFile, QStandardPaths

from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder
from studio.data import run_history


def move_to_trash(folder: RunFolder) -> Path:
    """Move a run's folder into the trash.

    Returns:
        Where it lies there; empty path where the system does not tell.

    Raises:
        StudioError: It must not be deleted, or this disk has no trash.
    """
    run_history.require_deletable(folder)
    trashed, fault = into_trash(folder.path)
    if fault:
        raise StudioError(
            "run.no_trash",
            "The run could not be moved to the trash.",
            fault,
            "Delete it for good, or delete its folder yourself.",
            where=str(folder.path),
        )
    return trashed


def into_trash(path: Path) -> tuple[Path, str]:
    """Move any folder into the trash: where it lies there (nothing where the system does not tell); what went wrong."""
    if sys.platform.startswith("linux"):
        # On a fresh account Qt finds no place for the trash and does not make one.
        data = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
        Path(data).mkdir(parents=True, exist_ok=True)
    file = QFile(str(path))
    if not file.moveToTrash():
        return Path(), f"{file.errorString()}."
    return Path(file.fileName()), ""


def out_of_trash(trashed: Path, path: Path) -> None:
    """Move a folder back to where it was, and forget the desktop's note about it.

    Raises:
        OSError: It is not in the trash any more, or cannot be moved.
    """
    trashed.rename(path)
    # The note about where it came from (freedesktop.org trash specification) would be left over.
    (trashed.parent.parent / "info" / f"{trashed.name}.trashinfo").unlink(missing_ok=True)


def take_back(trashed: Path, folder: RunFolder) -> None:
    """Undo `move_to_trash`.

    Raises:
        StudioError: It is not in the trash any more, or cannot be moved.
    """
    try:
        out_of_trash(trashed, folder.path)
    except OSError as error:
        raise StudioError(
            "run.take_back",
            "The run could not be taken back from the trash.",
            f"{error.strerror}.",
            "Look for it in the trash of your computer.",
            where=str(trashed),
        ) from error
