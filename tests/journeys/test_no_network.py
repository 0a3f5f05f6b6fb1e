"""A whole journey where there is no network, watched by strace: nothing connects, nothing listens (P19)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import network
from tests.helpers.shared_data import PROJECT

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or bool(network.missing()), reason=f"needs a namespace and strace: {network.missing()}"
)


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("s.connect_ex(('192.0.2.1', 80))", "connected"),
        ("s.bind(('127.0.0.1', 0))", "listening"),
        ("s.bind(('127.0.0.1', 0)); s.listen()", "listening"),
        ("s.connect_ex(('127.0.0.1', 9))", "loopback"),
    ],
)
def test_the_watcher_sees_what_it_is_there_for(tmp_path: Path, code: str, count: str) -> None:
    log, result = tmp_path / "log", network.Result()
    network.trace([sys.executable, "-c", f"import socket; s = socket.socket(); {code}"], log, screen=False)
    network.judge(log, result)
    assert getattr(result, count) >= 1
    assert bool(result.faults) == (count != "loopback")


@pytest.mark.slow
def test_the_journeys_of_window_and_command_line_ask_for_no_network() -> None:
    command = [sys.executable, "-m", "tests.faults.network", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), cwd=PROJECT, check=False)
    result = json.loads(done.stdout)
    assert result["faults"] == [], done.stderr
    assert (result["connected"], result["listening"]) == (0, 0)
    assert result["calls"] > 20  # X11's sockets, if nothing else: the watcher watched
