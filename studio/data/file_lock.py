"""A lock that processes share: held through an open file, so that the system lets it go with whoever held it."""

import os
import sys
import threading
from pathlib import Path

_POLL_SECONDS = 0.02


class FileLock:
    """Held from a successful `take` until `release`; may be released by another thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def take(self, wait_seconds: float = 0.0) -> bool:
        """Get it, waiting at most so long; False where another process (or another lock object) holds it.

        Raises:
            OSError: The file cannot be opened.
        """
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        tries = max(1, round(wait_seconds / _POLL_SECONDS))
        for number in range(tries):
            if _lock(handle):
                self._handle = handle
                return True
            if number + 1 < tries:
                threading.Event().wait(_POLL_SECONDS)
        os.close(handle)
        return False

    def release(self) -> None:
        """Let go; nothing happens where it is not held."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)  # which ends the lock


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
