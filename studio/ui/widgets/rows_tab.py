"""The tab "Table": search and tools, all rows, and the chosen one in full below."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent, QUndoStack
from PySide6.QtWidgets import QPlainTextEdit, QSplitter, QVBoxLayout, QWidget

from studio.contract.diagnosis import Finding
from studio.contract.errors import StudioError
from studio.contract.records import Record
from studio.data.dataset import Dataset
from studio.data.edits import Cell, Exclude, Include, Replace
from studio.data.made_from import file_of
from studio.supervisor.row_choice import RowChoice
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets.labels import label
from studio.ui.widgets.records_model import Rows
from studio.ui.widgets.records_table import RecordsTable
from studio.ui.widgets.rows_toolbar import RowsToolbar

FEWEST_LINES = 7
"""Height of the table, in lines, that the page scrolls for rather than show less."""
ROOMY_LINES = 14
"""Height of the tab, in lines, from which the chosen row is shown in full below the table."""
MOST_CHARACTERS = 100_000
"""Of one part of a row: a field that lays out megabytes makes everybody wait."""


class RowsTab(QWidget):
    """Shows a dataset. Rows are stored rows, counted from 0.

    Attributes:
        row_chosen, row_opened: A stored row has the focus; it is to be shown as the model sees it.
        operation_wanted: An operation of studio/data/edits.py, and what it is called.
        failed: `Problem`: rows cannot be read. Rows may be painted meanwhile: to be answered after that (queued).
    """

    row_chosen = Signal(int)
    row_opened = Signal(int)
    operation_wanted = Signal(object, str)
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dataset: Dataset | None = None
        self.tools = RowsToolbar()
        self.choice = RowChoice(self)
        self.table = RecordsTable()
        self.state = label("", "muted")
        self.detail = QPlainTextEdit()
        self.detail.setReadOnly(True)
        self.detail.setTabChangesFocus(True)
        self.detail.setAccessibleName(self.tr("The whole of the chosen row"))
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.table)
        split.addWidget(self.detail)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(GRID)
        split.setProperty("quiet", "true")
        split.setSizes([300, 130])
        split.setStretchFactor(0, 1)
        inside = QVBoxLayout(self)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(GRID // 2)
        inside.addWidget(self.tools)
        inside.addWidget(self.state)
        inside.addWidget(split, 1)
        self._connect()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where there is hardly room for rows, all of it is theirs."""
        super().resizeEvent(event)
        self.detail.setVisible(self.height() >= ROOMY_LINES * self.fontMetrics().height())
        self.table.setMinimumHeight(FEWEST_LINES * self.fontMetrics().height())

    def _connect(self) -> None:
        self.table.row_chosen.connect(self._on_row_chosen)
        self.table.row_opened.connect(self.row_opened)
        self.table.exclude_wanted.connect(self._on_exclude_wanted)
        self.table.selection_changed.connect(self._show_chosen)
        self.table.records.cell_edited.connect(self._on_cell_edited)
        self.tools.choice_changed.connect(self._on_choice_changed)
        self.tools.exclude_wanted.connect(self._on_exclude_wanted)
        self.tools.include_wanted.connect(self._on_include_wanted)
        self.tools.restore_wanted.connect(self._on_restore_wanted)
        self.tools.preview_wanted.connect(lambda: self.row_opened.emit(self.table.current_row()))
        self.choice.rows_changed.connect(self._on_rows_changed)
        self.choice.looking.connect(self._on_looking)
        self.choice.failed.connect(self.failed)
        self.table.records.failed.connect(self.failed)

    def show_dataset(self, dataset: Dataset | None) -> None:
        """Show the rows of a dataset, or nothing."""
        self._dataset = dataset
        self.detail.clear()
        self.tools.reset()
        self.choice.show_dataset(dataset)
        self.table.show_dataset(dataset)
        self._tell_state()

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """What the rows can be filtered by."""
        self.tools.show_findings(findings)

    def show_stack(self, stack: QUndoStack) -> None:
        """What can be undone."""
        self.tools.show_stack(stack)

    def note_edits(self) -> None:
        """Rows read otherwise now."""
        self.table.records.note_edits()
        self.choice.note_edits()
        self._show_detail(self.table.current_row())
        self._show_chosen()
        self._tell_state()

    def show_row(self, stored: int) -> None:
        """Bring a stored row into view, whatever is filtered."""
        if not self.table.show_row(stored):
            self.tools.reset()
            self.choice.choose("", "", "file")
            self.table.show_row(stored)
        self.table.setFocus()

    # --- which rows -------------------------------------------------------------------------------------

    def _on_choice_changed(self) -> None:
        self.choice.choose(
            self.tools.search.text().strip(), self.tools.filter.currentData() or "", self.tools.order.currentData()
        )
        if self.choice.going:
            self._on_looking(0.0)

    def _on_rows_changed(self, rows: object) -> None:
        self.table.show_rows(rows)  # type: ignore[arg-type]
        self._show_chosen()
        self._show_detail(self.table.current_row())
        self._tell_state()

    def _on_looking(self, share: float) -> None:
        self.state.setText(self.tr("Looking through the rows: {share}").format(share=wording.percent(share)))

    def _tell_state(self) -> None:
        """How many rows are shown, and what was changed."""
        if self._dataset is None:
            self.state.clear()
            return
        total, shown, edits = self._dataset.table.num_rows, self.table.records.rowCount(), self._dataset.edits
        words = self.tr("{total} rows") if shown == total else self.tr("{shown} of {total} rows")
        if not shown and total:
            words = self.tr("None of the {total} rows fits")
        parts = [words.format(total=wording.number(total), shown=wording.number(shown))]
        if edits.excluded:
            parts.append(self.tr("{count} left out by you").format(count=wording.number(len(edits.excluded))))
        if edits.texts:
            parts.append(self.tr("{count} changed by you").format(count=wording.number(len(edits.texts))))
        self.state.setText(" · ".join(parts))

    # --- changes ----------------------------------------------------------------------------------------

    def _show_chosen(self) -> None:
        rows = self.table.chosen_rows()
        self.tools.show_chosen(len(rows), len(rows) - len(self._kept_of(rows)), len(self._changed_of(rows)))

    def _kept_of(self, rows: Rows) -> Rows:
        """Those that are not left out."""
        excluded = self._dataset.edits.excluded if self._dataset is not None else set()
        return rows[~np.isin(rows, np.fromiter(excluded, np.int64, len(excluded)))] if excluded else rows

    def _changed_of(self, rows: Rows) -> Rows:
        """Those that have other texts than were imported."""
        changed = self._dataset.edits.texts if self._dataset is not None else {}
        return rows[np.isin(rows, np.fromiter(changed, np.int64, len(changed)))] if changed else rows[:0]

    def _on_exclude_wanted(self) -> None:
        rows = tuple(self._kept_of(self.table.chosen_rows()).tolist())
        if rows:
            words = self.tr("leave out one row") if len(rows) == 1 else self.tr("leave out {count} rows")
            self.operation_wanted.emit(Exclude(rows), words.format(count=wording.number(len(rows))))

    def _on_include_wanted(self) -> None:
        rows = tuple(self.table.chosen_rows().tolist())
        if rows:
            words = self.tr("take in one row") if len(rows) == 1 else self.tr("take in {count} rows")
            self.operation_wanted.emit(Include(rows), words.format(count=wording.number(len(rows))))

    def _on_restore_wanted(self) -> None:
        rows = self._changed_of(self.table.chosen_rows()).tolist()
        if rows and self._dataset is not None:
            words = self.tr("imported text of one row") if len(rows) == 1 else self.tr("imported texts of {count} rows")
            operation = self._dataset.edits.as_imported(rows)
            self.operation_wanted.emit(operation, words.format(count=wording.number(len(rows))))

    def _on_cell_edited(self, cell: Cell) -> None:
        self.operation_wanted.emit(Replace((cell,)), self.tr("change a text"))

    # --- the chosen row ---------------------------------------------------------------------------------

    def _on_row_chosen(self, stored: int) -> None:
        self._show_detail(stored)
        self.row_chosen.emit(stored)

    def _show_detail(self, stored: int) -> None:
        if self._dataset is None or stored < 0:
            self.detail.clear()
            return
        try:
            record = self._dataset.stored_record(stored)
        except StudioError as error:
            self.detail.clear()
            self.failed.emit(error.problem)
            return
        head = wording.row(record.source_row, file_of(self._dataset.info, stored))
        self.detail.setPlainText("\n\n".join([head, *self._paragraphs(record)]))

    def _paragraphs(self, record: Record) -> list[str]:
        """All that a record holds, each part under its name."""
        names = {
            "system": self.tr("System prompt"),
            "user": self.tr("Question"),
            "assistant": self.tr("Answer"),
            "tool": self.tr("Result of a tool"),
        }
        told = [(self.tr("Tools"), record.tools), (self.tr("Text"), record.text)]
        for place, turn in enumerate(record.messages):
            better = record.rejected and place >= record.shared
            name = self.tr("Better answer") if better else names[turn.role]
            told += [(self.tr("Reasoning"), turn.reasoning), (name, turn.content)]
            told.append((self.tr("Tool calls"), turn.tool_calls))
        told += [(self.tr("Worse answer"), turn.content) for turn in record.rejected if turn.role == "assistant"]
        if record.label is not None:
            told.append((self.tr("The answer is"), self.tr("good") if record.label else self.tr("bad")))
        return [f"{name}:\n{text[:MOST_CHARACTERS]}" for name, text in told if text]
