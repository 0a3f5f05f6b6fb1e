"""A new file that reaches the disk while it is written, so that nobody waits for the disk at its end.

What a program writes lies in the system's cache first, and to ask for it on the disk costs more than to write it: on
2026-12-01 (ext4, two cores) 839 MB through the cache and an fsync took 2.5 s, 2.0 of them of the processor; past the
cache they took 0.5 s and 0.06. So the texts of a large file go past it where the file system lets them (Linux, open(2),
O_DIRECT). What is wanted at once stays in the cache: the beginning, and all the small pieces that say where texts lie.
"""

import mmap
import os
import queue
import threading
from pathlib import Path

_STAGE_BYTES = 4 * 1024 * 1024
"""What is written at once. Whole pages, as O_DIRECT wants of places, sizes and memory."""
_CACHED_BYTES = 64 * 1024 * 1024
"""So much of the beginning goes through the cache; and so much is settled at a time."""
_STAGES = 2
_BULK_BYTES = 256 * 1024
"""A piece that is larger, and so nothing but texts, may go past the cache."""
_PAGE = mmap.PAGESIZE

_Stage = tuple[mmap.mmap, list[tuple[int, int]]]
"""Bytes that follow each other in the file, and which of them, from page to page, may go past the cache."""


class SettledFile:
    """Takes bytes one behind the other; a thread brings them to the disk. What pyarrow needs of a file, no more."""

    def __init__(self, path: Path) -> None:
        """Make the file.

        Args:
            path: Where; nothing may lie there.

        Raises:
            OSError: It cannot be made.
        """
        binary = getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | binary, 0o600)
        self.closed = False
        self._may_pass = self._is_past = False
        self._handed = 0
        self._stage = mmap.mmap(-1, _STAGE_BYTES)  # its memory begins with a page
        self._filled = 0
        self._bulk: list[tuple[int, int]] = []
        self._free: queue.SimpleQueue[mmap.mmap] = queue.SimpleQueue()
        self._full: queue.SimpleQueue[_Stage | None] = queue.SimpleQueue()
        self._fault: BaseException | None = None
        self._thread: threading.Thread | None = None

    def write(self, data: bytes) -> int:
        """Append.

        Raises:
            OSError: These or earlier bytes cannot be written.
        """
        view = memoryview(data).cast("B")
        place = 0
        while place < len(view):
            if self._filled == _STAGE_BYTES:
                self._hand_over()
            number = min(len(view) - place, _STAGE_BYTES - self._filled)
            end = self._filled + number
            self._stage[self._filled : end] = view[place : place + number]
            start, stop = -(-self._filled // _PAGE) * _PAGE, end // _PAGE * _PAGE
            if len(view) >= _BULK_BYTES and start < stop:
                self._bulk.append((start, stop))
            self._filled = end
            place += number
        return len(view)

    def flush(self) -> None:
        """Nothing: only the end counts."""

    def finish(self) -> None:
        """Wait until all bytes are on the disk.

        Raises:
            OSError: They cannot be written.
        """
        self._end_thread()
        self._raise_fault()
        self._pass_cache(False)
        _write_all(self._descriptor, memoryview(self._stage)[: self._filled])
        self._filled = 0
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close it; without `finish` it is cut off somewhere."""
        if self.closed:
            return
        self.closed = True
        self._end_thread()
        os.close(self._descriptor)

    def _hand_over(self) -> None:
        """Give the full stage to the thread and go on with another one."""
        self._raise_fault()
        if self._thread is None:
            for _ in range(_STAGES - 1):
                self._free.put(mmap.mmap(-1, _STAGE_BYTES))
            self._thread = threading.Thread(target=self._work, name="settle")
            self._thread.start()
        self._full.put((self._stage, self._bulk))
        self._stage = self._free.get()
        self._filled, self._bulk = 0, []

    def _end_thread(self) -> None:
        if self._thread is not None:
            self._full.put(None)
            self._thread.join()
            self._thread = None

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _work(self) -> None:
        while (full := self._full.get()) is not None:
            if self._fault is None:
                try:
                    self._settle(*full)
                except BaseException as error:  # noqa: BLE001 - raised again where somebody writes or finishes
                    self._fault = error
            self._free.put(full[0])

    def _settle(self, stage: mmap.mmap, bulk: list[tuple[int, int]]) -> None:
        view, place = memoryview(stage), 0
        for start, stop in bulk if self._may_pass else ():
            self._write_cached(view[place:start])
            self._write_past(view[start:stop], self._handed + start)
            place = stop
        self._write_cached(view[place:])
        self._handed += _STAGE_BYTES
        if self._handed % _CACHED_BYTES == 0:
            os.fsync(self._descriptor)
            self._may_pass = self._may_pass or self._handed == _CACHED_BYTES

    def _write_cached(self, view: memoryview) -> None:
        if view:
            self._pass_cache(False)
            _write_all(self._descriptor, view)

    def _write_past(self, view: memoryview, place: int) -> None:
        """Write at a place of the file past the cache; through it from now on where the file system will not have it,
        of which it may say only now that it wants other places or sizes, or none.
        """
        try:
            self._pass_cache(True)
            _write_all(self._descriptor, view)
        except OSError:
            self._may_pass = False
            self._pass_cache(False)
            os.lseek(self._descriptor, place, os.SEEK_SET)
            _write_all(self._descriptor, view)

    def _pass_cache(self, wanted: bool) -> None:
        if wanted != self._is_past:
            self._is_past = _set_direct(self._descriptor, wanted)


def _set_direct(descriptor: int, wanted: bool) -> bool:
    """Let a file's writing go past the cache, or through it again; whether it goes past it now."""
    direct = getattr(os, "O_DIRECT", 0)
    if not direct:
        return False
    import fcntl  # not on Windows

    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | direct if wanted else flags & ~direct)
    except OSError:  # a file system without it
        return False
    return wanted


def _write_all(descriptor: int, view: memoryview) -> None:
    while view:
        view = view[os.write(descriptor, view) :]
