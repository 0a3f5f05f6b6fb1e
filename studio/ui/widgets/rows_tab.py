"""The tab "Table": all rows, and the chosen one in full below."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPlainTextEdit, QSplitter, QWidget

from studio.contract.records import Record
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
        record = self._dataset.record(index)
        self.detail.setPlainText("\n\n".join(self._paragraphs(record)))
        self.row_chosen.emit(index)

    def _paragraphs(self, record: Record) -> list[str]:
        """All that a record holds, each part under its name."""
        names = {
            "system": self.tr("System prompt"),
            "user": self.tr("Question"),
            "assistant": self.tr("Answer"),
            "tool": self.tr("Result of a tool"),
        }
        told = [(self.tr("Tools"), record.tools), (self.tr("Text"), record.text)]
        for turn in record.messages:
            told += [(self.tr("Reasoning"), turn.reasoning), (names[turn.role], turn.content)]
            told.append((self.tr("Tool calls"), turn.tool_calls))
        told += [(self.tr("Worse answer"), turn.content) for turn in record.rejected if turn.role == "assistant"]
        if record.label is not None:
            told.append((self.tr("The answer is"), self.tr("good") if record.label else self.tr("bad")))
        return [f"{name}:\n{text}" for name, text in told if text]
