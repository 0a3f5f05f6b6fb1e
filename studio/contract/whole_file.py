"""A small file of ours that is complete or as it was before, whatever a power cut comes between."""

import os
import shutil
import time
from pathlib import Path

KEPT_ASIDE = 5


def write_whole(path: Path, content: bytes) -> None:
    """Write a file of mode 0600: beside it first, on the disk before it takes its name, and the name on the disk, too.

    Raises:
        OSError: It cannot be written; what was there before is untouched.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        error.filename, error.filename2 = str(path), None  # people know the file by this name
        raise
    sync_names(path.parent)


def put_aside(path: Path) -> Path:
    """Keep a damaged file under another name, with the time in it, so that nothing writes over it; the last few stay.

    Raises:
        OSError: The disk refuses.
    """
    now = time.time_ns()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now // 10**9))
    # To the microsecond, so that names sort by age: the oldest of them go.
    aside = path.with_name(f"{path.name}.{stamp}-{now // 1000 % 10**6:06d}.aside")
    shutil.copyfile(path, aside)  # a copy: whoever is killed now leaves the file where it was
    for old in sorted(path.parent.glob(f"{path.name}.*.aside"))[:-KEPT_ASIDE]:
        old.unlink()
    return aside


def sync_names(folder: Path) -> None:
    """Have the names in a folder written to the disk: a new name is safe from a power cut only then.

    Windows knows no such thing.
    """
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
