"""Which rows of a dataset the table shows, and in which order: search, filter and sort, worked out in short slices."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from studio.contract.errors import StudioError
from studio.data.dataset import Dataset
from studio.data.doctor.found import found_rows
from studio.supervisor.slices import RowScan

Order = Literal["file", "longest", "shortest"]
Rows = NDArray[np.int64]

EVERY, LEFT_OUT, CHANGED = "", "left_out", "changed"
"""Filters beside the codes of the doctor's findings."""


class RowChoice(QObject):
    """Holds what is wanted; tells the rows once they are known.

    Attributes:
        rows_changed: Stored rows in the order wanted, or None: all of them in the file's.
        looking: Share of the rows seen by a look that is going on.
        failed: `Problem`: the rows cannot be read.
    """

    rows_changed = Signal(object)
    looking = Signal(float)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.search = ""
        self.filter = EVERY
        self.order: Order = "file"
        self._dataset: Dataset | None = None
        self._held: NDArray[np.bool_] | None = None
        self._lengths: Rows | None = None
        self._scan = RowScan(self)
        self._scan.progressed.connect(self.looking)
        self._scan.finished.connect(self._on_scanned)
        self._scan.failed.connect(self.failed)

    def show_dataset(self, dataset: Dataset | None) -> None:
        """Another dataset: all its rows in the file's order."""
        self._scan.stop()
        self._dataset, self._held, self._lengths = dataset, None, None
        self.search, self.filter, self.order = "", EVERY, "file"

    def choose(self, search: str, chosen: str, order: Order) -> None:
        """Show other rows, or in another order; looks through the dataset where it must."""
        if search != self.search:
            self._held = None
        self.search, self.filter, self.order = search, chosen, order
        self._go_on()

    def note_edits(self) -> None:
        """Rows read otherwise now: what was found is looked for again."""
        self._held = self._lengths = None
        if self.search or self.order != "file" or self.filter != EVERY:
            self._go_on()

    @property
    def going(self) -> bool:
        """Whether a look is going on."""
        return self._scan.going

    def _go_on(self) -> None:
        self._scan.stop()
        dataset = self._dataset
        if dataset is None:
            return
        if self.search and self._held is None:
            self._scan.search(dataset, self.search)
        elif self.order != "file" and self._lengths is None:
            self._scan.measure(dataset)
        else:
            self.rows_changed.emit(self._chosen(dataset))

    def _on_scanned(self, values: NDArray[np.int64]) -> None:
        if values.dtype == np.bool_:
            self._held = values.astype(np.bool_)
        else:
            self._lengths = values
        self._go_on()

    def _chosen(self, dataset: Dataset) -> Rows | None:
        if not self.search and self.filter == EVERY and self.order == "file":
            return None
        rows = self._filtered(dataset)
        if self.search and self._held is not None:
            rows = rows[self._held[rows]]
        if self.order != "file" and self._lengths is not None:
            sizes = self._lengths[rows]
            rows = rows[np.argsort(-sizes if self.order == "longest" else sizes, kind="stable")]
        return rows

    def _filtered(self, dataset: Dataset) -> Rows:
        total = dataset.table.num_rows
        if self.filter == EVERY:
            return np.arange(total)
        if self.filter in (LEFT_OUT, CHANGED):
            edits = dataset.edits
            return np.array(sorted(edits.excluded if self.filter == LEFT_OUT else edits.texts), np.int64)
        try:
            rows, _ = found_rows(dataset.folder, self.filter)
        except StudioError:
            return np.zeros(0, np.int64)  # the data was checked anew meanwhile
        return np.unique(rows[(rows >= 0) & (rows < total)])
