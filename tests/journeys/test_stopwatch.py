"""The stopwatch takes off what others took, and nothing of our own."""

import os
import subprocess
import sys

import pytest

from tests.journeys.stopwatch import Stopwatch

BUSY = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"


def work(seconds: float) -> None:
    subprocess.run([sys.executable, "-c", BUSY.format(seconds=seconds)], check=True)


def test_work_of_our_own_children_is_not_taken_off() -> None:
    watch = Stopwatch()
    work(1.0)
    assert watch.own_seconds > 0.9 / (os.cpu_count() or 1)  # the system counts in hundredths of a second
    assert watch.own_seconds <= watch.seconds


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="how to be somebody else's child is known for Linux")
def test_work_of_others_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.journeys.stopwatch._own_seconds", lambda: 0.0)  # the child is a stranger then
    watch = Stopwatch()
    work(1.0)
    assert watch.own_seconds < watch.seconds - 0.8 / (os.cpu_count() or 1)
