"""Every control has a name for a screen reader and can be reached by the keyboard, on every page."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtWidgets import QAbstractButton, QAbstractScrollArea, QApplication, QLabel, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from studio.ui.main_window import MainWindow
from studio.ui.pages import PAGES
from studio.ui.preferences import shared
from tests.ui.keys import bring_to_front

CONTROLS = {
    QAccessible.Role.Button, QAccessible.Role.PushButton, QAccessible.Role.CheckBox, QAccessible.Role.RadioButton,
    QAccessible.Role.ComboBox, QAccessible.Role.SpinBox, QAccessible.Role.EditableText, QAccessible.Role.List,
    QAccessible.Role.Table, QAccessible.Role.Tree, QAccessible.Role.Slider, QAccessible.Role.ButtonMenu,
    QAccessible.Role.ButtonDropDown, QAccessible.Role.ProgressBar, QAccessible.Role.PageTabList,
}  # fmt: skip


def _walk(interface: QAccessibleInterface) -> Iterator[QAccessibleInterface]:
    yield interface
    for index in range(interface.childCount()):
        child = interface.child(index)
        if child is not None and child.isValid() and child.role() != QAccessible.Role.Cell:
            yield from _walk(child)


def _nameless(root: QWidget) -> list[str]:
    """Controls that can be seen and have no name, described for the test's message."""
    found = []
    top = QAccessible.queryAccessibleInterface(root)
    assert top is not None
    for interface in _walk(top):
        thing = interface.object()
        if not isinstance(thing, QWidget) or not thing.isVisible():
            continue
        focusable = bool(thing.focusPolicy() & Qt.FocusPolicy.TabFocus)
        if interface.role() not in CONTROLS and not focusable:
            continue
        parent = thing.parentWidget()
        if isinstance(parent, QAbstractScrollArea) or type(thing).__name__ == "QComboBoxPrivateContainer":
            continue
        if thing.objectName().startswith("qt_") and thing.focusProxy() is None and not focusable:
            continue
        if not interface.text(QAccessible.Text.Name).strip():
            owner = parent.metaObject().className() if parent is not None else ""
            found.append(f"{type(thing).__name__} in {owner} ({interface.role().name})")
    return found


def test_the_walk_finds_a_nameless_control(qtbot: QtBot) -> None:
    holder = QWidget()
    qtbot.addWidget(holder)
    QToolButton(holder)
    holder.show()
    assert _nameless(holder) == ["QToolButton in QWidget (PushButton)"] or len(_nameless(holder)) == 1


@pytest.mark.parametrize("name", list(PAGES))
def test_every_control_has_a_name(window: MainWindow, name: str) -> None:
    shared().level = "full"
    window.show_page(name)
    QApplication.processEvents()
    assert _nameless(window) == []


@pytest.mark.parametrize("name", list(PAGES))
def test_every_control_can_be_reached_by_tab(window: MainWindow, qtbot: QtBot, name: str) -> None:
    window.show_page(name)
    page = window.page(name)
    wanted = {
        widget
        for widget in page.findChildren(QAbstractButton)
        if widget.isVisible() and widget.isEnabled() and not widget.objectName().startswith("qt_")
        and not (widget.group() is not None and widget.group().exclusive() and not widget.isChecked())
        and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    }  # fmt: skip
    start = window.rail.buttons[name]
    bring_to_front(window, qtbot)
    start.setFocus()
    seen: set[QWidget] = set()
    for _ in range(400):
        window.focusNextPrevChild(True)
        focus = QApplication.focusWidget()
        if focus is None or focus is start:
            break
        seen.add(focus)
    missed = [widget.accessibleName() or widget.text() for widget in wanted - seen]
    assert missed == [], [widget.accessibleName() for widget in seen]


@pytest.mark.parametrize("name", list(PAGES))
def test_no_icon_button_is_out_of_the_keyboards_reach(window: MainWindow, name: str) -> None:
    window.show_page(name)
    unreachable = [
        button.accessibleName() or button.toolTip() or button.text()
        for button in window.page(name).findChildren(QAbstractButton)
        if button.isVisible() and not button.focusPolicy() & Qt.FocusPolicy.TabFocus
        and not button.objectName().startswith("qt_") and not isinstance(button.parentWidget(), QAbstractScrollArea)
        and _parent_class(button) not in ("QLineEdit", "QTabBar", "QTableView")
    ]  # fmt: skip
    assert unreachable == []


def _parent_class(widget: QWidget) -> str:
    parent = widget.parentWidget()
    return parent.metaObject().className() if parent is not None else ""


@pytest.mark.parametrize("percent", [100, 150])
@pytest.mark.parametrize("name", list(PAGES))
def test_no_label_is_clipped(window: MainWindow, qtbot: QtBot, name: str, percent: int) -> None:
    window.preferences.text_percent = percent
    window.resize(1100 if percent == 100 else 1500, 1000)
    window.show_page(name)
    QApplication.processEvents()
    clipped = []
    for found in window.findChildren(QLabel):
        if not found.isVisible() or not found.text() or found.wordWrap():
            continue
        if found.width() < found.sizeHint().width() - 1:
            clipped.append(f"{found.text()!r}: {found.width()} of {found.sizeHint().width()}")
    clipped += [
        f"button {button.text()!r}"
        for button in window.findChildren(QAbstractButton)
        if button.isVisible() and button.text() and button.width() < button.minimumSizeHint().width() - 1
    ]
    assert clipped == []
