"""A control group of Linux that allows a worker only so much memory: beyond it the system ends the worker."""

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

_GROUPS = Path("/sys/fs/cgroup")


class MemoryGroup:
    """Use as a context manager.

    Attributes:
        is_there: Whether one could be made; that needs rights that not every user has.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._is_first_version = (_GROUPS / "memory").is_dir()

    def __enter__(self) -> "MemoryGroup":
        parent = _GROUPS / "memory" if self._is_first_version else _GROUPS
        path = parent / f"apprentice-proof-{os.getpid()}"
        try:
            path.mkdir()
        except OSError:
            return self
        self._path = path
        if not (path / self._limit).is_file():
            self._take_away()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._take_away()

    @property
    def is_there(self) -> bool:
        return self._path is not None

    @property
    def _limit(self) -> str:
        return "memory.limit_in_bytes" if self._is_first_version else "memory.max"

    def allow(self, size: int) -> None:
        """From now on, so many bytes for all in it together."""
        assert self._path is not None
        swap = self._path / ("memory.memsw.limit_in_bytes" if self._is_first_version else "memory.swap.max")
        with contextlib.suppress(OSError):  # where the system has none; lifted first, as it may not be the lower one
            swap.write_text("-1" if self._is_first_version else "max")
        (self._path / self._limit).write_text(str(size))
        with contextlib.suppress(OSError):
            swap.write_text(str(size) if self._is_first_version else "0")

    @contextlib.contextmanager
    def python(self) -> Iterator[None]:
        """Workers that are started meanwhile are in the group from their first moment."""
        assert self._path is not None
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "python"
            script.write_text(f'#!/bin/sh\necho $$ > {self._path}/cgroup.procs\nexec {sys.executable} "$@"\n')
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
            os.environ["APPRENTICE_WORKER_PYTHON"] = str(script)
            try:
                yield
            finally:
                del os.environ["APPRENTICE_WORKER_PYTHON"]

    def _take_away(self) -> None:
        if self._path is not None:
            with contextlib.suppress(OSError):  # one that is busy goes with the machine
                self._path.rmdir()
            self._path = None
