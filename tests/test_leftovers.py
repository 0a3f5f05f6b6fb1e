"""The check that runs after every test: it must see what it is there for, and let pass what is in order."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QMutex, QThread, QTimer
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from tests.helpers import leftovers
from tests.helpers.leftovers import Leftovers


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Looks at once; what a test here leaves, it also ends."""
    with monkeypatch.context() as patched:
        patched.setattr(leftovers, "GRACE_SECONDS", 0.1)
        yield


class HeldThread(QThread):
    """Runs until its gate is unlocked."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = QMutex()
        self.gate.lock()

    def run(self) -> None:
        self.gate.lock()
        self.gate.unlock()


def test_a_thread_that_goes_on_is_found() -> None:
    before, gate = Leftovers(with_qt=False), threading.Event()
    thread = threading.Thread(target=gate.wait, name="left-thread")
    thread.start()
    assert before.found() == ["thread left-thread"]
    gate.set()
    thread.join()
    assert before.found() == []


def test_a_child_process_that_goes_on_is_found_and_ended() -> None:
    before = Leftovers(with_qt=False)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        (found,) = before.found()
        assert found.startswith(f"child process {child.pid}: ")
        assert child.wait() != 0


def test_a_running_timer_without_an_owner_is_found_and_a_stopped_one_is_not(qapp: QApplication) -> None:
    before = Leftovers(with_qt=True)
    timer = QTimer()
    timer.start(1000)
    (found,) = before.found()
    assert found.startswith("running timer")
    assert Leftovers(with_qt=True).found() == []  # was there before
    timer.stop()
    assert before.found() == []


def test_a_window_without_an_owner_is_found_and_one_given_to_qtbot_is_not(qtbot: QtBot) -> None:
    before = Leftovers(with_qt=True)
    window = QWidget()
    (found,) = before.found()
    assert found.startswith("window")
    window.deleteLater()
    assert before.found() == []


def test_a_qt_thread_that_goes_on_is_found(qapp: QApplication) -> None:
    before = Leftovers(with_qt=True)
    thread = HeldThread()
    thread.start()
    (found,) = before.found()
    assert found.startswith("running thread")
    thread.gate.unlock()
    assert thread.wait()
    assert before.found() == []


def test_an_internet_connection_is_refused_and_remembered() -> None:
    from tests import conftest

    with pytest.raises(PermissionError, match="works offline"):
        socket.socket()
    assert len(conftest._connections) == 1
    conftest._connections.clear()


def test_a_pipe_on_this_machine_is_no_internet_connection() -> None:
    from tests import conftest

    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"x")
        assert other.recv(1) == b"x"
    assert conftest._connections == []
