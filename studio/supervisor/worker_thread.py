"""The QThread that owns one worker process, or follows the files of one that another window started."""

import contextlib
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from typing import IO

import msgspec
import psutil
from PySide6.QtCore import QObject, QThread, Signal

from studio.contract import commands, events, job
from studio.contract.errors import Problem
from studio.contract.run_folder import RunFolder
from studio.data import run_history, run_record
from studio.data.run_record import Times
from studio.supervisor import deaths, processes
from studio.supervisor.memory_witness import MemoryWitness

SILENCE_SECONDS = 55
"""After this long without any sign of life a worker is shown as "not answering": within a minute of the last one, the
second between two looks and that between two heartbeats included."""

_POLL_SECONDS = 0.1


class TrainerThread(QThread):
    """Runs one job in a worker process and hands on its events.

    `event_received` carries every event of the contract (heartbeats excepted) in order. A training run's thread ends
    after exactly one final event: where the worker dies without one, a `Failed` is made from its exit code and log.

    Attributes:
        on_started: Called in the thread once the worker's lock lies in the folder, or will never lie there.
    """

    event_received = Signal(object)

    def __init__(
        self, folder: RunFolder, work: job.Job | None = None, attach: bool = False, parent: QObject | None = None
    ) -> None:
        """Args:
        folder: The job's folder.
        work: Saved as job.json before the start; None keeps the job.json that is there (resume).
        attach: Follow a worker that runs already instead of starting one.
        """
        super().__init__(parent)
        self.folder = folder
        self._work = work
        self._attach = attach
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._let_go = threading.Event()
        self._told_to_stop = False
        self._forced = False
        self._final: events.AnyEvent | None = None
        self.on_started: Callable[[], None] = lambda: None
        self._last_sign = time.monotonic()
        self._last_beat = 0.0
        self._times = Times()
        self._witness = MemoryWitness()
        if not attach:
            # Commands of an earlier worker are not for this one. Done here and not when the process starts, so that
            # a command that is sent meanwhile is not lost.
            folder.commands.unlink(missing_ok=True)

    # --- called from the window -------------------------------------------------------------------------

    def send(self, command: commands.Command) -> None:
        """Hand a command to the worker; takes effect at its next step."""
        if isinstance(command, commands.Stop):
            self._told_to_stop = True
        commands.append(self.folder.commands, command)

    def force_stop(self) -> None:
        """End the worker's whole process tree now. What it had saved stays."""
        self._forced = True
        process = self.worker()
        if process is not None:
            processes.kill_tree(process)

    def let_go(self) -> None:
        """Stop following; the worker goes on by itself."""
        self._let_go.set()

    def close(self, grace_seconds: float = 3.0) -> None:
        """End a service worker (chat, preview) and this thread; a worker that does not end in time is killed."""
        if self.isRunning():
            self.send(commands.Stop(save=False))
            if not self.wait(int(grace_seconds * 1000)):
                self.force_stop()
                self.wait()

    @property
    def told_to_stop(self) -> bool:
        """Whether somebody has asked for its end."""
        return self._told_to_stop

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last sign of life."""
        return time.monotonic() - self._last_sign

    def worker(self) -> psutil.Process | None:
        """The worker's process while it lives."""
        if self._process is not None and self._process.poll() is None:
            try:
                return psutil.Process(self._process.pid)
            except psutil.NoSuchProcess:
                return None
        return run_history.living_worker(self.folder)

    # --- the thread -------------------------------------------------------------------------------------

    def run(self) -> None:
        """Start or find the worker, hand on its events until it ends."""
        if self._attach:
            self._follow_files()
            return
        try:
            if self._work is not None:
                job.save(self._work, self.folder.job)
            self._process = processes.start_worker(self.folder)
        except OSError as error:
            self._end_with(
                Problem(
                    code="worker.cannot_start",
                    what="The trainer could not be started.",
                    why=str(error),
                    fix="Check free disk space, or reinstall the program.",
                )
            )
            return
        finally:
            self.on_started()
        assert self._process.stdout is not None
        # A plain thread reads the pipe, so that this one can let go at any time, on every platform.
        reader = threading.Thread(target=_read_lines, args=(self._process.stdout, self._lines), daemon=True)
        reader.start()
        while not self._let_go.is_set():
            self._witness.look(self._process.pid)
            try:
                line = self._lines.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if line is None:
                self._finish(self._process.wait())
                return
            self._read(line)

    def _follow_files(self) -> None:
        self.folder.events.touch(mode=0o600)
        with self.folder.events.open("rb") as file:
            rest = b""
            while not self._let_go.is_set():
                worker = run_history.living_worker(self.folder)  # asked before reading: nothing is missed
                if worker is not None:
                    self._witness.look(worker.pid)
                chunk = file.read()
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._read(line)
                self._feel_beat()
                if self._final is not None or (worker is None and not chunk):
                    self._finish(None)
                    return
                if not chunk:
                    self.msleep(int(_POLL_SECONDS * 1000))

    def _feel_beat(self) -> None:
        """The worker touches its lock with each heartbeat: that it changes matters, not what the clock says."""
        try:
            beat = os.stat(self.folder.lock).st_mtime
        except OSError:
            return
        if beat != self._last_beat:
            self._last_beat, self._last_sign = beat, time.monotonic()

    def _read(self, line: bytes) -> None:
        try:
            event = events.decode(line)
        except msgspec.DecodeError as error:
            event = events.Notice(
                problem=Problem(
                    code="worker.unreadable_line",
                    what="A message of the trainer could not be read.",
                    why=str(error),
                    details=line[:500].decode("utf-8", errors="replace"),
                )
            )
        self._last_sign = time.monotonic()
        self._times = Times(event.at)
        if isinstance(event, events.Hello):
            self._final = None  # a resumed run's file holds the end of its earlier part
        if isinstance(event, events.Hello) and event.protocol != events.PROTOCOL:
            event = self._failed(_other_protocol(event.protocol))
            self.force_stop()
        if not isinstance(event, events.Heartbeat):
            self._hand_on(event)

    def _hand_on(self, event: events.AnyEvent) -> None:
        if isinstance(event, events.FINAL):
            if self._final is not None:
                return
            self._final = event
        self.event_received.emit(event)

    def _finish(self, exit_code: int | None) -> None:
        if self._final is not None:
            return
        if exit_code == 0 and self._told_to_stop and not self._forced:
            return  # a service that was told to end
        self._end_with(deaths.problem_of(self.folder, exit_code, self._forced, self._witness))

    def _end_with(self, problem: Problem) -> None:
        told: events.AnyEvent = self._failed(problem)
        with contextlib.suppress(OSError):  # a full disk: it is told now at least
            (told,) = run_record.append(self.folder, told)  # so that the cause is known after the next start, too
        self._hand_on(told)

    def _failed(self, problem: Problem) -> events.Failed:
        """A failure that the worker could not tell itself, later than all that it told."""
        return events.Failed(at=self._times.next(), problem=problem)


def _read_lines(pipe: IO[bytes], lines: "queue.SimpleQueue[bytes | None]") -> None:
    try:
        with pipe:
            for line in pipe:
                lines.put(line.rstrip(b"\n"))
    finally:
        lines.put(None)


def _other_protocol(protocol: int) -> Problem:
    return Problem(
        code="worker.other_protocol",
        what="The trainer belongs to another version of the program.",
        why=f"It speaks protocol {protocol}, this window speaks {events.PROTOCOL}.",
        fix="Reinstall the program so that window and trainer are of one version.",
    )
