"""The line of runs that wait for the device, as one window keeps it: shown, changed, and its head started in time."""

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from studio.contract import job
from studio.contract.errors import Problem, StudioError
from studio.data import run_queue
from studio.data.file_lock import FileLock
from studio.data.run_queue import Waiting

LOOK_MS = 1000
"""Other windows change the same line, and their runs end without telling this one."""


class QueueKeeper(QObject):
    """Follows the file of waiting runs.

    Signals:
        changed: The line is another now.
        queued: A TrainJob was put in line.
        head_ready: (RunFolder, TrainJob, FileLock): the device is free; whoever starts the run lets go of the lock once
            its worker lives.
        failed: A Problem: the line or its head could not be used.
    """

    changed = Signal()
    queued = Signal(object)
    head_ready = Signal(object, object, object)
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._key: tuple[int, int] = (0, 0)
        self._line: list[Waiting] = []
        self._told: set[str] = set()
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.look)
        self.is_free: Callable[[], bool] = lambda: True  # of this window; others are asked through their files

    def open(self) -> None:
        """From now on the head is started when the device is free."""
        self._timer.start()
        self._read()

    def close(self) -> None:
        """Start nothing any more."""
        self._timer.stop()

    def waiting(self) -> list[Waiting]:
        """The line, its head first."""
        self._read()
        return list(self._line)

    def claim(self) -> FileLock | None:
        """The right to start a worker now, or None: something is going on, here or in another window.

        Raises:
            OSError: The program's folder cannot be written.
        """
        lock = run_queue.start_lock()
        if not self.is_free() or not lock.take():
            return None
        if run_queue.working_runs():
            lock.release()
            return None
        return lock

    def claim_or_wait(self, work: job.TrainJob, run: str = "") -> FileLock | None:
        """The same; what cannot be started now is put at the end of the line.

        Args:
            work: Of the run.
            run: Name of its folder, where it is to go on.

        Raises:
            StudioError: The line cannot be changed.
            OSError: The program's folder cannot be written.
        """
        lock = self.claim()
        if lock is None:
            run_queue.add(work, run)
            self._read()
            self.queued.emit(work)
        return lock

    def move(self, identity: str, by: int) -> None:
        """Move a run in the line."""
        self._change(lambda: run_queue.move(identity, by))

    def remove(self, identity: str) -> None:
        """Take a run out of the line."""
        self._change(lambda: run_queue.remove(identity))

    def look(self) -> None:
        """See whether the line changed, and start its head where the device is free."""
        self._read()
        head = self._line[:1]
        if not head:
            return
        try:
            lock = self.claim()
            if lock is None:
                return
            try:
                first = run_queue.take_first()
            except BaseException:
                lock.release()
                raise
            self._read()
            if first is None:
                lock.release()
            else:
                self.head_ready.emit(*first, lock)
        except StudioError as error:
            if run_queue.waiting()[:1] == head:
                self.close()  # it would fail again each second; the next start of the window tries again
            self.failed.emit(error.problem)
        except OSError as error:
            self.close()
            self.failed.emit(_stuck(error))

    def _change(self, act: Callable[[], None]) -> None:
        try:
            act()
        except StudioError as error:
            self.failed.emit(error.problem)
        self._read()

    def _read(self) -> None:
        """Read the line anew where its file changed."""
        try:
            state = run_queue.queue_file().stat()
            key = (state.st_mtime_ns, state.st_size)
        except OSError:
            key = (0, 0)
        if key != self._key:
            self._key, self._line = key, run_queue.waiting()
            self._tell_damage()
            self.changed.emit()

    def _tell_damage(self) -> None:
        """A damaged file is put aside, which is told once; so are rows that this version cannot read."""
        try:
            problem = run_queue.mend()
        except StudioError as error:
            problem = error.problem
        if problem is None:
            problem = run_queue.unread()
        if problem is not None and problem.what not in self._told:
            self._told.add(problem.what)
            self.failed.emit(problem)


def _stuck(error: OSError) -> Problem:
    return Problem(
        code="queue.stuck",
        what="The next run of the line could not be started.",
        why=f"{error.strerror or error}.",
        fix="Make room on the disk or check the program's folder, then open the window anew; the line is kept.",
        where=str(error.filename or ""),
    )
