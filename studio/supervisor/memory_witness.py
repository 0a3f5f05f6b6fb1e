"""Whether a worker that was killed was killed for want of memory: nobody tells its parent, so traces are read.

Linux counts processes that it ended for want of memory: in each control group those that belonged to it (version 2;
some kernels leave the count of version 1 at 0), and in /proc/vmstat those of the whole machine. A count that grew
between the last look at the living worker and its death is the proof; that of the machine is asked only where the
group has none, since it counts others, too. Where no count can be read, memory that was nearly used up when the
worker was last seen makes it likely.
"""

import os
import time
from collections import deque
from pathlib import Path
from typing import Literal

import msgspec
import psutil

from studio.contract.errors import Problem
from studio.contract.memory_fit import gigabytes
from studio.data.host_memory import host_memory

LOW_SHARE = 0.05
LOW_BYTES = 300 * 2**20
"""Less memory than this (or than LOW_SHARE of all, where that is less) is nearly used up."""
LOOK_SECONDS = 1.0
LOOKS = 6
"""So many looks back the counts are compared: a process that is being ended is still there for a moment."""

Found = Literal["killed", "likely", "no"]


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a worker's memory. Bytes.

    Attributes:
        free, total: Of the computer, or of the control group where that allows less.
        used: By the worker.
    """

    free: int
    total: int
    used: int


class Kills(msgspec.Struct, frozen=True, kw_only=True):
    """Processes that were ended for want of memory so far.

    Attributes:
        group: Of those that belonged to the control group; None where that is not counted for sure.
        machine: Of all.
    """

    group: int | None
    machine: int

    def grew(self, earlier: "Kills", same_group: bool) -> bool:
        """Whether one was ended since: of the group where both counted the same, else of the machine."""
        if same_group and self.group is not None and earlier.group is not None:
            return self.group > earlier.group
        return self.machine > earlier.machine


class MemoryWitness:
    """Looks at a worker about once a second; made before the worker is, asked when it is dead."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Args:
        root: Where /proc and /sys are found.
        """
        self._root = root
        self._group: Path | None = None
        self._looked = 0.0
        self._own_group = self._group_of(os.getpid())
        self._before = self._kills(self._own_group)
        self._earlier: deque[Kills] = deque(maxlen=LOOKS)
        self.seen: Sight | None = None

    def look(self, pid: int) -> None:
        """See how a living worker does; a look that comes too soon costs nothing."""
        if self.seen is not None and time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            used = psutil.Process(pid).memory_info().rss
        except psutil.Error:
            return  # it is dead already: what was seen before counts
        group = self._group_of(pid)
        if group is not None and group != self._group:
            self._group = group
            self._earlier.clear()  # the counts of another group say nothing
        total, free = host_memory()
        most, inside = self._limit()
        if 0 < most < total:
            total, free = most, min(free, max(0, most - inside))
        self.seen = Sight(free=free, total=total, used=used)
        self._earlier.append(self._kills(self._group))

    def found(self) -> Found:
        """What can be said now that the worker is dead."""
        now = self._kills(self._group)
        if len(self._earlier) < LOOKS and now.grew(self._before, same_group=self._group == self._own_group):
            return "killed"  # so soon that it was hardly seen, or only when it was being ended already
        if self.seen is None:
            return "no"
        if now.grew(self._earlier[0], same_group=True):
            return "killed"
        return "likely" if self.seen.free < min(LOW_BYTES, LOW_SHARE * self.seen.total) else "no"

    def problem(self, details: str) -> Problem | None:
        """Why a killed worker was killed, where memory was the reason."""
        found, seen = self.found(), self.seen
        if found == "no":
            return None
        why = "It had hardly begun."
        if seen is not None:
            why = f"When it was last seen it held {gigabytes(seen.used)}, and {gigabytes(seen.free)} of "
            why += f"{gigabytes(seen.total)} were free."
        return Problem(
            code="memory.host_killed",
            what="The computer's memory ran out, and the system ended the trainer."
            if found == "killed"
            else "The trainer was killed, most likely because the computer's memory ran out.",
            why=why,
            fix="Change the settings so that the run needs less memory, or close other programs; then go on from the "
            "last checkpoint.",
            details=details,
        )

    def free_told(self) -> str:
        """How much was free when the worker was last seen; empty where it never was."""
        return gigabytes(self.seen.free) if self.seen is not None else ""

    # --- what Linux tells -----------------------------------------------------------------------------------

    def _group_of(self, pid: int) -> Path | None:
        """The folder of the worker's control group that counts memory."""
        groups = self._root / "sys/fs/cgroup"
        for line in _lines(self._root / f"proc/{pid}/cgroup"):
            number, _, rest = line.partition(":")
            kinds, _, path = rest.partition(":")
            if "memory" in kinds.split(","):
                tops = [groups / "memory"]
            elif number == "0":
                tops = [groups, groups / "unified"]
            else:
                continue
            for top in tops:
                # Inside a container the path may be the host's, which is not to be seen here: then the top is ours.
                for folder in (top / path.lstrip("/"), top):
                    if (folder / "memory.events").is_file() or (folder / "memory.oom_control").is_file():
                        return folder
        return None

    def _kills(self, group: Path | None) -> Kills:
        inside = _count(group / "memory.events") if group is not None else None
        return Kills(group=inside, machine=_count(self._root / "proc/vmstat") or 0)

    def _limit(self) -> tuple[int, int]:
        """What the control group allows and what it holds; 0 where it allows everything."""
        if self._group is None:
            return 0, 0
        for most, held in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            limit, usage = _number(self._group / most), _number(self._group / held)
            if limit:
                # Files that the system keeps in memory make room when it is wanted: they are not held.
                told = [line.split() for line in _lines(self._group / "memory.stat")]
                cached = max((int(size) for name, size in told if name.endswith("inactive_file")), default=0)
                return limit, max(0, usage - cached)
        return 0, 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def _count(path: Path) -> int | None:
    """None where it is not counted."""
    return next((int(line.split()[1]) for line in _lines(path) if line.startswith("oom_kill ")), None)


def _number(path: Path) -> int:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else 0
