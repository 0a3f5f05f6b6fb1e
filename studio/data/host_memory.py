"""The computer's own memory: what there is, what is free, and what this process has taken at its peak."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

import psutil

LIMIT = "APPRENTICE_MEMORY_GB"
"""Environment variable: plan as if the computer had no more than this (to leave room for other programs)."""
_STATUS = Path("/proc/self/status")


class HostMemory(NamedTuple):
    """Bytes."""

    total: int
    free: int


def host_memory(own_bytes: int = 0) -> HostMemory:
    """What there is.

    Args:
        own_bytes: Taken by the process that asks and will train: to the run that is as good as free.
    """
    told = psutil.virtual_memory()
    total, free = int(told.total), int(told.available) + own_bytes
    limit = limit_bytes()
    return HostMemory(min(total, limit), min(free, limit)) if limit else HostMemory(total, free)


def limit_bytes() -> int:
    """What APPRENTICE_MEMORY_GB says, in bytes; 0 where it says nothing usable."""
    try:
        limit = float(os.environ.get(LIMIT, ""))
    except ValueError:
        return 0
    return int(limit * 2**30) if limit > 0 else 0


def resident_bytes() -> int:
    """Memory of this process now."""
    return int(psutil.Process().memory_info().rss)


def peak_bytes() -> int:
    """Largest memory of this process since it began, or since `restart_peak` where the system can do that."""
    if sys.platform.startswith("linux"):
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def restart_peak() -> bool:
    """Begin to look for the peak anew; False where the system knows only the peak since the process began."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True
