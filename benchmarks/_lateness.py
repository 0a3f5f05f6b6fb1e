"""How late the window's event loop is: a precise timer asks to be called every 16 ms."""

from __future__ import annotations

import time
from collections.abc import Callable

INTERVAL_MS = 16
TARGET_P99_MS = 100.0
TARGET_MAX_MS = 250.0
"""A freeze is one late tick, however long it is: the percentile alone would not tell it (RELIABILITY.md, P11)."""


def percentile(values: list[float], share: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def is_smooth(late: list[float]) -> bool:
    """Whether both targets are met."""
    return percentile(late, 0.99) <= TARGET_P99_MS and max(late) <= TARGET_MAX_MS


def row(name: str, late: list[float]) -> str:
    """One row of a table: median, 95th and 99th percentile, the worst, in ms, and the number of ticks."""
    figures = [percentile(late, share) for share in (0.5, 0.95, 0.99)]
    return f"| {name} | " + " | ".join(f"{value:.1f}" for value in [*figures, max(late)]) + f" | {len(late)} |"


HEAD = """| lateness of a 16 ms timer | p50 ms | p95 ms | p99 ms | max ms | ticks |
| --- | ---: | ---: | ---: | ---: | ---: |"""


class Lateness:
    """The clock; needs a QApplication.

    Attributes:
        late: Milliseconds too late, a tick each, since `start`.
    """

    def __init__(self) -> None:
        from PySide6.QtCore import Qt, QTimer

        self.late: list[float] = []
        self._last = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Forget what was, and measure."""
        self.late = []
        self._last = time.perf_counter()
        self._timer.start(INTERVAL_MS)

    def stop(self) -> list[float]:
        """What was measured."""
        self._timer.stop()
        return self.late

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, (now - self._last) * 1000 - INTERVAL_MS))
        self._last = now


def wait(milliseconds: int) -> None:
    """Let the window go on."""
    from PySide6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def wait_until(condition: Callable[[], bool], what: str, seconds: float, every_ms: int = 50) -> None:
    """Let the window go on until something holds.

    Raises:
        SystemExit: It did not in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {seconds:.0f} s")
        wait(every_ms)
