"""A run that did not train appears whole among the runs, or not at all; what killed processes left is swept away."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from studio.contract.run_folder import MARKER, RunFolder, make_folder
from studio.contract.whole_file import sync_names
from studio.engine import export_folder

PARTIAL = ".combining-"


@contextmanager
def new_run(parent: Path, prefix: str) -> Iterator[RunFolder]:
    """A run's folder, out of everyone's sight until the block ends; then on the disk and among the runs.

    It is filled one level deeper than runs lie: nobody who looks for runs takes it for one that broke off.

    Args:
        parent: Where runs lie.
        prefix: Of its name.

    Raises:
        StudioError: `disk.not_writable`.
        OSError: It cannot be written out or put in its place.
    """
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(parent)
    hidden = make_folder(parent / f"{PARTIAL}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        folder = RunFolder.create(hidden, prefix)
        yield folder
        export_folder.sync_all(folder.path)
        folder.path.rename(parent / folder.id)
        sync_names(parent)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove what was being made when its process was killed; only folders that bear our marker."""
    for folder in parent.glob(f"{PARTIAL}*"):
        number = folder.name.removeprefix(PARTIAL).partition("-")[0]
        ours = not folder.is_symlink() and (folder / MARKER).is_file() and number.isdigit()
        if ours and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)
