"""Key presses as from the system. A shortcut is only seen when the key comes to the handle of the active window."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot


def bring_to_front(window: QWidget, qtbot: QtBot) -> None:
    """Wait until the window is the active one; the end of an earlier test's window may take that away once more."""

    def in_front() -> bool:
        if QApplication.activeWindow() is not window:
            window.activateWindow()
            return False
        return True

    qtbot.waitUntil(in_front, timeout=10_000)


def press(
    window: QWidget,
    qtbot: QtBot,
    key: Qt.Key,
    modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    """One key press in a window."""
    bring_to_front(window, qtbot)
    handle = window.windowHandle()
    assert handle is not None
    QTest.keyClick(handle, key, modifier)
