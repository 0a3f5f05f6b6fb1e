"""Collects what a thread's signal carries, in the window's thread and in order."""

from PySide6.QtCore import QObject, Slot

from studio.contract import events


class Recorder(QObject):
    """A QObject of the main thread: signals of other threads reach it through the event queue."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[object] = []

    @Slot(object)
    def take(self, event: object) -> None:
        self.seen.append(event)

    def has(self, kind: type[events.Event]) -> bool:
        return any(isinstance(event, kind) for event in self.seen)

    @property
    def last(self) -> object:
        return self.seen[-1]
