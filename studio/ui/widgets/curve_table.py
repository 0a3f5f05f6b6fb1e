"""The plot as a table: for screen readers, and for everyone who wants the figures."""

from collections.abc import Sequence

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTableView, QVBoxLayout, QWidget

from studio.ui.widgets.curve_rows import COLUMNS, CurveRows

_Index = QModelIndex | QPersistentModelIndex


class CurveTableModel(QAbstractTableModel):
    """Rows of one or more runs, one below the other; cells are made when they are looked at."""

    def __init__(self, runs: Sequence[CurveRows], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs = list(runs)
        self._headings = (
            self.tr("Run"),
            self.tr("Step"),
            self.tr("Seconds"),
            self.tr("Loss"),
            self.tr("Loss, smoothed"),
            self.tr("Loss on unseen examples"),
            self.tr("Learning rate"),
            self.tr("Gradient norm"),
            self.tr("Tokens per second"),
            self.tr("Memory (bytes)"),
        )

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else sum(len(run) for run in self._runs)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() > 0:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        row = index.row()
        for run in self._runs:
            if row < len(run):
                return run.cell(row, index.column())
            row -= len(run)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return self._headings[section] if orientation == Qt.Orientation.Horizontal else section + 1


class CurveTableDialog(QDialog):
    """A window with every point of the plot."""

    def __init__(self, runs: Sequence[CurveRows], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("All points of the plot"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(880, 520)
        self.table = QTableView()
        self.table.setAccessibleName(self.tr("All points of the plot"))
        self.table.setModel(CurveTableModel(runs, self))
        self.table.setAlternatingRowColors(True)
        self.table.verticalHeader().hide()
        self.table.setColumnHidden(0, len(runs) < 2)
        self.table.horizontalHeader().setStretchLastSection(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.table)
        layout.addWidget(buttons)
