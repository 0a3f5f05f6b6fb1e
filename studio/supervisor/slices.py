"""Long looks through rows in short slices, so that the window goes on answering meanwhile."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from studio.contract.errors import StudioError
from studio.data.dataset import Dataset
from studio.data.row_scan import lengths, matching, record_length, record_matches

SLICE_SECONDS = 0.012
"""Of every turn of the event loop."""


class RowScan(QObject):
    """Looks through all stored rows of a dataset, as they read now.

    Attributes:
        progressed: Share of the rows seen, at most once a slice.
        finished: An array with one value a stored row: whether it was found, or how long it is.
        failed: `Problem`: the rows cannot be read; the look has ended.
    """

    progressed = Signal(float)
    finished = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._on_turn)
        self._steps: Iterator[float] | None = None

    @property
    def going(self) -> bool:
        """Whether a look is going on."""
        return self._timer.isActive()

    def search(self, dataset: Dataset, wanted: str) -> None:
        """Look for a text; ends a look that is going on."""
        self._start(
            self._look(dataset, lambda batch: matching(batch, wanted), lambda record: record_matches(record, wanted))
        )

    def measure(self, dataset: Dataset) -> None:
        """Count characters; ends a look that is going on."""
        self._start(self._look(dataset, lengths, record_length))

    def stop(self) -> None:
        """End without a result."""
        self._timer.stop()
        self._steps = None

    def _start(self, steps: Iterator[float]) -> None:
        self.stop()
        self._steps = steps
        self._timer.start()

    def _on_turn(self) -> None:
        until = time.monotonic() + SLICE_SECONDS
        share = 0.0
        while self._steps is not None and time.monotonic() < until:
            try:
                found = next(self._steps, None)
            except StudioError as error:
                self.stop()
                self.failed.emit(error.problem)
                return
            if found is None:
                return  # told, and perhaps started anew from there
            share = found
        if self._steps is not None:
            self.progressed.emit(share)

    def _look(
        self, dataset: Dataset, of_batch: Callable[[Any], Any], of_record: Callable[[Any], Any]
    ) -> Iterator[float]:
        found: list[Any] = []
        total, seen = dataset.table.num_rows, 0
        for batch in dataset.table.batches(most=500):
            found.append(of_batch(batch))
            seen += batch.num_rows
            yield seen / total
        values = np.concatenate(found) if found else np.zeros(0, np.int64)
        for row in dataset.edits.texts:
            values[row] = of_record(dataset.stored_record(row))
        self.stop()
        self.finished.emit(values)
