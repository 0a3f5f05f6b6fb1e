"""The rows of a dataset for a table: read from the mapped file when they are painted, never all at once."""

from collections import OrderedDict
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import QWidget

from studio.contract.errors import StudioError
from studio.contract.records import Record
from studio.data.dataset import Dataset
from studio.data.edits import Cell
from studio.data.made_from import file_of
from studio.data.row_scan import record_length
from studio.ui import theme, wording

Column = Literal["row", "question", "answer", "worse", "text", "system", "turns", "rating", "length", "side", "state"]

BLOCK_ROWS = 64
"""Rows that are read at once where the table shows them in the file's order."""
KEPT_ROWS = 4096
"""Rows whose cells are kept in memory; a screen holds fifty."""
_CELL_CHARACTERS = 300
_STRETCHED: tuple[Column, ...] = ("question", "answer", "worse", "text")
_NUMBERS: tuple[Column, ...] = ("row", "turns", "length")

_Index = QModelIndex | QPersistentModelIndex
Rows = NDArray[np.int64]


def one_line(text: str) -> str:
    """Text on one line, shortened for a cell."""
    return " ".join(text[: 4 * _CELL_CHARACTERS].split())[:_CELL_CHARACTERS]


class RecordsModel(QAbstractTableModel):
    """All stored rows, or some of them in any order. A row that is left out stays in sight, struck through.

    Attributes:
        cell_edited: `Cell`: the user typed another text.
        failed: `Problem`: rows cannot be read; told once for a dataset. They are shown empty.
    """

    cell_edited = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dataset: Dataset | None = None
        self._shown: Rows | None = None
        self._records: OrderedDict[int, Record] = OrderedDict()
        self._columns: tuple[Column, ...] = ()
        self._has_failed = False

    def show_dataset(self, dataset: Dataset | None) -> None:
        """Start anew with all rows of a dataset, or with nothing."""
        self.beginResetModel()
        self._dataset, self._shown, self._has_failed = dataset, None, False
        self._records.clear()
        self._columns = _columns_of(dataset) if dataset is not None else ()
        self.endResetModel()

    def show_rows(self, rows: Rows | None) -> None:
        """Show these stored rows in this order; None: all of them in the file's."""
        self.beginResetModel()
        self._shown = rows
        self.endResetModel()

    def note_edits(self) -> None:
        """Rows read otherwise now."""
        self._records.clear()
        if self.rowCount():
            self.dataChanged.emit(self.index(0, 0), self.index(self.rowCount() - 1, self.columnCount() - 1))

    # --- rows -------------------------------------------------------------------------------------------

    def stored(self, place: int) -> int:
        """The stored row that stands at a place of the table."""
        return place if self._shown is None else int(self._shown[place])

    def stored_between(self, first: int, last: int) -> Rows:
        """The stored rows at these places, both ends with them."""
        return np.arange(first, last + 1) if self._shown is None else self._shown[first : last + 1]

    def place_of(self, stored: int) -> int:
        """Where a stored row stands in the table; -1 where it is not shown."""
        if self._shown is None:
            return stored if 0 <= stored < self.rowCount() else -1
        found = np.flatnonzero(self._shown == stored)
        return int(found[0]) if len(found) else -1

    def column(self, name: Column) -> int:
        """Where a column stands; -1 where this dataset has none of the kind."""
        return self._columns.index(name) if name in self._columns else -1

    def is_wide(self, column: int) -> bool:
        """Whether a column takes what room there is."""
        return self._columns[column] in _STRETCHED

    def record(self, place: int) -> Record:
        """The record at a place, as it reads now."""
        stored = self.stored(place)
        if stored not in self._records:
            try:
                self._read(stored)
            except StudioError as error:  # Qt asks while it paints: nothing may be raised into that
                self._records[stored] = Record()
                if not self._has_failed:
                    self._has_failed = True
                    self.failed.emit(error.problem)
        self._records.move_to_end(stored)
        return self._records[stored]

    def _read(self, stored: int) -> None:
        assert self._dataset is not None
        if self._shown is None:
            from studio.data.arrow_file import records_of

            first = stored - stored % BLOCK_ROWS
            row = first
            for batch in self._dataset.table.batches(first, first + BLOCK_ROWS):
                for record in records_of(batch):
                    self._records[row] = self._dataset.edits.edited(row, record)
                    row += 1
        else:
            self._records[stored] = self._dataset.stored_record(stored)
        while len(self._records) > KEPT_ROWS:
            self._records.popitem(last=False)

    # --- cells ------------------------------------------------------------------------------------------

    def cell_of(self, index: _Index) -> Cell | None:
        """The place of a row's text that a cell shows, with its text; None where it cannot be typed over."""
        if not index.isValid():
            return None
        return _cell(self._columns[index.column()], self.stored(index.row()), self.record(index.row()))

    def _text(self, place: int, column: Column) -> str:
        record = self.record(place)
        match column:
            case "row":
                return wording.number(record.source_row)
            case "turns":
                return str(sum(turn.role != "system" for turn in record.messages))
            case "rating":
                return "" if record.label is None else self.tr("good") if record.label else self.tr("bad")
            case "length":
                return wording.number(record_length(record))
            case "side":
                return self.tr("testing") if record.side == "held_back" else self.tr("learning")
            case "state":
                return self._state(self.stored(place))
        cell = _cell(column, self.stored(place), record)
        if cell is not None:
            return one_line(cell.text or "")
        last = record.messages[-1] if record.messages and column == "answer" else None
        return one_line(last.tool_calls) if last is not None else ""

    def _state(self, stored: int) -> str:
        assert self._dataset is not None
        edits = self._dataset.edits
        if stored in edits.excluded:
            return self.tr("left out")
        return self.tr("changed") if stored in edits.texts else ""

    # Qt asks these; its names and signatures.

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        if parent.isValid() or self._dataset is None:
            return 0
        return int(self._dataset.table.num_rows if self._shown is None else len(self._shown))

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._columns)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or self._dataset is None:
            return None
        column = self._columns[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(index.row(), column)
            case Qt.ItemDataRole.EditRole:
                cell = self.cell_of(index)
                return cell.text if cell is not None else None
            case Qt.ItemDataRole.ToolTipRole if column == "row":
                stored = self.stored(index.row())
                return wording.row(self.record(index.row()).source_row, file_of(self._dataset.info, stored))
            case Qt.ItemDataRole.TextAlignmentRole if column in _NUMBERS:
                return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            case Qt.ItemDataRole.ForegroundRole if self.stored(index.row()) in self._dataset.edits.excluded:
                return QColor(theme.tokens().muted)
            case Qt.ItemDataRole.FontRole if self.stored(index.row()) in self._dataset.edits.excluded:
                font = QFont()
                font.setStrikeOut(column != "state")
                return font
            case Qt.ItemDataRole.FontRole if self.stored(index.row()) in self._dataset.edits.texts:
                font = QFont()
                font.setItalic(column == "state")
                return font
        return None

    def setData(self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        cell = self.cell_of(index)
        if role != Qt.ItemDataRole.EditRole or cell is None or not isinstance(value, str) or value == cell.text:
            return False
        self.cell_edited.emit(Cell(cell.row, cell.message, value, cell.part))
        return True

    def flags(self, index: _Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        editable = index.isValid() and self._columns[index.column()] in (*_STRETCHED, "system")
        return flags | Qt.ItemFlag.ItemIsEditable if editable and self.cell_of(index) is not None else flags

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if section >= len(self._columns):
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and self._columns[section] in _NUMBERS:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation == Qt.Orientation.Vertical:
            return str(section + 1)
        titles: dict[Column, str] = {
            "row": self.tr("Row"),
            "question": self.tr("Question"),
            "answer": self.tr("Better answer") if "worse" in self._columns else self.tr("Answer"),
            "worse": self.tr("Worse answer"),
            "text": self.tr("Text"),
            "system": self.tr("System prompt"),
            "turns": self.tr("Turns"),
            "rating": self.tr("Rated"),
            "length": self.tr("Characters"),
            "side": self.tr("Used for"),
            "state": self.tr("State"),
        }
        return titles[self._columns[section]]


def _columns_of(dataset: Dataset) -> tuple[Column, ...]:
    kind = dataset.info.kind
    with_side: tuple[Column, ...] = ("side",) if dataset.info.held_back_rows else ()
    if kind == "text":
        return ("row", "text", "length", *with_side, "state")
    first = [dataset.stored_record(row) for row in range(min(50, dataset.table.num_rows))]
    system = any(record.messages and record.messages[0].role == "system" for record in first)
    more: tuple[Column, ...] = ("worse",) if kind == "preference" else ()
    more += ("rating",) if kind == "label" else ()
    more += ("system",) if system else ()
    more += ("turns",) if kind == "chat" else ()
    return ("row", "question", "answer", *more, "length", *with_side, "state")


def _cell(column: Column, stored: int, record: Record) -> Cell | None:
    """The place of a row's text that a column shows."""
    if column == "text":
        return Cell(stored, 0, record.text, "text") if record.text else None
    if column == "worse":
        number = len(record.rejected) - 1
        return Cell(stored, number, record.rejected[number].content, "rejected") if number >= 0 else None
    wanted = {"question": "user", "system": "system", "answer": "assistant"}.get(column, "")
    numbers = [number for number, turn in enumerate(record.messages) if turn.role == wanted]
    if column == "answer":
        numbers = [len(record.messages) - 1] if numbers and numbers[-1] == len(record.messages) - 1 else []
    if not numbers or (column == "system" and numbers[0] != 0):
        return None
    turn = record.messages[numbers[0]]
    if column == "answer" and not turn.content and turn.tool_calls:
        return None
    return Cell(stored, numbers[0], turn.content)
