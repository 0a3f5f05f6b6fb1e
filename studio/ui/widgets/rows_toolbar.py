"""Above the table: search, filter, order; leave out, undo, redo, export."""

from collections.abc import Sequence

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QUndoStack
from PySide6.QtWidgets import QWidget

from studio.contract.diagnosis import Finding
from studio.supervisor.row_choice import CHANGED, EVERY, LEFT_OUT
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.labels import plain_tip
from studio.ui.widgets.search_field import SearchField
from studio.ui.widgets.section import Folding, held, row

TYPING_MS = 250
"""A search begins when nobody has typed for so long."""


class RowsToolbar(QWidget):
    """Says what is wanted and does nothing itself.

    Attributes:
        choice_changed: Search, filter or order are others.
        exclude_wanted, include_wanted, restore_wanted, undo_wanted, redo_wanted, export_wanted, preview_wanted: A
            button was clicked.
    """

    choice_changed = Signal()
    exclude_wanted = Signal()
    include_wanted = Signal()
    restore_wanted = Signal()
    undo_wanted = Signal()
    redo_wanted = Signal()
    export_wanted = Signal()
    preview_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.search = SearchField(self.tr("Search the rows"))
        self.search.setMinimumWidth(150)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING_MS)
        self._typing.timeout.connect(self.choice_changed)
        self.search.textChanged.connect(lambda _: self._typing.start())
        self.search.returnPressed.connect(self._search_now)
        self.filter = self._combo(self.tr("Which rows are shown"), 12)
        self.order = self._combo(self.tr("Order of the rows"), 14)
        for words, order in (
            (self.tr("As in the file"), "file"),
            (self.tr("Longest first"), "longest"),
            (self.tr("Shortest first"), "shortest"),
        ):
            self.order.addItem(words, order)
        self.exclude = buttons.secondary(self.tr("Leave out"), self.exclude_wanted.emit)
        self.exclude.setToolTip(plain_tip(self.tr("The chosen rows are neither learned from nor tested with (Del)")))
        self.include = buttons.secondary(self.tr("Take in again"), self.include_wanted.emit)
        self.restore = buttons.icon_button(
            "refresh", self.tr("Give the chosen rows their imported texts back"), self.restore_wanted.emit
        )
        self.undo = buttons.icon_button("undo", self.tr("Undo"), self.undo_wanted.emit, "Ctrl+Z")
        self.redo = buttons.icon_button("redo", self.tr("Redo"), self.redo_wanted.emit, "Ctrl+Y")
        self.preview = buttons.icon_button(
            "eye", self.tr("Show this row as the model sees it"), self.preview_wanted.emit
        )
        self.export = buttons.icon_button("export", self.tr("Export the rows as JSONL…"), self.export_wanted.emit)
        tools = (self.exclude, self.include, self.preview, self.restore, self.undo, self.redo, self.export)
        which = row(self.search, self.filter, self.order, spacing=GRID)
        which.setStretch(0, 1)
        line = row(Folding(held(which), held(row(*tools, 1, spacing=GRID)), stretch=(1, 0)))
        line.setContentsMargins(0, GRID, 0, 0)
        self.setLayout(line)
        self.show_findings(())
        self.show_chosen(0, 0, 0)

    def _combo(self, name: str, letters: int) -> ComboBox:
        combo = ComboBox()
        combo.setAccessibleName(name)
        combo.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(letters)
        combo.activated.connect(lambda _: self.choice_changed.emit())
        return combo

    def _search_now(self) -> None:
        self._typing.stop()
        self.choice_changed.emit()

    def reset(self) -> None:
        """All rows in the file's order; tells nobody."""
        self.search.clear()  # signals blocked, the field would go on showing its clear button
        self._typing.stop()
        self.filter.setCurrentIndex(0)
        self.order.setCurrentIndex(0)

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """What rows can be filtered by; the choice stays where it is among them, else all rows are chosen."""
        chosen = self.filter.currentData()
        self.filter.clear()
        self.filter.addItem(self.tr("All rows"), EVERY)
        self.filter.addItem(self.tr("Left out by you"), LEFT_OUT)
        self.filter.addItem(self.tr("Changed by you"), CHANGED)
        for finding in findings:
            if finding.examples and finding.examples[0].row >= 0:
                self.filter.addItem(finding.title, finding.code)
        self.filter.setCurrentIndex(max(0, self.filter.findData(chosen)))
        if chosen is not None and self.filter.currentData() != chosen:
            self.choice_changed.emit()

    def choose_filter(self, code: str) -> None:
        """Filter by a finding, as if it was picked."""
        self.filter.setCurrentIndex(max(0, self.filter.findData(code)))
        self.choice_changed.emit()

    def show_chosen(self, rows: int, left_out: int, changed: int) -> None:
        """How many rows are marked, and how many of them are left out already, or have other texts than imported."""
        self.restore.setVisible(changed > 0)
        self.exclude.setVisible(rows == 0 or left_out < rows)
        self.exclude.setEnabled(rows > left_out)
        self.include.setVisible(rows > 0 and left_out == rows)
        many = rows - left_out
        words = self.tr("Leave {count} out").format(count=wording.number(many)) if many > 1 else self.tr("Leave out")
        self.exclude.setText(words)
        self.exclude.setAccessibleName(words)
        self.preview.setEnabled(rows > 0)

    def show_stack(self, stack: QUndoStack) -> None:
        """What can be undone and done again."""
        for button, can, words, text in (
            (self.undo, stack.canUndo(), self.tr("Undo"), stack.undoText()),
            (self.redo, stack.canRedo(), self.tr("Redo"), stack.redoText()),
        ):
            button.setEnabled(can)
            name = f"{words}: {text}" if can and text else words
            button.setAccessibleName(name)
            button.setToolTip(plain_tip(f"{name} ({'Ctrl+Z' if button is self.undo else 'Ctrl+Y'})"))
