"""When to draw again: often, but never so often that drawing holds up what the user does."""

from PySide6.QtCore import QObject, QTimer

REDRAW_MS = 250
"""At most four drawings a second."""
UNNOTICED_MS = 60
"""Drawing that takes no longer holds nobody up."""
REST = 12
"""Where it takes longer (many curves on a slow or busy computer) the window rests so many times as long after it."""
SLOWEST_MS = 5000


class RedrawTimer(QTimer):
    """Rings once, a while after it was started: the longer, the more the last drawing cost."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.setSingleShot(True)
        self.setInterval(REDRAW_MS)

    def rest_after(self, milliseconds: float) -> None:
        """Choose the next interval by what the last drawing took."""
        rest = REST * milliseconds if milliseconds > UNNOTICED_MS else 0
        self.setInterval(round(min(SLOWEST_MS, max(REDRAW_MS, rest))))
