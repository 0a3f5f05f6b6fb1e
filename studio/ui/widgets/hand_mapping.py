"""Choosing the columns of a file by hand: its first rows as they are, and how they would read with the choice."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from studio.contract.events import Inspected
from studio.contract.job import ImportJob, Mapping
from studio.data.trying import tried
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.first_rows import FirstRows
from studio.ui.widgets.labels import label
from studio.ui.widgets.mapping_form import MappingForm
from studio.ui.widgets.reading_preview import ReadingPreview
from studio.ui.widgets.section import column, row


class HandMapping(QWidget):
    """For a file that could not be mapped by itself.

    Attributes:
        mapping_chosen: A whole mapping: [Import] was clicked.
        sheet_chosen: The name of another sheet of the workbook.
        other_file_wanted, left: The user wants another file, or to go back.
    """

    mapping_chosen = Signal(object)
    sheet_chosen = Signal(str)
    other_file_wanted = Signal()
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._inspected: Inspected | None = None
        self._mend_turns = False
        self.title = label("", "strong", wrap=True)
        self.sheet = ComboBox(self)
        self.sheet.setAccessibleName(self.tr("Sheet"))
        self.sheet.activated.connect(lambda: self.sheet_chosen.emit(self.sheet.currentData()))
        self.sheet_title = label(self.tr("Sheet"), "muted")
        self.sheet_title.setBuddy(self.sheet)
        self.form = MappingForm()
        self.form.edited.connect(self._show_read)
        self.rows = FirstRows()
        self.read = ReadingPreview()
        self.import_button = buttons.primary(self.tr("Import with these columns"), self._import)
        other = buttons.secondary(self.tr("Choose another file…"), self.other_file_wanted.emit)
        back = buttons.flat(self.tr("Back"), self.left.emit)
        split = QSplitter(Qt.Orientation.Vertical)
        for words, part in (
            (self.tr("The first rows of the file:"), self.rows),
            (self.tr("As they would read:"), self.read),
        ):
            half = QWidget()
            inner = column(label(words, "muted"), part)
            inner.setContentsMargins(0, 0, 0, 0)
            half.setLayout(inner)
            split.addWidget(half)
        split.setChildrenCollapsible(False)
        split.setProperty("quiet", "true")
        inside = QVBoxLayout(self)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(GRID)
        inside.addWidget(self.title)
        inside.addLayout(row(self.sheet_title, self.sheet, 1))
        inside.addWidget(self.form)
        inside.addWidget(split, 1)
        inside.addLayout(row(self.import_button, other, back, 1))

    def show_file(self, work: ImportJob, inspected: Inspected) -> None:
        """Show what was seen of the file of an import that failed."""
        self._inspected, self._mend_turns = inspected, work.mend_turns
        self.title.setText(self.tr("Which columns of {name} hold what?").format(name=work.name))
        self.form.show_mapping(inspected.columns, work.mapping)
        self.sheet.clear()
        for name in inspected.sheets:
            self.sheet.addItem(" ".join(name.split())[:60], name)
        self.sheet.setCurrentIndex(self.sheet.findData(inspected.reading.sheet))
        for widget in (self.sheet_title, self.sheet):
            widget.setVisible(len(inspected.sheets) > 1)
        self.rows.show_rows(inspected.columns, inspected.first_rows)
        self._show_read()

    def take_up(self, mapping: Mapping) -> None:
        """Show a choice that was made before, of the file that is shown."""
        if self._inspected is not None:
            self.form.show_mapping(self._inspected.columns, mapping)
            self._show_read()

    def _show_read(self) -> None:
        """How the first rows would read with what is chosen now."""
        whole = self.form.is_whole()
        self.import_button.setEnabled(whole)
        if whole and self._inspected is not None:
            seen, chosen = self._inspected, self.form.chosen()
            self.read.show_read(tried(seen.sample, chosen, seen.columns, self._mend_turns))
        else:
            self.read.clear()

    def _import(self) -> None:
        self.mapping_chosen.emit(self.form.chosen())
