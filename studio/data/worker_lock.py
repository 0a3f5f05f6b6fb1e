"""Which process works on a folder: its lock file, which tells that very process from a later one of the same number."""

import os
from pathlib import Path

import msgspec
import psutil

from studio.contract.run_folder import RunFolder

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Lock(msgspec.Struct, frozen=True, omit_defaults=True):
    """Content of worker.lock: a pid alone could belong to another process by now.

    Attributes:
        pid: Of the worker.
        started: Seconds since the epoch, by the clock of then: where the clock is set, it differs from what is read
            later, so it counts only where there is nothing better.
        ticks: Start of the process since the computer's, which no clock changes; 0: not known (Linux only).
        boot: Which start of the computer that was.
    """

    pid: int
    started: float
    ticks: int = 0
    boot: str = ""


def lock_of(pid: int) -> Lock:
    """The lock of a process that lives.

    Raises:
        psutil.NoSuchProcess: It does not.
    """
    return Lock(pid=pid, started=psutil.Process(pid).create_time(), ticks=_ticks(pid), boot=_boot())


def write_lock(folder: RunFolder, pid: int) -> None:
    """Say in the folder which process works on it."""
    try:
        content = msgspec.json.encode(lock_of(pid))
    except psutil.NoSuchProcess:
        return
    handle = os.open(folder.lock, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def living_worker(folder: RunFolder) -> psutil.Process | None:
    """The process that works on a folder now, or None."""
    try:
        lock = msgspec.json.decode(folder.lock.read_bytes(), type=Lock)
        process = psutil.Process(lock.pid)
        if _is_same(lock, process) and process.status() != psutil.STATUS_ZOMBIE:
            return process
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, psutil.Error):
        return None
    return None


def _is_same(lock: Lock, process: psutil.Process) -> bool:
    if lock.ticks:
        return (lock.ticks, lock.boot) == (_ticks(lock.pid), _boot())
    return bool(abs(process.create_time() - lock.started) < 2)


def _ticks(pid: int) -> int:
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    fields = told.rpartition(b")")[2].split()  # the name before it may hold spaces and brackets
    return int(fields[19]) if len(fields) > 19 else 0


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""
