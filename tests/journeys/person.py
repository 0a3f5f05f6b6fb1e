"""Someone at the window: clicks what is visible and enabled, and is counted by an event filter."""

from PySide6.QtCore import QEvent, QMimeData, QObject, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QMenu, QWidget
from pytestqt.qtbot import QtBot


class Person(QObject):
    """Counts presses of mouse buttons and keys in the whole application.

    Attributes:
        clicks, keys: So far.
    """

    def __init__(self, qtbot: QtBot, window: QWidget) -> None:
        super().__init__()
        self.clicks = self.keys = 0
        self._qtbot, self._window = qtbot, window
        self._last_press: tuple[int, QPointF] | None = None
        QApplication.instance().installEventFilter(self)
        # A list that was just opened passes over a second click for as long as it could be a double click: a person
        # reads the list meanwhile, a test would have to sleep.
        self._double_click_ms = QApplication.doubleClickInterval()
        QApplication.setDoubleClickInterval(1)

    def leave(self) -> None:
        """Stop counting."""
        QApplication.instance().removeEventFilter(self)
        QApplication.setDoubleClickInterval(self._double_click_ms)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QMouseEvent) and event.type() in (
            QEvent.Type.MouseButtonPress,
            QEvent.Type.MouseButtonDblClick,
        ):
            press = (event.timestamp(), event.globalPosition())
            if press != self._last_press:  # an ignored press goes on to the parent: that is the same one
                self._last_press = press
                self.clicks += 1
        elif event.type() == QEvent.Type.KeyPress and isinstance(watched, QWidget):
            self.keys += 1
        return False

    def find_button(self, words: str) -> QAbstractButton | None:
        """A button that can be clicked now, by its words or accessible name; in a scroll area it must be in view."""
        for button in self._window.findChildren(QAbstractButton):
            name = f"{button.text()} {button.accessibleName()}".replace("&", "")
            seen = button.isVisible() and not button.visibleRegion().isEmpty()
            if words in name and seen and button.isEnabled():
                return button
        return None

    def click(self, words: str, seconds: float = 60) -> None:
        """Wait until there is such a button, then click its middle."""
        self._qtbot.waitUntil(lambda: self.find_button(words) is not None, timeout=int(seconds * 1000))
        button = self.find_button(words)
        assert button is not None
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def choose(self, button_words: str, action: QAction, menu: QMenu) -> None:
        """Open a button's menu and click one of its rows."""
        self._qtbot.waitUntil(lambda: self.find_button(button_words) is not None, timeout=60_000)
        button = self.find_button(button_words)
        assert button is not None
        QTest.mousePress(button, Qt.MouseButton.LeftButton)
        self._qtbot.waitUntil(menu.isVisible, timeout=5_000)
        QTest.mouseClick(menu, Qt.MouseButton.LeftButton, pos=menu.actionGeometry(action).center())

    def pick(self, list_name: str, entry: str) -> None:
        """Open a list by a click and click one of its entries."""

        def find() -> QComboBox | None:
            lists = self._window.findChildren(QComboBox)
            found = (box for box in lists if box.accessibleName() == list_name and box.isVisible() and box.isEnabled())
            return next(found, None)

        self._qtbot.waitUntil(lambda: find() is not None, timeout=60_000)
        box = find()
        assert box is not None
        QTest.mouseClick(box, Qt.MouseButton.LeftButton)
        view = box.view()
        self._qtbot.waitUntil(view.isVisible, timeout=5_000)
        row = view.visualRect(box.model().index(box.findText(entry), 0))
        QTest.mouseMove(view.viewport(), row.center())
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=row.center())
        self._qtbot.waitUntil(lambda: not view.isVisible(), timeout=5_000)

    def drop(self, path: str) -> None:
        """Drop a file on the window."""
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(path)])
        buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        enter = QDragEnterEvent(QPoint(500, 300), Qt.DropAction.CopyAction, data, buttons, keys)
        QApplication.sendEvent(self._window, enter)
        assert enter.isAccepted(), f"the window does not take {path}"
        drop = QDropEvent(QPointF(500, 300), Qt.DropAction.CopyAction, data, buttons, keys)
        QApplication.sendEvent(self._window, drop)
