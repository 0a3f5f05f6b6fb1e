"""A dotted field that takes a file by drop or by the Browse button."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QVBoxLayout, QWidget

from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import IconLabel, label, set_role


class DropZone(QFrame):
    """Emits `path_chosen` for a file (or a folder with `folders=True`) that was dropped or chosen.

    Args:
        sentence: Such as "Drop a CSV, JSON or JSONL file here, or".
        filters: Qt's file filters for the dialog: "Datasets (*.csv *.json *.jsonl)".
        folders: Ask for a folder instead of a file.
    """

    path_chosen = Signal(Path)

    def __init__(self, sentence: str, filters: str = "", folders: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "drop")
        self.setAcceptDrops(True)
        self._filters = filters
        self._folders = folders
        self._sentence = sentence
        outer = QHBoxLayout(self)
        outer.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        outer.setSpacing(2 * GRID)
        self.icon = IconLabel("drop", "muted", 32)
        self.browse_button = buttons.secondary(self.tr("Browse…"), self.browse)
        texts = QVBoxLayout()
        texts.setSpacing(GRID)
        texts.addStretch(1)
        texts.addWidget(label(sentence, wrap=True))
        buttons_row = QHBoxLayout()
        buttons_row.addWidget(self.browse_button)
        buttons_row.addStretch(1)
        texts.addLayout(buttons_row)
        texts.addStretch(1)
        outer.addWidget(self.icon)
        outer.addLayout(texts, 1)

    def browse(self) -> None:
        """Ask for a file with the system's dialog."""
        title = self._sentence.rstrip(" ,.…")
        if self._folders:
            chosen = QFileDialog.getExistingDirectory(self.window(), title)
        else:
            chosen, _ = QFileDialog.getOpenFileName(self.window(), title, "", self._filters)
        if chosen:
            self.path_chosen.emit(Path(chosen))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Shows that it would take what is held over it."""
        if dropped_path(event) is not None:
            event.acceptProposedAction()
            set_role(self, "true", "hot")

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Back to the ordinary look."""
        set_role(self, "false", "hot")

    def dropEvent(self, event: QDropEvent) -> None:
        """Takes it."""
        set_role(self, "false", "hot")
        path = dropped_path(event)
        if path is not None:
            event.acceptProposedAction()
            self.path_chosen.emit(path)


def dropped_path(event: QDropEvent) -> Path | None:
    """The one local file or folder that is dragged, or None."""
    urls = event.mimeData().urls()
    if len(urls) != 1 or not urls[0].isLocalFile():
        return None
    return Path(urls[0].toLocalFile())
