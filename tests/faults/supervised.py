"""The window's half of the program without a window: real supervisor threads in an event loop, for proofs."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, QEventLoop, QObject, QTimer

from studio.contract import events
from studio.contract.job import TrainJob
from studio.supervisor.worker_thread import TrainerThread
from tests.engine.ground import make_dataset, make_job, make_model, sums

LOOK_MS = 10


def application() -> QCoreApplication:
    """The one there is, or a new one."""
    return QCoreApplication.instance() or QCoreApplication([])


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Let the event loop go on until something holds; False where it did not in time."""
    ends = time.monotonic() + seconds
    loop, timer = QEventLoop(), QTimer()

    def look() -> None:
        if condition() or time.monotonic() > ends:
            loop.quit()

    timer.setInterval(LOOK_MS)
    timer.timeout.connect(look)
    timer.start()
    if not condition():
        loop.exec()
    timer.stop()
    return condition()


class Seen(QObject):
    """What a thread handed on to the window's thread, and when.

    Attributes:
        told: Events with the monotonic time of their arrival.
    """

    def __init__(self, thread: TrainerThread) -> None:
        super().__init__()
        self.told: list[tuple[float, Any]] = []
        thread.event_received.connect(self._take)

    def _take(self, event: object) -> None:
        self.told.append((time.monotonic(), event))

    def count(self, kind: type[events.Event]) -> int:
        """How many of a kind came."""
        return sum(isinstance(event, kind) for _, event in self.told)

    def ends_with(self, kind: type[events.Event]) -> bool:
        """Whether the newest is of a kind."""
        return bool(self.told) and isinstance(self.told[-1][1], kind)

    @property
    def failed(self) -> tuple[float, events.Failed] | None:
        """The failure, and when it was shown."""
        return next(((at, event) for at, event in self.told if isinstance(event, events.Failed)), None)


def endless_job(home: Path, accumulation: int = 1) -> TrainJob:
    """A tiny run with far more steps than anyone waits for, and a checkpoint every second or so.

    Args:
        home: Gets its model and its data.
        accumulation: Gather steps; with 6 a step takes about as long as one of a real run.
    """
    model, dataset = make_model(home / "model"), make_dataset(home / "data", sums(400))
    return make_job(
        model, dataset, epochs=1000, max_steps=0, save_every_minutes=0.01, held_back_share=0.0, batch_size=8,
        accumulation=accumulation,
    )  # fmt: skip
