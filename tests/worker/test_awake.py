"""The computer stays awake for a run, and a sleep is told."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.contract.events import Event, Notice
from studio.worker import awake

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks systemd-logind")

ASKER = """#!/bin/sh
echo "$@" > {folder}/asked
echo $$ > {folder}/pid
exec cat
"""


@pytest.fixture
def asker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemd-inhibit that writes down what it was asked for."""
    (tmp_path / "systemd-inhibit").write_text(ASKER.format(folder=tmp_path))
    (tmp_path / "systemd-inhibit").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pid_in(folder: Path) -> int:
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        if (folder / "pid").is_file() and (text := (folder / "pid").read_text()).endswith("\n"):
            return int(text)
    raise AssertionError("nobody was asked")


def test_the_system_is_asked_for_the_length_of_a_run(asker: Path) -> None:
    with awake.kept_awake() as asked:
        pid = pid_in(asker)
        assert asked
        assert is_alive(pid)
    assert not is_alive(pid)
    assert "--what=sleep:idle --mode=block" in (asker / "asked").read_text()


def test_a_killed_worker_lets_the_computer_sleep_again(asker: Path) -> None:
    code = "import sys\nfrom studio.worker import awake\nwith awake.kept_awake():\n    sys.stdin.read()\n"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as worker:
        pid = pid_in(asker)
        worker.send_signal(signal.SIGKILL)
    ends = time.monotonic() + 30
    while is_alive(pid) and time.monotonic() < ends:
        pass
    assert not is_alive(pid)


def test_where_nobody_can_be_asked_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with awake.kept_awake() as asked:
        assert not asked


def test_a_sleep_is_told_once_and_a_busy_moment_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = [100.0]
    monkeypatch.setattr(awake, "_slept_seconds", lambda: slept[0])
    told: list[Event] = []
    watch = awake.SleepWatch(told.append)
    watch.look()
    slept[0] += 5
    watch.look()
    assert told == []
    slept[0] += 600
    watch.look()
    watch.look()
    (notice,) = told
    assert isinstance(notice, Notice)
    assert "slept for 10 minutes" in notice.problem.what
