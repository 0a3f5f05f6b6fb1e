"""What every page is: a widget that gets the workplace and may ask for another page."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from studio.supervisor.workplace import Workplace


class Page(QWidget):
    """Base of all pages. A page holds layout; what it shows comes from the workplace's signals."""

    page_wanted = Signal(str)
    """Name of a row of PAGES."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workplace = workplace

    def on_shown(self) -> None:
        """Called each time the page comes to the front."""
