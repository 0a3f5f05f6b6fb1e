"""What a person changes in a dataset, with undo and redo: each change is one operation of studio/data/edits.py."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from studio.contract.errors import StudioError
from studio.data.dataset import Dataset
from studio.data.edits import EditLog, Operation


class EditHistory(QObject):
    """The edits of one open dataset, on disk before they are shown.

    Attributes:
        stack: For undo and redo actions; empty again with each dataset.
        stack_changed: Something else can be undone or done again.
        edited: The dataset reads otherwise now.
        failed: `Problem`: a change could not be kept, so it was not made.
    """

    stack_changed = Signal()
    edited = Signal()
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.stack = QUndoStack(self)
        self.stack.indexChanged.connect(self.stack_changed)  # a stack that is deleted tells its listeners, too
        self._dataset: Dataset | None = None
        self._log: EditLog | None = None

    def open(self, dataset: Dataset | None) -> None:
        """Take another dataset (or none); what was undone or done before is forgotten, and stays on disk.

        Raises:
            StudioError: Its edits cannot be read.
        """
        self.stack.clear()
        self._dataset, self._log = dataset, None
        if dataset is not None:
            self._log = EditLog(dataset.folder, dataset.table.num_rows)
            dataset.edits = self._log.edits
            dataset.note_edits()

    def reopen(self, dataset: Dataset) -> None:
        """Take the same dataset again, opened anew: what can be undone stays.

        Raises:
            StudioError: Its edits cannot be read.
        """
        self._dataset = dataset
        self._log = EditLog(dataset.folder, dataset.table.num_rows)
        dataset.edits = self._log.edits
        dataset.note_edits()

    def do(self, operation: Operation, words: str) -> bool:
        """Make a change, as one step back.

        Args:
            operation: It.
            words: What it is called in "Undo …".

        Returns:
            Whether it was made.
        """
        if self._log is None:
            return False
        step = _Step(self, operation, words)
        self.stack.push(step)
        return not step.failed

    def do_other(self, forth: Callable[[], bool], back: Callable[[], bool], words: str) -> bool:
        """Make a change that is none of the rows' own, as one step back.

        Args:
            forth, back: Make it and take it back; they say whether that was done.
            words: What it is called in "Undo …".

        Returns:
            Whether it was made.
        """
        step = _OtherStep(forth, back, words)
        self.stack.push(step)
        return not step.failed

    def apply(self, operation: Operation) -> Operation | None:
        """Change the dataset; gives the way back, or None where it was not made."""
        if self._log is None or self._dataset is None:
            return None
        try:
            inverse = self._log.apply(operation)
        except StudioError as error:
            self.failed.emit(error.problem)
            return None
        self._dataset.note_edits()
        self.edited.emit()
        return inverse


class _Step(QUndoCommand):
    """One change. Python keeps no reference to it: the stack owns it."""

    def __init__(self, history: EditHistory, operation: Operation, words: str) -> None:
        super().__init__(words)
        self._history = history
        self._forth = operation
        self._back: Operation | None = None
        self.failed = False

    def redo(self) -> None:
        self._back = self._history.apply(self._forth)
        self.failed = self._back is None
        self.setObsolete(self.failed)  # what was not made is not to be undone: the stack drops it

    def undo(self) -> None:
        if self._back is None or self._history.apply(self._back) is None:
            self.setObsolete(True)


class _OtherStep(QUndoCommand):
    """A change that is no operation on the rows."""

    def __init__(self, forth: Callable[[], bool], back: Callable[[], bool], words: str) -> None:
        super().__init__(words)
        self._forth, self._back = forth, back
        self.failed = False

    def redo(self) -> None:
        self.failed = not self._forth()
        self.setObsolete(self.failed)

    def undo(self) -> None:
        self.setObsolete(not self._back())
