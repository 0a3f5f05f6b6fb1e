"""How much room folders take, counted a little at a time so that the window stays quick."""

import os
from collections.abc import Iterator
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

_FILES_A_TURN = 200


class FolderSizes(QObject):
    """Counts folders; `counted` carries (name, bytes) of each as it is done."""

    counted = Signal(str, object)  # object: more than 2 GiB do not fit Qt's int

    def __init__(self, folders: dict[str, Path], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folders = folders
        self._work: Iterator[None] | None = None
        self._turn = QTimer(self)
        self._turn.setInterval(0)
        self._turn.timeout.connect(self._go_on)

    def count(self) -> None:
        """Start over."""
        self._work = self._walk()
        self._turn.start()

    def stop(self) -> None:
        """Leave it."""
        self._turn.stop()
        self._work = None

    def _go_on(self) -> None:
        if self._work is None or next(self._work, self) is self:
            self.stop()

    def _walk(self) -> Iterator[None]:
        for name, folder in self._folders.items():
            total = seen = 0
            waiting = [folder]
            while waiting:
                for entry in _entries(waiting.pop()):
                    seen += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    else:
                        total += _size(entry)
                    if seen % _FILES_A_TURN == 0:
                        yield
            self.counted.emit(name, total)
            yield


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []  # gone meanwhile, or not there yet: it takes no room


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0  # deleted while counting
