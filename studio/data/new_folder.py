"""A dataset's folder appears whole under its name, or not at all."""

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.contract.errors import StudioError
from studio.contract.run_folder import MARKER, make_folder
from studio.contract.whole_file import sync_names
from studio.data.dataset import TRANSIENT, bears_marker, delete
from studio.data.wording import shown

_ABANDONED_SECONDS = 24 * 3600


def check_destination(destination: Path) -> None:
    """Make sure that nothing foreign is replaced.

    Raises:
        StudioError: Something lies there that does not bear our marker.
    """
    if os.path.lexists(destination) and not bears_marker(destination):
        raise StudioError(
            "data.destination_not_ours",
            "The folder for the dataset exists already and was not made by Apprentice Studio.",
            "It is left alone.",
            "Choose another folder.",
            where=shown(str(destination), 200),
        )


@contextmanager
def new_folder(destination: Path) -> Iterator[Path]:
    """A folder beside the destination that takes its name at the end, or is gone.

    Raises:
        StudioError: It cannot be made, written or renamed.
    """
    temporary = destination.parent / f"{TRANSIENT}importing-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        destination.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(destination.parent)
        make_folder(temporary)
        try:
            yield temporary
            _put_in_place(temporary, destination)
        finally:
            if temporary.exists():
                shutil.rmtree(temporary)
    except OSError as error:
        raise _unwritable(destination, error) from error


def _put_in_place(temporary: Path, destination: Path) -> None:
    check_destination(destination)  # again: time has passed
    if destination.exists():
        old = destination.with_name(f"{TRANSIENT}old-{temporary.name.lstrip(TRANSIENT)}")
        destination.rename(old)
        try:
            temporary.rename(destination)
        except OSError:
            old.rename(destination)
            raise
        delete(old)
    else:
        temporary.rename(destination)
    sync_names(destination.parent)


def _sweep(parent: Path) -> None:
    """Remove what imports that were killed left behind, once it is a day old."""
    for folder in parent.glob(f"{TRANSIENT}importing-*"):
        if (folder / MARKER).is_file() and time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
            delete(folder)


def _unwritable(destination: Path, error: OSError) -> StudioError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StudioError(
            "data.disk_full",
            "The disk is full; the dataset was not saved.",
            fix="Free some space and import the file again.",
            where=shown(str(destination.parent), 200),
        )
    return StudioError(
        "data.unwritable",
        "The dataset cannot be saved.",
        error.strerror or str(error),
        "Check that you may write to the folder.",
        where=shown(str(destination.parent), 200),
    )
