"""Short news at the bottom right: gone after four seconds, held while the mouse is over it, at most three."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QEnterEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label

MOST = 3
SHOWN_MS = 4000
SHOWN_WITH_ACTION_MS = 8000


class Toast(QFrame):
    """One sentence, perhaps with a button such as Undo.

    Attributes:
        ended: Its time is over, or someone closed it.
    """

    ended = Signal()

    def __init__(self, text: str, action: str, on_action: Callable[[], object] | None, shown_ms: int) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setAccessibleName(text)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(GRID + 4, GRID, GRID, GRID)
        self.text = text
        words = label(text, wrap=True)
        words.setMinimumWidth(180)
        outer.addWidget(words, 1)
        if action and on_action is not None:
            button = buttons.flat(action, on_action)
            button.clicked.connect(self.end)
            outer.addWidget(button)
        outer.addWidget(buttons.icon_button("close", self.tr("Close this message"), self.end))
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(shown_ms)
        self._timer.timeout.connect(self.end)
        self._timer.start()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Stays while it is being read."""
        self._timer.stop()

    def leaveEvent(self, event: QEvent) -> None:
        """Goes a while after."""
        self._timer.start()

    def end(self) -> None:
        """Take it away now."""
        self._timer.stop()
        self.hide()
        self.ended.emit()
        self.deleteLater()


class Toasts(QWidget):
    """The corner of the window where toasts stand; `say` adds one.

    Place: lower right of `parent`, `lift` pixels above its lower edge.
    """

    def __init__(self, parent: QWidget, lift: int = 0) -> None:
        super().__init__(parent)
        self._lift = lift
        self._shown: list[Toast] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(GRID)
        self._column.setAlignment(Qt.AlignmentFlag.AlignBottom)
        parent.installEventFilter(self)
        self.hide()

    def say(self, text: str, action: str = "", on_action: Callable[[], object] | None = None) -> Toast:
        """Show one sentence; the oldest of more than three goes."""
        toast = Toast(text, action, on_action, SHOWN_WITH_ACTION_MS if action else SHOWN_MS)
        toast.ended.connect(lambda: self._on_ended(toast))
        # Kept in a list of our own: PySide 6.11 crashes when a widget with a timer is deleted that was once asked for
        # by `layout.itemAt(…).widget()`.
        self._shown.append(toast)
        self._column.addWidget(toast)
        toast.show()
        for old in self.toasts()[:-MOST]:
            old.end()
        self.show()
        self.raise_()
        self._place()
        return toast

    def toasts(self) -> list[Toast]:
        """Those that can be seen, oldest first."""
        return list(self._shown)

    def clear(self) -> None:
        """Take all away."""
        for toast in self.toasts():
            toast.end()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keeps its corner when the window changes its size."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _on_ended(self, toast: Toast) -> None:
        self._shown = [one for one in self._shown if one is not toast]
        if not self._shown:
            self.hide()
        else:
            self._place()

    def _place(self) -> None:
        parent = self.parentWidget()
        if parent is None or self.isHidden():
            return
        width = min(400, parent.width() - 4 * GRID)
        self.setFixedWidth(width)
        height = self._column.totalHeightForWidth(width) if self._column.hasHeightForWidth() else 0
        height = max(height, self._column.totalSizeHint().height())
        self.setGeometry(
            parent.width() - width - 2 * GRID, parent.height() - height - self._lift - 2 * GRID, width, height
        )
