"""How long something takes, on a machine that others use too."""

import os
import time

import psutil


class Stopwatch:
    """Runs from its making on.

    `seconds` is the wall clock. `own_seconds` is what the wall clock would have shown had nobody else used the
    processors: the core-seconds that other processes (and the hypervisor) took are taken off, spread over all cores.
    Waiting and idle cores stay counted as ours, so on an idle machine both are the same, and more work of our own, or
    a longer wait, makes both longer. It is kinder than the truth only where others took a core that we could not have
    used, and never kinder than our own processor time divided by the cores.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy, self._own = _busy_seconds(), _own_seconds()

    @property
    def seconds(self) -> float:
        """By the wall clock."""
        return time.monotonic() - self._began

    @property
    def own_seconds(self) -> float:
        """By the wall clock without the others' share."""
        others = (_busy_seconds() - self._busy) - (_own_seconds() - self._own)
        return self.seconds - max(0.0, others) / (os.cpu_count() or 1)


def _busy_seconds() -> float:
    """Core-seconds that this machine's processors worked, or were taken away by its host."""
    times = psutil.cpu_times()._asdict()
    return sum(times.get(name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal"))


def _own_seconds() -> float:
    """Core-seconds of this process and all its descendants, those that have ended included."""
    total = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + getattr(times, "children_user", 0) + getattr(times, "children_system", 0)
    return total
