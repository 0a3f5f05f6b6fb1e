"""Events out: one JSON line each, to the window's pipe and to events.jsonl; heartbeats beside them.

The worker duplicates fd 1 for events and points fd 1 at stderr, so that a library's print cannot corrupt the wire.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import msgspec

from studio.contract import events
from studio.contract.run_folder import RunFolder
from studio.data.run_record import open_record
from studio.data.worker_lock import write_lock
from studio.worker.awake import SleepWatch

HEARTBEAT_SECONDS = 1.0
END_PATIENCE_SECONDS = 5.0
"""So long a worker that is done waits for a disk that does not take its last words."""

MOST_UNWRITTEN_BYTES = 32 * 1024 * 1024
"""So much waits for a disk that cannot be written; a run that pauses says little."""

LARGEST_LOG_BYTES = 50 * 1024 * 1024
"""A library that prints without end must not fill the disk; of a longer log the end is kept."""
KEPT_LOG_BYTES = 1024 * 1024

_ONLY_LIVE = (events.Heartbeat, events.ReplyPiece, events.RowsShown)
"""Not kept in events.jsonl: of no use once the moment is over."""


def take_standard_output() -> int:
    """A private duplicate of fd 1; from here on everything printed goes to stderr.

    Returns:
        The file descriptor for events.
    """
    wire = os.dup(1)
    os.dup2(2, 1)
    return wire


def cap_log(path: Path) -> None:
    """Cut a log that has grown too long to its end. Whoever writes goes on behind it, as logs are opened to append."""
    try:
        size = path.stat().st_size
        if size <= LARGEST_LOG_BYTES:
            return
        with path.open("r+b") as file:
            file.seek(size - KEPT_LOG_BYTES)
            end = file.read()
            file.seek(0)
            file.truncate()
            file.write(b"(The beginning of this log was left out: it was too long.)\n" + end)
    except OSError:
        return  # a full disk, say: the next heartbeat tries again


def say_only(descriptor: int | None, *said: events.Event) -> None:
    """Send events to whoever listens, where no record can be kept."""
    if descriptor is not None:
        with contextlib.suppress(OSError):  # the window is gone, too
            os.write(descriptor, b"".join(events.encode(msgspec.structs.replace(one, at=time.time())) for one in said))


class Wire:
    """Sends events; safe to call from several threads.

    The window may go away at any time: a broken pipe is remembered in `window_gone`, and events.jsonl goes on.
    """

    def __init__(self, folder: RunFolder, descriptor: int | None) -> None:
        """Args:
        folder: The job's folder; its events.jsonl is appended to.
        descriptor: Where live lines go; None: nowhere.
        """
        self._folder = folder
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._unwritten = bytearray()
        self._record, self._times = open_record(folder)
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)
        self.window_gone = False
        self.on_window_gone: Callable[[], None] = lambda: None

    def __enter__(self) -> "Wire":
        write_lock(self._folder, os.getpid())
        self._beat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._beat.join()
        ends = time.monotonic() + END_PATIENCE_SECONDS
        with self._lock:
            self._write_record()
            while self._unwritten and time.monotonic() < ends:
                time.sleep(0.2)
                self._write_record()
        if self._unwritten:
            with contextlib.suppress(OSError):  # the log lies on the same disk
                print("The disk did not take the last words of this run; its folder lacks them.", file=sys.stderr)
                sys.stderr.flush()
        self._folder.lock.unlink(missing_ok=True)
        os.close(self._record)

    @property
    def is_recorded(self) -> bool:
        """Whether all that was said lies in events.jsonl; what a full disk refused to the end is lost."""
        return not self._unwritten

    def emit(self, event: events.Event) -> None:
        """Send one event, stamped with the time."""
        with self._lock:
            line = events.encode(msgspec.structs.replace(event, at=self._times.next()))
            if not isinstance(event, _ONLY_LIVE):
                self._unwritten += line
            self._write_record()
            self._send(line)

    def _write_record(self) -> None:
        """Append what is not on the disk yet. On a full or failing disk it waits in memory for the next event.

        A run must be able to say that the disk is full while the disk is full.
        """
        try:
            while self._unwritten:
                del self._unwritten[: os.write(self._record, self._unwritten)]
        except OSError:
            if len(self._unwritten) > MOST_UNWRITTEN_BYTES:
                raise

    def _send(self, line: bytes) -> None:
        if self._descriptor is None or self.window_gone:
            return
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:  # a broken pipe: the window is gone
            self.window_gone = True
            self.on_window_gone()

    def _beat_on(self) -> None:
        watch = SleepWatch(self.emit)
        while not self._ended.wait(HEARTBEAT_SECONDS):
            watch.look()
            cap_log(self._folder.log)
            self._touch_lock()
            self.emit(events.Heartbeat())

    def _touch_lock(self) -> None:
        """A window that follows the files sees by it that the worker lives."""
        try:
            os.utime(self._folder.lock)
        except OSError:  # somebody took it away, or the disk fails: a sign of life is worth a second try
            write_lock(self._folder, os.getpid())
