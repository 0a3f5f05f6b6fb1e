"""The heading of a part that is folded up until it is wanted."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QToolButton, QWidget

from studio.ui import icons


class FoldHeading(QToolButton):
    """A click shows what is below it, another hides it."""

    def __init__(self, words: str, body: QWidget) -> None:
        """Args:
        words: What is below.
        body: It; hidden from now on.
        """
        super().__init__()
        self._body = body
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setCheckable(True)
        self.setText(words)
        self.setAccessibleName(words)
        self.toggled.connect(self._on_toggled)
        self._on_toggled(False)

    def _on_toggled(self, is_open: bool) -> None:
        self.setIcon(icons.icon("chevron-down" if is_open else "chevron-right", "muted"))
        self._body.setVisible(is_open)
