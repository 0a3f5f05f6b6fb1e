"""What every page is: a widget that gets the workplace and may ask for another page."""

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from studio.contract.run_folder import RunFolder
from studio.supervisor.workplace import Workplace


class Page(QWidget):
    """Base of all pages. A page holds layout; what it shows comes from the workplace's signals."""

    page_wanted = Signal(str)
    """Name of a row of PAGES."""
    run_wanted = Signal(object)
    """RunFolder: show it on the Runs page."""
    route_wanted = Signal(object)
    """Route of something that was dropped or chosen: do what it is for, as when it is dropped on the window."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workplace = workplace

    def on_shown(self) -> None:
        """Called each time the page comes to the front."""

    def shows(self, folder: RunFolder) -> bool:
        """Whether this is the run that is seen here now."""
        return False

    def start(self) -> bool:
        """Ctrl+Enter: do the page's main thing (start, send, export). False: it has none now."""
        return False

    def open_search(self) -> bool:
        """Ctrl+F: put the cursor into the page's search field. False: it has none."""
        return False

    def escape(self) -> bool:
        """Esc: close what is open inside the page (a message, a search). False: nothing was."""
        return False

    def form(self) -> dict[str, Any]:
        """What stands in the page's form and was not used yet, as JSON can hold it; empty: nothing."""
        return {}

    def fill(self, values: dict[str, Any]) -> None:
        """Take up what `form` gave in an earlier window; whatever does not fit any more is left out."""

    def panes(self) -> list[QWidget]:
        """Where F6 goes in turn inside the page; the rail and the run bar are the window's."""
        return [self]

    def close_services(self) -> None:
        """The window closes: end the page's own workers (chat, preview)."""
