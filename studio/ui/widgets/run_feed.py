"""One run's events on their way to the page: live, replayed from its folder, or both; told on at a calm pace."""

import time
from collections.abc import Iterator

from PySide6.QtCore import QObject, QTimer, Signal

from studio.contract.run_folder import RunFolder
from studio.data.run_history import read_events
from studio.ui.widgets.run_curves import RunCurves
from studio.ui.widgets.run_progress import RunProgress

CALM_MS = 250
"""Pages hear of news at most four times a second, of a new state at once: what is drawn more often slows the training
down on a machine of few cores, and nobody sees it."""

_SLICE_SECONDS = 0.008


class RunFeed(QObject):
    """What is known of one run.

    A replay reads the folder in short slices between other work of the window. Live events that arrive meanwhile wait
    for its end; those that the folder held already are recognised by their time and passed over.

    Attributes:
        curves: Its points.
        progress: Its state and its latest figures.
        replaying: A replay goes on.
    """

    begun = Signal()
    changed = Signal()
    replayed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.name = ""
        self.folder: RunFolder | None = None
        self._events: Iterator[object] = iter(())
        self._waiting: list[object] = []
        self._newest = 0.0
        self._starting = False
        self.replaying = False
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(CALM_MS)
        self._calm.timeout.connect(self.changed)
        self._slices = QTimer(self)
        self._slices.setInterval(0)
        self._slices.timeout.connect(self._replay_slice)
        self.curves = RunCurves()
        self.progress = RunProgress()

    def begin(self, folder: RunFolder, name: str, starting: bool = False) -> None:
        """Take up a run: a new one, or one whose folder holds events that are replayed first.

        Args:
            folder: Of the run.
            name: Shown name.
            starting: A worker is being started for it: what the folder tells of is an earlier part.
        """
        self._starting = starting
        self._slices.stop()
        self.folder, self.name = folder, name
        self.curves, self.progress = RunCurves(), RunProgress()
        self._waiting, self._newest = [], 0.0
        self.replaying = folder.events.exists()
        if self.replaying:
            self._events = iter(read_events(folder))
            self._slices.start()
        self.begun.emit()
        self.changed.emit()

    def feed(self, event: object) -> None:
        """Take in a live event."""
        if self.replaying:
            self._waiting.append(event)
        elif not self._is_known(event):
            self._take(event)

    def end(self) -> None:
        """Show no run any more; a replay ends."""
        self._slices.stop()
        self._calm.stop()
        self.replaying = False
        self.folder, self.name = None, ""
        self.curves, self.progress = RunCurves(), RunProgress()
        self.begun.emit()

    def silence(self, seconds: int) -> None:
        """The worker has given no sign of life for so long."""
        self.progress.silent_seconds = seconds
        self.changed.emit()

    def _is_known(self, event: object) -> bool:
        """The replay has brought it already."""
        return 0.0 < getattr(event, "at", 0.0) <= self._newest

    def _take(self, event: object) -> None:
        self.curves.feed(event)
        if self.progress.feed(event):
            self.changed.emit()
        elif not self._calm.isActive():
            self._calm.start()

    def _replay_slice(self) -> None:
        end = time.perf_counter() + _SLICE_SECONDS
        for event in self._events:
            self._newest = max(self._newest, getattr(event, "at", 0.0))
            self.curves.feed(event)
            self.progress.feed(event)
            if time.perf_counter() > end:
                if not self._calm.isActive():
                    self._calm.start()
                return
        self._slices.stop()
        self.replaying = False
        if self._starting:
            self.progress.begin_again()
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            if not self._is_known(event):
                self._take(event)
        self.changed.emit()
        self.replayed.emit()
