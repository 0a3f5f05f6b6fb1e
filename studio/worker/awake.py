"""A run keeps the computer awake, and notices when it slept all the same."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from studio.contract.control import Emit
from studio.contract.errors import Problem
from studio.contract.events import Notice

MISSED_SECONDS = 30.0
"""A shorter gap is a busy computer."""


@contextlib.contextmanager
def kept_awake() -> Iterator[bool]:
    """Ask the system not to sleep by itself within the block; gives whether it could be asked.

    The screen may go dark. Whoever closes the lid or chooses "suspend" is obeyed. Linux: a lock of systemd-logind,
    held by a child that ends with this process, however that ends; macOS: caffeinate; Windows:
    SetThreadExecutionState.
    """
    if sys.platform == "win32":
        with _windows_awake() as asked:
            yield asked
        return
    if sys.platform == "darwin":
        command = ["caffeinate", "-i", "-w", str(os.getpid())]
    else:
        what = ["--what=sleep:idle", "--mode=block", "--who=Apprentice Studio", "--why=A model is being trained"]
        command = ["systemd-inhibit", *what, "cat"]  # cat ends when our end of its pipe goes
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError:  # no such program: there is nobody to ask
        yield False
        return
    try:
        yield True
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.terminate()
        child.wait()


@contextlib.contextmanager
def _windows_awake() -> Iterator[bool]:
    import ctypes

    continuous, system_required = 0x80000000, 0x00000001
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore] # only there
    asked = bool(kernel.SetThreadExecutionState(continuous | system_required))
    try:
        yield asked
    finally:
        kernel.SetThreadExecutionState(continuous)


class SleepWatch:
    """Tells when the computer slept: the clock that goes on in sleep runs ahead of the one that stands still."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._ahead = _slept_seconds()

    def look(self) -> None:
        """To be called now and then; tells of each sleep once."""
        ahead = _slept_seconds()
        missed, self._ahead = ahead - self._ahead, ahead
        if missed < MISSED_SECONDS:
            return
        woke = time.strftime("%H:%M")
        slept = f"{missed / 60:.0f} minutes" if missed >= 90 else f"{missed:.0f} seconds"
        problem = Problem(
            code="run.slept",
            what=f"The computer slept for {slept}, until {woke}; the run went on afterwards.",
            why="A run is paused while the computer sleeps, and a graphics card may be lost by it.",
            fix="If the run fails now, resume it from its last checkpoint. Leave the lid open while a run goes on.",
        )
        self._emit(Notice(problem=problem))


def _slept_seconds() -> float:
    """Seconds of sleep since the computer was started; 0 where no clock tells."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    return 0.0
