"""The rows of a dataset as a table that reads them from disk as they are scrolled to."""

import numpy as np
from PySide6.QtCore import QItemSelectionModel, QModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from studio.data.dataset import Dataset
from studio.ui.widgets.cell_editor import CellDelegate
from studio.ui.widgets.records_model import RecordsModel, Rows

_SMALL_WIDTHS = {"row": 8, "turns": 7, "rating": 8, "length": 11, "side": 10, "state": 10, "system": 22}
"""In letters: a width that is measured would read every row of a million."""


class RecordsTable(QTableView):
    """The table with the look of the rest.

    Attributes:
        row_chosen: Stored row that has the focus.
        row_opened: Stored row: Enter was pressed.
        exclude_wanted: Delete was pressed.
        selection_changed: Other rows are marked.
    """

    row_chosen = Signal(int)
    row_opened = Signal(int)
    exclude_wanted = Signal()
    selection_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.records = RecordsModel(self)
        self.setModel(self.records)
        self.setItemDelegate(CellDelegate(self))
        self.setAccessibleName(self.tr("Rows of the dataset"))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setHighlightSections(False)
        self.selectionModel().currentRowChanged.connect(self._on_row_changed)
        self.selectionModel().selectionChanged.connect(lambda *_: self.selection_changed.emit())

    def show_dataset(self, dataset: Dataset | None) -> None:
        """Show the rows of a dataset from the top."""
        self.records.show_dataset(dataset)
        self._lay_out()
        if self.records.rowCount():
            self._choose(0)

    def show_rows(self, rows: Rows | None) -> None:
        """Show some stored rows; the one that had the focus keeps it where it is among them."""
        before = self.current_row()
        self.records.show_rows(rows)
        self._lay_out()
        place = self.records.place_of(before) if before >= 0 else -1
        if self.records.rowCount():
            self._choose(max(0, place))

    def show_row(self, stored: int) -> bool:
        """Bring a stored row into view and choose it; False where it is not among those shown."""
        place = self.records.place_of(stored)
        if place < 0:
            return False
        self._choose(place)
        return True

    def _choose(self, place: int) -> None:
        flags = QItemSelectionModel.SelectionFlag
        index = self.records.index(place, max(0, self.currentIndex().column()))
        self.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
        self.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)

    def current_row(self) -> int:
        """Stored row that has the focus, or -1."""
        index = self.currentIndex()
        return self.records.stored(index.row()) if index.isValid() else -1

    def chosen_rows(self) -> Rows:
        """Stored rows that are marked; by ranges, since all of a million may be."""
        marked = self.selectionModel().selection()
        parts = [self.records.stored_between(part.top(), part.bottom()) for part in list(marked)]  # type: ignore[call-overload]
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)

    def _lay_out(self) -> None:
        header, letter = self.horizontalHeader(), self.fontMetrics().averageCharWidth()
        for column in range(self.records.columnCount()):
            wide = self.records.is_wide(column)
            mode = QHeaderView.ResizeMode.Stretch if wide else QHeaderView.ResizeMode.Interactive
            header.setSectionResizeMode(column, mode)
        for name, letters in _SMALL_WIDTHS.items():
            place = self.records.column(name)  # type: ignore[arg-type]
            if place >= 0:
                header.resizeSection(place, max(letters * letter, header.sectionSizeHint(place)) + 16)

    def _on_row_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self.row_chosen.emit(self.records.stored(current.row()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens a row, Delete leaves it out; F2 types over a cell."""
        plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if plain and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.current_row() >= 0:
            self.row_opened.emit(self.current_row())
            return
        if plain and event.key() == Qt.Key.Key_Delete:
            self.exclude_wanted.emit()
            return
        super().keyPressEvent(event)
