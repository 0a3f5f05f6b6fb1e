"""The real window beside a run of a million steps, for an hour (promise P11, and that nothing leaks).

    python -m tests.faults.soak [--minutes 60] [--steps 1000000] [--json]

A synthetic worker tells of the run through the real wire; the real window follows it with its plots in front. Measured
are the lateness of a 16 ms timer of the window's event loop, the window's memory, open files and threads. All points
of the curves are kept, so memory may grow by what they hold (counted) and by `allowed_mb` for everything else.
"""

import argparse
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil

from tests.faults import report
from tests.faults.screen import ROOT, screen

sys.path.insert(0, str(ROOT / "benchmarks"))

from _lateness import TARGET_P99_MS, Lateness, percentile, wait, wait_until
from responsiveness import BARE

WARM_UP_SHARE = 0.25
SAMPLES = 120
FULL_MINUTES = 50
"""A shorter soak stands among tests that run beside it: on a busy machine its lateness says nothing and is let pass."""
FEW_MINUTES_ALLOW = 3
"""Times the promised lateness in a shorter soak: a slow machine alone comes near the promise itself (2026-11-30: 90 to
105 ms with nothing beside it, bare loop 2 ms), and what it is to find, drawing that takes longer with each point, goes
far beyond. The promise is judged by the full soak and by `bench responsiveness`."""
BUSY_MS = 30.0
"""An empty loop that is later than this (p99) stands on a busy machine."""
ALLOWED_FILES = 3
ALLOWED_THREADS = 1


class Result(msgspec.Struct, kw_only=True):
    """What was measured.

    Attributes:
        minutes: Of the run, as the window saw it.
        steps: Of the run; `behind` of them had not been taken in when the worker had ended.
        p50_ms, p99_ms, worst_ms: Lateness of the event loop, from the first step to the end.
        p99_of_last_quarter_ms: Of the last quarter alone, when there is most to draw.
        bare_p99_ms: Of an empty event loop in a process of its own, beside it: what the machine alone costs.
        warm_mb, end_mb: Memory of the window's process after the warm-up and at the end.
        points_mb: What the points that came between hold.
        files, threads: More at the end than after the warm-up.
    """

    minutes: float = 0.0
    steps: int = 0
    behind: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    worst_ms: float = 0.0
    p99_of_last_quarter_ms: float = 0.0
    bare_p99_ms: float = 0.0
    warm_mb: float = 0.0
    end_mb: float = 0.0
    points_mb: float = 0.0
    files: int = 0
    threads: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether all limits were kept."""
        return not self.faults and self.steps > 0

    def judge(self) -> None:
        """Say which limits were not kept."""
        growth = self.end_mb - self.warm_mb - self.points_mb
        late, is_full = max(self.p99_ms, self.p99_of_last_quarter_ms), self.minutes >= FULL_MINUTES
        is_busy = self.bare_p99_ms > BUSY_MS
        allowed_ms = TARGET_P99_MS if is_full else FEW_MINUTES_ALLOW * TARGET_P99_MS
        allowed_mb = 40.0 if is_full else 10.0  # fragments, and arrays that double in size
        worse = {
            f"the event loop was {late:.0f} ms late (p99)": late > allowed_ms and not is_busy,
            f"the machine was too busy to judge ({self.bare_p99_ms:.0f} ms)": is_full and is_busy,
            f"memory grew by {growth:.0f} MB beside the points": growth > allowed_mb,
            f"{self.files} more files are open": self.files > ALLOWED_FILES,
            f"{self.threads} more threads run": self.threads > ALLOWED_THREADS,
            f"{self.behind} steps were never shown": self.behind > 0,
        }
        self.faults += [words for words, is_so in worse.items() if is_so]


class Sample(msgspec.Struct):
    """The window's process at one moment; memory in MB (million bytes)."""

    rss: float
    points: float
    files: int
    threads: int


def take(curves: Any) -> Sample:
    """Measure now."""
    process = psutil.Process()
    points = sum(len(series) for series in curves.series.values()) * POINT_BYTES
    points += SMOOTHED_CURVES * len(curves.series["loss"]) * SMOOTHED_BYTES
    return Sample(process.memory_info().rss / 1e6, points / 1e6, process.num_fds(), process.num_threads())


POINT_BYTES, SMOOTHED_CURVES, SMOOTHED_BYTES = 24, 3, 8
"""Step, time and value of each point, and what is drawn smoothed beside them: all of it is kept."""


def open_window() -> tuple[Any, Any, Any]:
    """The application, its workplace and the real window with Train in front, after what it does at its start."""
    from PySide6.QtWidgets import QApplication

    from studio.supervisor.workplace import Workplace
    from studio.ui import theme
    from studio.ui.collector import Collector
    from studio.ui.main_window import MainWindow

    application = QApplication([])
    theme.apply(application, "light", 100)
    workplace = Workplace()
    window = MainWindow(workplace)
    window.resize(1280, 800)
    window.show()
    workplace.open()
    Collector(application)
    window.show_page("train")
    wait_until(lambda: workplace.model is not None and workplace.device is not None, "the first tasks", 240)
    wait(2000)
    return application, workplace, window


def soak(minutes: float, steps: int, home: Path) -> Result:
    """See the module's text."""
    from studio.contract import events
    from studio.contract.job import TrainJob

    application, workplace, window = open_window()
    ends: list[object] = []
    workplace.run_event.connect(lambda event: ends.append(event) if isinstance(event, events.FINAL) else None)
    work = TrainJob(name="soak", model="m", model_name="M", dataset="d", dataset_name="D")
    os.environ["APPRENTICE_WORKER_PYTHON"] = str(synthetic_python(home, steps, 60 * minutes))
    workplace.start_training(work)
    feed = window.page("train").feed
    wait_until(lambda: feed.curves.last_step > 0, "the first step", 240)
    clock, result = Lateness(), Result(steps=steps)
    bare_command = [sys.executable, "-P", "-c", BARE, str(60 * minutes)]
    bare = subprocess.Popen(bare_command, stdout=subprocess.PIPE, text=True)
    clock.start()
    began = time.monotonic()
    samples = [take(feed.curves)]
    while not ends and time.monotonic() - began < 90 * minutes + 60:
        wait(round(60_000 * minutes / SAMPLES))
        samples.append(take(feed.curves))
    late = clock.stop()
    result.minutes = round((time.monotonic() - began) / 60, 1)
    result.behind = steps - feed.curves.last_step
    result.bare_p99_ms = round(percentile(json.loads(bare.communicate(timeout=120)[0]), 0.99), 1)
    _measure(result, late, samples)
    wait_until(lambda: workplace.active is None, "the end of the thread", 30)
    window.close_without_asking()
    workplace.close()
    del application
    return result


def synthetic_python(home: Path, steps: int, seconds: float) -> Path:
    """What stands in the interpreter's place: called as the worker is, it tells of a synthetic run instead."""
    script = home / "python"
    script.write_text(
        f'#!/bin/sh\nfor last; do :; done\ncd "{ROOT}"\n'
        f'exec "{sys.executable}" -m tests.faults.synthetic_run --steps {steps} --seconds {seconds} "$last"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def _measure(result: Result, late: list[float], samples: list[Sample]) -> None:
    warm, end = samples[int(WARM_UP_SHARE * len(samples))], samples[-1]
    result.p50_ms, result.p99_ms = round(percentile(late, 0.5), 1), round(percentile(late, 0.99), 1)
    result.worst_ms = round(max(late), 1)
    result.p99_of_last_quarter_ms = round(percentile(late[-len(late) // 4 :], 0.99), 1)
    result.warm_mb, result.end_mb = round(warm.rss), round(end.rss)
    result.points_mb = round(end.points - warm.points, 1)
    result.files, result.threads = end.files - warm.files, end.threads - warm.threads
    result.judge()


def main(words: list[str]) -> int:
    """Print what was measured; 1 where a limit was not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--steps", type=int, default=1_000_000)
    report.add_json(parser)
    arguments = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="apprentice-soak-") as folder, screen():
        os.environ["APPRENTICE_HOME"] = str(Path(folder) / "home")
        result = soak(arguments.minutes, arguments.steps, Path(folder))
    return report.tell(result, arguments.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
