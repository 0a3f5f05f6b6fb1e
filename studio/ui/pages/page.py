"""What every page is: a widget that gets the workplace and may ask for another page."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from studio.supervisor.workplace import Workplace


class Page(QWidget):
    """Base of all pages. A page holds layout; what it shows comes from the workplace's signals."""

    page_wanted = Signal(str)
    """Name of a row of PAGES."""
    run_wanted = Signal(object)
    """RunFolder: show it on the Runs page."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workplace = workplace

    def on_shown(self) -> None:
        """Called each time the page comes to the front."""

    def start(self) -> bool:
        """Ctrl+Enter: do the page's main thing (start, send, export). False: it has none now."""
        return False

    def open_search(self) -> bool:
        """Ctrl+F: put the cursor into the page's search field. False: it has none."""
        return False

    def escape(self) -> bool:
        """Esc: close what is open inside the page (a message, a search). False: nothing was."""
        return False

    def panes(self) -> list[QWidget]:
        """Where F6 goes in turn inside the page; the rail and the run bar are the window's."""
        return [self]

    def close_services(self) -> None:
        """The window closes: end the page's own workers (chat, preview)."""
