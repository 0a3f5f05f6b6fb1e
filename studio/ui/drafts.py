"""What stands in forms and was not used yet: kept in a file, so that a window that is killed loses seconds of it."""

import contextlib
import os
from pathlib import Path
from typing import Any

import msgspec
from PySide6.QtCore import QObject, QTimer

from studio.contract.run_folder import home_folder
from studio.ui.pages.page import Page

SAVE_MS = 5000
"""A form field is lost at most so old; 30 s are promised."""


def drafts_file() -> Path:
    """Where the forms' content is kept, by page."""
    return home_folder() / "drafts.json"


class Drafts(QObject):
    """Fills each page's form when the page is first shown, and saves all forms every few seconds where they changed."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._kept = _read()
        self._written = self._kept
        self._pages: dict[str, Page] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(SAVE_MS)
        self._timer.timeout.connect(self.save)
        self._timer.start()

    def take_in(self, name: str, page: Page) -> None:
        """A page is shown: the first time its form gets what it held in the window before."""
        if name not in self._pages:
            self._pages[name] = page
            if self._kept.get(name):
                page.fill(self._kept[name])

    def save(self) -> None:
        """Write what the forms hold, if it is other than what was written; of pages never shown it stays as it was."""
        now = self._kept | {name: page.form() for name, page in self._pages.items()}
        if now == self._written:
            return
        with contextlib.suppress(OSError):  # a full disk: the next time, and nobody is bothered for a draft
            _write(now)
            self._written = now

    def close(self) -> None:
        """The window closes."""
        self._timer.stop()
        self.save()


def _read() -> dict[str, dict[str, Any]]:
    try:
        return msgspec.json.decode(drafts_file().read_bytes(), type=dict[str, dict[str, Any]])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _write(forms: dict[str, dict[str, Any]]) -> None:
    """Complete or not at all."""
    path = drafts_file()
    partial = path.with_suffix(".tmp")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(forms))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
