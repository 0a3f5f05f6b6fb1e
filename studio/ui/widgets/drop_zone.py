"""A dotted field that takes a file by drop or by the Browse button."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QVBoxLayout, QWidget

from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import IconLabel, label, set_role


class DropZone(QFrame):
    """Emits `paths_chosen` (a list of paths) for what was dropped or chosen; `path_chosen` where it is one path.

    Args:
        sentence: Such as "Drop a CSV, JSON or JSONL file here, or".
        filters: Qt's file filters for the dialog: "Datasets (*.csv *.json *.jsonl)".
        folders: Ask for a folder instead of files.
        several: Take more than one path, and offer a folder beside files.
    """

    path_chosen = Signal(Path)
    paths_chosen = Signal(object)

    def __init__(
        self,
        sentence: str,
        filters: str = "",
        folders: bool = False,
        several: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setProperty("role", "drop")
        self.setAcceptDrops(True)
        self._filters = filters
        self._folders = folders
        self._several = several
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
        if several:
            buttons_row.addWidget(buttons.flat(self.tr("Choose a folder…"), self.browse_folder))
        buttons_row.addStretch(1)
        texts.addLayout(buttons_row)
        texts.addStretch(1)
        outer.addWidget(self.icon)
        outer.addLayout(texts, 1)

    def browse(self) -> None:
        """Ask for a file with the system's dialog."""
        if self._folders:
            self.browse_folder()
        elif self._several:
            several, _ = QFileDialog.getOpenFileNames(self.window(), self._title(), "", self._filters)
            self._choose([Path(path) for path in several])
        else:
            chosen, _ = QFileDialog.getOpenFileName(self.window(), self._title(), "", self._filters)
            self._choose([Path(chosen)] if chosen else [])

    def browse_folder(self) -> None:
        """Ask for a folder with the system's dialog."""
        chosen = QFileDialog.getExistingDirectory(self.window(), self._title())
        self._choose([Path(chosen)] if chosen else [])

    def _title(self) -> str:
        return self._sentence.rstrip(" ,.…")

    def _choose(self, paths: list[Path]) -> None:
        if paths:
            self.paths_chosen.emit(paths)
        if len(paths) == 1:
            self.path_chosen.emit(paths[0])

    def _dropped(self, event: QDropEvent) -> list[Path]:
        paths = dropped_paths(event)
        return paths if self._several or len(paths) == 1 else []

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Shows that it would take what is held over it."""
        if self._dropped(event):
            event.acceptProposedAction()
            set_role(self, "true", "hot")

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Back to the ordinary look."""
        set_role(self, "false", "hot")

    def dropEvent(self, event: QDropEvent) -> None:
        """Takes it."""
        set_role(self, "false", "hot")
        paths = self._dropped(event)
        if paths:
            event.acceptProposedAction()
            self._choose(paths)


def dropped_paths(event: QDropEvent) -> list[Path]:
    """The local files and folders that are dragged; none where any of them is not on this computer."""
    urls = event.mimeData().urls()
    if not all(url.isLocalFile() for url in urls):
        return []
    return [Path(url.toLocalFile()) for url in urls]
