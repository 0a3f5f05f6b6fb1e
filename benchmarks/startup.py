#!/usr/bin/env python3
"""Cold start: from the start of the process until the window is painted and answers.

python benchmarks/startup.py [--runs N]

Beside it the same for a bare PySide6 window with one label: what Python and Qt cost by themselves. Each run is a new
process with a home folder of its own; the file cache is warm, as on any second start.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET_SECONDS = 1.0

# The clock is the system's, so both processes read the same one.
OURS = """
import sys, time
from studio.app import main
def ready():
    print(time.monotonic(), flush=True)
    from PySide6.QtWidgets import QApplication
    from studio.ui.main_window import MainWindow
    for window in QApplication.topLevelWidgets():
        if isinstance(window, MainWindow):
            window.close_without_asking()
raise SystemExit(main([], ready))
"""
BARE = """
import time
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QLabel
application = QApplication([])
class Label(QLabel):
    def paintEvent(self, event):
        super().paintEvent(event)
        QTimer.singleShot(0, ready)
def ready():
    print(time.monotonic(), flush=True)
    application.quit()
label = Label("hello")
label.resize(1280, 800)
label.show()
application.exec()
"""
RUNNER = """
import os, sys, time
print(time.monotonic(), flush=True)
os.execv(sys.executable, [sys.executable, "-P", "-c", sys.argv[1]])
"""


def measure(code: str, home: Path) -> float:
    """Seconds of one start."""
    environment = {**os.environ, "APPRENTICE_HOME": str(home), "PYTHONPATH": str(ROOT)}
    # The first process only reads the clock and becomes the second: its own start is not counted.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RUNNER, code], capture_output=True, text=True, env=environment, timeout=60
    )
    lines = done.stdout.split()
    if len(lines) < 2:
        raise SystemExit(f"the window did not start:\n{done.stderr}")
    return float(lines[1]) - float(lines[0])


def main() -> int:
    """Prints the table; exit code 1 where the median misses the target."""
    parser = argparse.ArgumentParser(description="cold start of the window")
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="apprentice-bench-") as folder:
        home = Path(folder)
        measure(OURS, home)  # first start ever: byte code is written, the starter is looked at
        measure(BARE, home)
        ours = [measure(OURS, home) for _ in range(runs)]
        bare = [measure(BARE, home) for _ in range(runs)]
    print(f"| cold start, {runs} runs | median s | fastest s | slowest s |")
    print("| --- | ---: | ---: | ---: |")
    for name, seconds in (("Apprentice Studio", ours), ("bare PySide6 window", bare)):
        print(f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} | {max(seconds):.2f} |")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"\nTarget: median under {TARGET_SECONDS:.0f} s. Load of this machine: {load:.1f} on {os.cpu_count()} cores.")
    return 0 if statistics.median(ours) < TARGET_SECONDS else 1


if __name__ == "__main__":
    raise SystemExit(main())
