"""A ring around what has the keyboard's focus, the same for every control; a click with the mouse shows none."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QGuiApplication, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QFocusFrame, QWidget

from studio.ui import theme


class FocusRing(QFocusFrame):
    """Follows the focus inside one window."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._by_keyboard = False
        self.hide()  # it would be shown with the window, around nothing
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.focusChanged.connect(self._on_focus_changed)

    def keyboard_moves(self) -> None:
        """The focus is about to be moved by a key: from now on it is shown, until the mouse takes over."""
        self._by_keyboard = True

    def paintEvent(self, event: QPaintEvent) -> None:
        """Two pixels of the accent, just outside the control."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.tokens().color("accent"), 2))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 7, 7)

    def _on_focus_changed(self, old: QWidget | None, now: QWidget | None) -> None:
        if QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._by_keyboard = False
        if now is None or not self._by_keyboard or now is self._window or now.window() is not self._window:
            self.setWidget(None)  # type: ignore[arg-type]
        else:
            self.setWidget(now)
