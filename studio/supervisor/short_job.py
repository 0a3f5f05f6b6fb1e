"""A short job that the window waits for: one at a time, with progress, an end, and a way to give it up."""

from PySide6.QtCore import QObject, Signal

from studio.contract import commands, events, job
from studio.supervisor.worker_thread import TrainerThread
from studio.supervisor.workplace import Workplace


class ShortJob(QObject):
    """Runs one worker; starting another job gives up the one before.

    Signals:
        progressed: Its `Progress`.
        done: Its final event.
        failed: `Problem`.
        changed: It began or ended; `going` tells.
    """

    progressed = Signal(object)
    done = Signal(object)
    failed = Signal(object)
    changed = Signal()

    def __init__(self, workplace: Workplace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workplace = workplace
        self._thread: TrainerThread | None = None
        self.work: job.Job | None = None

    @property
    def going(self) -> bool:
        """Whether it runs."""
        return self._thread is not None

    def start(self, work: job.Job) -> None:
        """Begin."""
        self.cancel()
        self.work = work
        self._thread = self._workplace.start_task(work)
        self._thread.event_received.connect(self._on_event)
        self.changed.emit()

    def cancel(self) -> None:
        """Give it up; returns at once."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.event_received.disconnect(self._on_event)
        if thread.isRunning():
            thread.send(commands.Stop(save=False))
        self.changed.emit()

    def stop(self) -> None:
        """Ask it to end, and wait for what it says: it cleans up behind itself."""
        if self._thread is not None and self._thread.isRunning():
            self._thread.send(commands.Stop(save=False))

    def _on_event(self, event: object) -> None:
        if self.sender() is not self._thread:
            return  # of a job that was given up: the event was on its way
        if isinstance(event, events.Progress):
            self.progressed.emit(event)
        elif isinstance(event, events.FINAL):
            self._thread = None
            self.changed.emit()
            if isinstance(event, events.Failed):
                self.failed.emit(event.problem)
            else:
                self.done.emit(event)
