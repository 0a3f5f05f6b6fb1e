"""What the program keeps is the user's alone; what it exports, others may read as the user's own settings allow."""

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

USERS_UMASK = "APPRENTICE_USERS_UMASK"
"""The variable that tells the program's other processes what the user's umask was, in octal digits."""


def keep_private() -> None:
    """From now on new files are the user's alone; what the umask was before is kept for `share`."""
    before = os.umask(0o077)
    os.environ.setdefault(USERS_UMASK, f"{before:o}")


def share(paths: Iterable[Path]) -> None:
    """Give exported files and folders the permissions that the user's other programs would have given them.

    A disk that knows no such permissions (FAT) is left as it is.
    """
    try:
        kept = int(os.environ[USERS_UMASK], 8) & 0o077  # the user's own permissions stay in any case
    except (KeyError, ValueError):
        return
    for path in paths:
        if not path.is_symlink():
            with contextlib.suppress(OSError):
                inherited = path.stat().st_mode & 0o7000  # such as setgid, of a folder in one of a group
                path.chmod(inherited | (0o777 if path.is_dir() else 0o666) & ~kept)


def mode_of(path: Path) -> int | None:
    """The permissions of a file that is to be replaced; None where there is none."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def share_as_before(path: Path, mode: int | None) -> None:
    """Give an exported file the permissions of the one in whose place it is, or, where there was none, as `share`.

    Args:
        path: The file.
        mode: What `mode_of` told of the former one.
    """
    if mode is None:
        share([path])
        return
    with contextlib.suppress(OSError):
        path.chmod(mode)
