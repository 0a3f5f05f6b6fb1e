"""Commands in: the worker follows commands.jsonl of its folder."""

import os
import threading
from collections.abc import Callable, Iterator

import msgspec

from studio.contract import commands, events
from studio.contract.control import Wish
from studio.contract.run_folder import RunFolder

_POLL_SECONDS = 0.05


class CommandReader:
    """Follows the file in a thread. Is the engine's `Control`, and the queue of a service's commands.

    Pause, Resume and Stop change the wish at once (also in the middle of a reply); all others wait in line.
    """

    def __init__(self, folder: RunFolder, emit: Callable[[events.Event], None], tell_wishes: bool) -> None:
        """Args:
        folder: The job's folder.
        emit: Gets Pausing and Stopping when such a command is seen.
        tell_wishes: Whether to emit those (a training run does, a service does not).
        """
        self._path = folder.commands
        self._emit = emit
        self._tell = tell_wishes
        self._changed = threading.Condition()
        self._wish: Wish = "go"
        self._waiting: list[commands.AnyCommand] = []
        self._stopped_replies: set[int] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="commands", daemon=True)
        self._thread.start()

    def poll(self) -> Wish:
        """What is wanted now."""
        return self._wish

    def wait(self, seconds: float) -> None:
        """Sleep until a command arrives, at most this long."""
        with self._changed:
            self._changed.wait(seconds)

    def wish(self, wish: Wish) -> None:
        """Set the wish from inside the worker (the window is gone, say)."""
        with self._changed:
            self._wish = wish
            self._changed.notify_all()

    def hold(self) -> bool:
        """The engine pauses by itself (a loss that is no number, a full disk), as if the user had said so."""
        with self._changed:
            if self._wish == "go":
                self._wish = "pause"
        return True

    def reply_stopped(self, request: int) -> bool:
        """Whether this reply was told to stop (or everything was)."""
        return request in self._stopped_replies or self._wish in ("stop", "discard")

    def each(self) -> Iterator[commands.AnyCommand]:
        """A service's commands as they come, until Stop."""
        while True:
            with self._changed:
                while not self._waiting and self._wish not in ("stop", "discard"):
                    self._changed.wait()
                if self._wish in ("stop", "discard"):
                    return
                command = self._waiting.pop(0)
            yield command

    def end(self) -> None:
        """Stop following and join the thread."""
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        rest, position = b"", 0
        while not self._ended.is_set():
            try:
                with self._path.open("rb") as file:
                    file.seek(position)
                    chunk = file.read()
            except FileNotFoundError:
                chunk = b""
            position += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line)
            if not chunk:
                self._ended.wait(_POLL_SECONDS)

    def _take(self, line: bytes) -> None:
        try:
            command = commands.decode(line)
        except msgspec.DecodeError:
            return  # a damaged line asks for nothing
        told: events.Event | None = None
        with self._changed:
            match command:
                case commands.Pause() if self._wish == "go":
                    self._wish, told = "pause", events.Pausing()
                case commands.Resume() if self._wish == "pause":
                    self._wish = "go"
                case commands.Stop():
                    self._wish, told = "stop" if command.save else "discard", events.Stopping(save=command.save)
                case commands.StopReply():
                    self._stopped_replies.add(command.request)
                case commands.Pause() | commands.Resume():
                    pass
                case _:
                    self._waiting.append(command)
            self._changed.notify_all()
        if told is not None and self._tell:
            self._emit(told)


def lower_priority() -> None:
    """Let the window go first where they share the processor."""
    if hasattr(os, "nice"):
        os.nice(5)
