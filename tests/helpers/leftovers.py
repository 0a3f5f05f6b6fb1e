"""What a test must not leave behind: threads, child processes, windows, running timers and Qt threads."""

import gc
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import psutil

GRACE_SECONDS = 5.0


@dataclass
class Leftovers:
    """A snapshot before a test; `found()` says in words what was added and has not ended."""

    with_qt: bool
    threads: set[threading.Thread] = field(default_factory=lambda: set(threading.enumerate()))
    children: set[psutil.Process] = field(default_factory=lambda: set(psutil.Process().children(recursive=True)))
    qt_things: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.with_qt:
            self.qt_things = {id(thing) for thing in [*_windows(), *_running()]}

    def found(self) -> list[str]:
        """One line for each thing left; gives what is on its way out a few seconds to end."""
        deadline = time.monotonic() + GRACE_SECONDS
        found = []
        for thread in set(threading.enumerate()) - self.threads:
            # A Qt thread that ran Python shows as a dummy that never ends; QThread itself is looked at below.
            if isinstance(thread, threading._DummyThread):
                continue
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                found.append(f"thread {thread.name}")
        added = [child for child in psutil.Process().children(recursive=True) if child not in self.children]
        _, alive = psutil.wait_procs(added, timeout=max(0.0, deadline - time.monotonic()))
        for child in alive:
            found.append(f"child process {child.pid}: {_command(child)}")
            child.kill()
        if self.with_qt:
            found += _qt_leftovers(self.qt_things, deadline)
        return found


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "(gone)"


def _windows() -> list[Any]:
    from PySide6.QtWidgets import QApplication

    application = QApplication.instance()
    if not isinstance(application, QApplication):
        return []
    # Qt keeps one tool-tip label of its own.
    return [
        widget
        for widget in QApplication.topLevelWidgets()
        if widget.parent() is None and widget.metaObject().className() != "QTipLabel"
    ]


def _running() -> list[Any]:
    """Timers and Qt threads that run now and that Python knows."""
    import shiboken6
    from PySide6.QtCore import QThread, QTimer

    found: list[Any] = []
    for thing in gc.get_objects():
        kind = type(thing)
        if not issubclass(kind, QTimer | QThread) or not shiboken6.isValid(thing):
            continue
        is_timer = issubclass(kind, QTimer)
        if (is_timer and thing.isActive()) or (not is_timer and thing.isRunning() and not thing.isCurrentThread()):
            found.append(thing)
    return found


def _qt_leftovers(before: set[int], deadline: float) -> list[str]:
    from PySide6.QtCore import QCoreApplication, QEvent, QThread

    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    QCoreApplication.processEvents()
    found = [f"window {widget!r}" for widget in _windows() if id(widget) not in before]
    for thing in _running():
        if id(thing) in before:
            continue
        if isinstance(thing, QThread):
            if not thing.wait(int(1000 * max(0.0, deadline - time.monotonic()))):
                found.append(f"running thread {thing!r}")
        else:
            found.append(f"running timer {thing!r} of {thing.parent()!r}")
    return found
