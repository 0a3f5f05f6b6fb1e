"""The tab "Table": all rows, and the chosen one in full below."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPlainTextEdit, QSplitter, QWidget

from studio.data.dataset import Dataset
from studio.ui.theme import GRID
from studio.ui.widgets.records_table import RecordsTable


class RowsTab(QSplitter):
    """Shows a dataset; `row_chosen` and `row_opened` carry an index from 0."""

    row_chosen = Signal(int)
    row_opened = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self._dataset: Dataset | None = None
        self.table = RecordsTable()
        self.detail = QPlainTextEdit()
        self.detail.setReadOnly(True)
        self.detail.setTabChangesFocus(True)
        self.detail.setAccessibleName(self.tr("The whole of the chosen row"))
        self.addWidget(self.table)
        self.addWidget(self.detail)
        self.setChildrenCollapsible(False)
        self.setHandleWidth(GRID)
        self.setSizes([300, 130])
        self.table.row_chosen.connect(self._on_row_chosen)
        self.table.row_opened.connect(self.row_opened)

    def show_dataset(self, dataset: Dataset | None) -> None:
        """Show the rows of a dataset, or nothing."""
        self._dataset = dataset
        self.detail.clear()
        self.table.show_dataset(dataset)

    def _on_row_chosen(self, index: int) -> None:
        if self._dataset is None:
            return
        names = {"system": self.tr("System prompt"), "user": self.tr("Question"), "assistant": self.tr("Answer")}
        record = self._dataset.record(index)
        self.detail.setPlainText("\n\n".join(f"{names[turn.role]}:\n{turn.content}" for turn in record.messages))
        self.row_chosen.emit(index)
