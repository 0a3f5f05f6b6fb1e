"""Settings side by side: one run against the defaults, or several against each other. Only what differs."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from studio.contract.fields import flatten
from studio.contract.job import TrainJob
from studio.ui.setting_words import told_fields, value_words
from studio.ui.widgets.labels import label

Row = tuple[str, tuple[str, ...]]


class SettingsTable(QWidget):
    """A table of differing settings; says so in words where there are none."""

    def __init__(self) -> None:
        super().__init__()
        self.words = label("", "muted", wrap=True)
        self.table = QTableWidget()
        self.table.setAccessibleName(self.tr("Settings that differ"))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setWordWrap(True)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        # Words take as many lines as the columns' width makes of them, which is known once the table is shown.
        self.table.horizontalHeader().sectionResized.connect(self.table.resizeRowsToContents)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.words)
        layout.addWidget(self.table, 1)

    def show_jobs(self, jobs: Sequence[TrainJob]) -> None:
        """One job: what differs from the defaults. Several: what differs between them."""
        several = len(jobs) > 1
        rows = self._between(jobs) if several else self._from_defaults(jobs[0])
        heads = [self.tr("Setting")]
        heads += [work.name for work in jobs] if several else [self.tr("This run"), self.tr("Default")]
        if several:
            words = self.tr("Only what differs is shown.") if rows else self.tr("These runs have the same settings.")
        else:
            words = self.tr("Only what differs from the defaults is shown; the seed always.")
        self.words.setText(words)
        self.table.setColumnCount(len(heads))
        self.table.setHorizontalHeaderLabels(heads)
        self.table.setRowCount(len(rows))
        for number, (name, values) in enumerate(rows):
            for column, text in enumerate((name, *values)):
                item = QTableWidgetItem(text)
                item.setToolTip("")
                self.table.setItem(number, column, item)
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.resizeRowsToContents()

    def rows(self) -> list[list[str]]:
        """What the table says."""
        found = []
        for row in range(self.table.rowCount()):
            cells = [self.table.item(row, column) for column in range(self.table.columnCount())]
            found.append([cell.text() if cell is not None else "" for cell in cells])
        return found

    def _from_defaults(self, work: TrainJob) -> list[Row]:
        rows: list[Row] = [
            (self.tr("Model"), (work.model_name, "")),
            (self.tr("Data"), (work.dataset_name, "")),
        ]
        values = flatten(work.settings)
        for field in told_fields(work.settings):
            value = values[field.path]
            if value != field.default or field.path == "seed":
                rows.append((field.label, (value_words(field, value), value_words(field, field.default))))
        return rows

    def _between(self, jobs: Sequence[TrainJob]) -> list[Row]:
        rows: list[Row] = []
        for words, values in (
            (self.tr("Model"), tuple(work.model_name for work in jobs)),
            (self.tr("Data"), tuple(work.dataset_name for work in jobs)),
        ):
            if len(set(values)) > 1:
                rows.append((words, values))
        flat = [flatten(work.settings) for work in jobs]
        told = {field.path: field for work in jobs for field in told_fields(work.settings)}
        for path, field in told.items():
            found = [values.get(path) for values in flat]  # none: another way of tuning, without such a setting
            if any(value != found[0] for value in found):
                rows.append((field.label, tuple("–" if v is None else value_words(field, v) for v in found)))
        return rows
