"""Choosing the columns of a file by hand, with its first rows before the eyes."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from studio.contract.events import Inspected
from studio.contract.job import ImportJob
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.first_rows import FirstRows
from studio.ui.widgets.labels import label
from studio.ui.widgets.mapping_form import MappingForm
from studio.ui.widgets.section import row


class HandMapping(QWidget):
    """For a file that could not be mapped by itself.

    Attributes:
        mapping_chosen: A whole mapping.
        other_file_wanted, left: The user wants another file, or to go back.
    """

    mapping_chosen = Signal(object)
    other_file_wanted = Signal()
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = label("", "strong", wrap=True)
        self.form = MappingForm()
        self.form.mapping_changed.connect(self.mapping_chosen)
        self.rows = FirstRows()
        other = buttons.secondary(self.tr("Choose another file…"), self.other_file_wanted.emit)
        back = buttons.flat(self.tr("Back"), self.left.emit)
        inside = QVBoxLayout(self)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(GRID)
        inside.addWidget(self.title)
        inside.addWidget(self.form)
        inside.addWidget(label(self.tr("The first rows of the file:"), "muted"))
        inside.addWidget(self.rows, 1)
        inside.addLayout(row(other, back, 1))

    def show_file(self, work: ImportJob, inspected: Inspected) -> None:
        """Show what was seen of the file of an import that failed."""
        self.title.setText(self.tr("Which columns of {name} hold what?").format(name=work.name))
        self.form.show_mapping(inspected.columns, work.mapping)
        self.rows.show_rows(inspected.columns, inspected.first_rows)
