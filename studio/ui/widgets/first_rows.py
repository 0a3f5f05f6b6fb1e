"""Columns and first rows of a file that could not be mapped, so that the user can see what to choose."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

MOST_COLUMNS = 50


class FirstRows(QTableWidget):
    """A small table of plain text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Columns and first rows of the file"))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setWordWrap(True)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.verticalHeader().hide()
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setHighlightSections(False)

    def show_rows(self, columns: tuple[str, ...], rows: tuple[dict[str, str], ...]) -> None:
        """Show up to MOST_COLUMNS columns."""
        shown = columns[:MOST_COLUMNS]
        self.clear()
        self.setColumnCount(len(shown))
        self.setRowCount(len(rows))
        self.setHorizontalHeaderLabels(list(shown))
        for number, row in enumerate(rows):
            for place, column in enumerate(shown):
                self.setItem(number, place, QTableWidgetItem(row.get(column, "")))
        few = len(shown) <= 6
        mode = QHeaderView.ResizeMode.Stretch if few else QHeaderView.ResizeMode.Interactive
        self.horizontalHeader().setSectionResizeMode(mode)
        self.resizeRowsToContents()
        for number in range(len(rows)):
            self.setRowHeight(number, min(self.rowHeight(number), 120))
