"""The rows of a dataset as a table that reads them from disk as they are scrolled to."""

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from studio.contract.records import Record
from studio.data.dataset import Dataset

BATCH_ROWS = 200
"""Rows fetched at once: a screen and a bit."""

_CELL_CHARACTERS = 300

_Index = QModelIndex | QPersistentModelIndex


def _line(text: str) -> str:
    """Text on one line, shortened for a cell."""
    return " ".join(text[: 4 * _CELL_CHARACTERS].split())[:_CELL_CHARACTERS]


class RecordsModel(QAbstractTableModel):
    """Question, answer and the rest of each record; `canFetchMore` until the last row was read."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dataset: Dataset | None = None
        self._cells: list[tuple[str, ...]] = []
        self._titles: tuple[str, ...] = ()
        self._with_system = False
        self._with_side = False

    def show_dataset(self, dataset: Dataset | None) -> None:
        """Start anew with the first rows of a dataset, or with nothing."""
        self.beginResetModel()
        self._dataset = dataset
        first = [] if dataset is None else list(dataset.records(0, BATCH_ROWS))
        self._with_system = any(record.messages and record.messages[0].role == "system" for record in first)
        self._with_side = dataset is not None and dataset.info.held_back_rows > 0
        self._titles = self._make_titles()
        self._cells = [self._read(record) for record in first]
        self.endResetModel()

    def _make_titles(self) -> tuple[str, ...]:
        titles = [self.tr("Row"), self.tr("Question"), self.tr("Answer"), self.tr("Turns")]
        if self._with_system:
            titles.append(self.tr("System prompt"))
        if self._with_side:
            titles.append(self.tr("Used for"))
        return tuple(titles)

    def _read(self, record: Record) -> tuple[str, ...]:
        turns = [message for message in record.messages if message.role != "system"]
        question = next((turn.content for turn in turns if turn.role == "user"), "")
        answer = turns[-1].content or turns[-1].tool_calls if turns else record.text
        cells = [f"{record.source_row:,}", _line(question), _line(answer), str(len(turns))]
        if self._with_system:
            first = record.messages[0] if record.messages else None
            cells.append(_line(first.content) if first is not None and first.role == "system" else "")
        if self._with_side:
            cells.append(self.tr("testing") if record.side == "held_back" else self.tr("learning"))
        return tuple(cells)

    # Qt asks these; its names and signatures.

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._cells)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._titles)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._cells[index.row()][index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() in (0, 3):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.TextAlignmentRole and orientation == Qt.Orientation.Horizontal and section in (0, 3):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)  # as the figures below
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return self._titles[section] if orientation == Qt.Orientation.Horizontal else str(section + 1)

    def canFetchMore(self, parent: _Index) -> bool:
        return not parent.isValid() and self._dataset is not None and len(self._cells) < len(self._dataset)

    def fetchMore(self, parent: _Index) -> None:
        if self._dataset is None or parent.isValid():
            return
        start = len(self._cells)
        more = [self._read(record) for record in self._dataset.records(start, start + BATCH_ROWS)]
        if more:
            self.beginInsertRows(QModelIndex(), start, start + len(more) - 1)
            self._cells += more
            self.endInsertRows()


class RecordsTable(QTableView):
    """The table with the look of the rest. `row_chosen` carries the index of the row that has the focus."""

    row_chosen = Signal(int)
    row_opened = Signal(int)  # double click or Enter

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = RecordsModel(self)
        self.setModel(self._model)
        self.setAccessibleName(self.tr("Rows of the dataset"))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setHighlightSections(False)
        self.selectionModel().currentRowChanged.connect(self._on_row_changed)
        self.activated.connect(self._on_activated)

    def show_dataset(self, dataset: Dataset | None) -> None:
        """Show the rows of a dataset from the top."""
        self._model.show_dataset(dataset)
        if dataset is None or not len(dataset):
            return
        header = self.horizontalHeader()
        for column in range(self._model.columnCount()):
            stretch = column in (1, 2)
            mode = QHeaderView.ResizeMode.Stretch if stretch else QHeaderView.ResizeMode.ResizeToContents
            header.setSectionResizeMode(column, mode)
        if self._model.columnCount() > 4 and self._model.headerData(4, Qt.Orientation.Horizontal) == self.tr(
            "System prompt"
        ):
            header.setSectionResizeMode(4, QHeaderView.ResizeMode.Interactive)
            header.resizeSection(4, 200)
        self.selectRow(0)

    def _on_row_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self.row_chosen.emit(current.row())

    def _on_activated(self, index: QModelIndex) -> None:
        self.row_opened.emit(index.row())
