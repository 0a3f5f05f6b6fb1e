"""How a running job is told what to do: the engine polls, the worker's command reader answers."""

from typing import Literal, Protocol

from studio.contract.events import Event

Wish = Literal["go", "pause", "stop", "discard"]
"""What the user wants now: go on, hold, end and save, end and throw away."""


class Control(Protocol):
    """Asked by a loop after every step (and between rows, tokens or files)."""

    def poll(self) -> Wish:
        """What is wanted now; never blocks."""

    def wait(self, seconds: float) -> None:
        """Sleep until a command arrives, at most this long."""

    def hold(self) -> bool:
        """The engine pauses by itself: `poll` says "pause" until someone resumes. False: nobody is there who could."""


class Emit(Protocol):
    """Sends one event to the window and the run's events.jsonl."""

    def __call__(self, event: Event) -> None: ...


class Going:
    """A control that always says go: for one-shot jobs and tests."""

    def poll(self) -> Wish:
        return "go"

    def wait(self, seconds: float) -> None:
        return None

    def hold(self) -> bool:
        return False
