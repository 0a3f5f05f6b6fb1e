#!/usr/bin/env python3
"""How late the window's event loop is, idle and while a real run trains on the same machine.

python benchmarks/responsiveness.py [--seconds N]

A precise timer asks to be called every 16 ms; its lateness is what a user feels. The run is the sample, started
as "Try it now" does, with the Train page and its live plots in front. Beside the window a bare Qt event loop in a
process of its own is measured at the same time: what the system's scheduler alone costs on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _lateness import HEAD, TARGET_MAX_MS, TARGET_P99_MS, Lateness, is_smooth, row, wait, wait_until

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PATIENCE_SECONDS = 180

BARE = """
import json, sys, time
from PySide6.QtCore import QCoreApplication, QTimer, Qt
application = QCoreApplication([])
late, last = [], time.perf_counter()
def tick():
    global last
    now = time.perf_counter()
    late.append(max(0.0, (now - last) * 1000 - 16))
    last = now
timer = QTimer()
timer.setTimerType(Qt.TimerType.PreciseTimer)
timer.timeout.connect(tick)
timer.start(16)
QTimer.singleShot(int(float(sys.argv[1]) * 1000), application.quit)
application.exec()
print(json.dumps(late))
"""


def main() -> int:
    """Prints the table; exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(description="event-loop lateness")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each phase")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="apprentice-bench-") as folder:
        os.environ["APPRENTICE_HOME"] = folder
        phases = measure(seconds)
    print(HEAD)
    for name, late in phases.items():
        print(row(name, late))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"\nTargets: p99 at most {TARGET_P99_MS:.0f} ms, worst at most {TARGET_MAX_MS:.0f} ms.")
    print(f"Load at the end: {load:.1f} on {os.cpu_count()} cores.")
    ours = [late for name, late in phases.items() if name.startswith("window")]
    return 0 if all(is_smooth(late) for late in ours) else 1


def measure(seconds: float) -> dict[str, list[float]]:
    """Lateness in milliseconds of each phase."""
    from PySide6.QtWidgets import QApplication

    from studio.contract import events
    from studio.supervisor.workplace import Workplace
    from studio.ui import theme
    from studio.ui.collector import Collector
    from studio.ui.main_window import MainWindow

    application = QApplication([])
    theme.apply(application)
    Collector(application)
    workplace = Workplace()
    window = MainWindow(workplace)
    window.show()
    workplace.open()
    clock = Lateness()

    def phase() -> tuple[list[float], list[float]]:
        command = [sys.executable, "-P", "-c", BARE, str(seconds)]
        bare = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        clock.start()
        wait(round(seconds * 1000))
        ours = clock.stop()
        wait(1000)
        return ours, json.loads(bare.communicate(timeout=60)[0])

    wait(3000)
    idle, idle_bare = phase()
    steps: list[int] = []
    problems: list[str] = []

    def on_event(event: object) -> None:
        if isinstance(event, events.Step):
            steps.append(event.step)
        elif isinstance(event, events.Failed):
            problems.append(event.problem.sentence())

    workplace.run_event.connect(on_event)
    window.page("home").start()
    try:
        wait_until(lambda: bool(steps or problems), "the first step", PATIENCE_SECONDS)
        if problems:
            raise SystemExit(f"the run did not start: {problems[0]}")
        before = len(steps)
        busy, busy_bare = phase()
        if len(steps) == before:
            raise SystemExit("the run made no step while it was measured")
    finally:
        workplace.stop(save=False)
        try:
            wait_until(lambda: workplace.active is None, "the end of the run", PATIENCE_SECONDS)
        finally:
            workplace.force_stop()  # does nothing where the run has ended
            window.close_without_asking()
    return {
        "window, idle": idle,
        "bare loop, idle": idle_bare,
        "window, run training": busy,
        "bare loop, run training": busy_bare,
    }


if __name__ == "__main__":
    raise SystemExit(main())
