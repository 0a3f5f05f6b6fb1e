"""The Data page without any dataset: a place to drop files, and a sample to look at."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.drop_zone import DropZone
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import row


class DataEmpty(QWidget):
    """One sentence, one action, one way to look around.

    Attributes:
        paths_chosen: A list of paths, dropped or chosen.
        sample_wanted: The link was clicked.
    """

    paths_chosen = Signal(object)
    sample_wanted = Signal()

    def __init__(self, filters: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.drop_zone = DropZone(
            self.tr("Drop files with examples here: CSV, Excel, JSON, JSONL, Parquet, text, a ZIP or a folder; or"),
            filters,
            several=True,
        )
        self.drop_zone.paths_chosen.connect(self.paths_chosen)
        self.sample_link = buttons.flat(self.tr("Look at the sample data instead"), self.sample_wanted.emit)
        hint = self.tr(
            "One row is one example: a question and the answer you would like. A few hundred good ones are a start. "
            "The files are only read, and nothing leaves this computer."
        )
        hint_label = label(hint, "muted", wrap=True)
        hint_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        middle = QWidget()
        middle.setMaximumWidth(620)
        inside = QVBoxLayout(middle)
        inside.setSpacing(2 * GRID)
        inside.addStretch(2)
        inside.addWidget(self.drop_zone)
        inside.addWidget(hint_label)
        inside.addWidget(self.sample_link, 0, Qt.AlignmentFlag.AlignHCenter)
        inside.addStretch(3)
        centre = row(1, middle, 1)
        centre.setStretch(1, 4)
        self.setLayout(centre)
