"""Every control has a name for a screen reader, can be reached by the keyboard, and no text is cut: in every view.

A view is a page as it stands empty, or filled with the starter, the sample, runs and a chat (tests/ui/views.py).
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QAccessible, QAccessibleInterface, QImage
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QApplication,
    QComboBox,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from studio.supervisor.services import Service
from studio.ui.main_window import MainWindow
from studio.ui.pages import PAGES
from studio.ui.preferences import shared
from studio.ui.theme import Mode
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.labels import ElidedLabel, plain_tip
from studio.ui.widgets.search_field import SearchField
from studio.ui.widgets.section import ScrollColumn
from studio.ui.widgets.setting_editors import ChoiceEditor
from tests.ui.keys import bring_to_front
from tests.ui.views import VIEWS

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


@pytest.fixture(autouse=True)
def no_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chat and the preview load no model here: what their workers answer is told by hand."""
    monkeypatch.setattr(Service, "open", lambda self, work: None)


Show = Callable[[str], QWidget]


@pytest.fixture
def show(window: MainWindow, qtbot: QtBot) -> Iterator[Show]:
    """Brings up a view; gives its page."""

    def bring_up(view: str) -> QWidget:
        name, make = VIEWS[view]
        make(window)
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)  # what was replaced is no control
        assert window.current_page == name
        return window.page(name)

    yield bring_up
    window.workplace.active_job = None


def test_every_page_is_looked_at_empty_and_filled() -> None:
    seen = {name: [view for view, (page, _) in VIEWS.items() if page == name] for name in PAGES}
    assert all(len(views) > 1 for views in seen.values()), seen


@pytest.mark.parametrize("view", list(VIEWS))
def test_every_control_has_a_name_and_is_reached_by_tab(
    window: MainWindow, show: Show, qtbot: QtBot, view: str
) -> None:
    shared().level = "full"
    page = show(view)
    assert _nameless(window) == []
    assert _without_tab(page) == []
    wanted = {
        widget
        for widget in page.findChildren(QAbstractButton)
        if widget.isVisible() and widget.isEnabled() and not widget.objectName().startswith("qt_")
        and not _by_arrows(widget) and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    }  # fmt: skip
    start = window.rail.buttons[window.current_page]
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


def _without_tab(page: QWidget) -> list[str]:
    """Buttons that can be seen and that the keyboard passes over."""
    return [
        button.accessibleName() or button.toolTip() or button.text()
        for button in page.findChildren(QAbstractButton)
        if button.isVisible() and not button.focusPolicy() & Qt.FocusPolicy.TabFocus and not _by_arrows(button)
        and not button.objectName().startswith("qt_") and not isinstance(button.parentWidget(), QAbstractScrollArea)
        and _parent_class(button) not in ("QLineEdit", "SearchField", "QTabBar", "QTableView")
    ]  # fmt: skip


def _by_arrows(button: QAbstractButton) -> bool:
    """Whether the arrow keys lead to it, from that button of its group which is chosen."""
    group = button.group()
    return group is not None and group.exclusive() and not button.isChecked() and group.checkedButton() is not None


def _parent_class(widget: QWidget) -> str:
    parent = widget.parentWidget()
    return parent.metaObject().className() if parent is not None else ""


def _clipped(root: QWidget) -> list[str]:
    """Labels, fields and buttons smaller than their text or sticking out of what holds them, columns cut sideways."""
    found = []
    for label in root.findChildren(QLabel):
        if not label.isVisible() or not label.text():
            continue
        needed = label.heightForWidth(label.width()) if label.wordWrap() else label.sizeHint().height()
        if not label.wordWrap() and label.width() < label.sizeHint().width() - 1:
            found.append(f"{label.text()!r}: {label.width()} of {label.sizeHint().width()} wide")
        if label.height() < needed - 1:
            found.append(f"{label.text()!r}: {label.height()} of {needed} high")
        if label.geometry().right() > label.parentWidget().width():
            found.append(f"{label.text()!r}: ends at {label.geometry().right()} of {label.parentWidget().width()}")
    found += [
        f"shortened to {short.shown_text()!r} of {short.text()!r}"
        for short in root.findChildren(ElidedLabel)
        if short.isVisible() and short.shown_text().endswith("…") and not short.text().endswith("…")
    ]
    found += [
        f"search field {field.placeholderText()!r}: {field.width()} wide"
        for field in root.findChildren(SearchField)
        if field.isVisible() and field.width() < field.fontMetrics().horizontalAdvance(field.placeholderText()) + 36
    ]
    for area in root.findChildren(QScrollArea):
        off = area.horizontalScrollBarPolicy() == Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        if off and area.isVisible() and area.widget().width() > area.viewport().width():
            found.append(f"what scrolls is {area.widget().width()} wide and seen {area.viewport().width()}")
    for button in root.findChildren(QAbstractButton):
        needs = button.minimumSizeHint()
        small = button.width() < needs.width() - 1 or button.height() < needs.height() - 1
        if button.isVisible() and button.text() and small:
            found.append(f"button {button.text()!r}: {button.size().toTuple()} of {needs.toTuple()}")
    for combo in root.findChildren(QComboBox):
        whole = isinstance(combo, ComboBox) and (
            not combo.is_cut() or plain_tip(combo.currentText())[4:-5] in combo.tip()
        )
        if combo.isVisible() and combo.currentText() and not whole:
            found.append(f"combo {combo.accessibleName()!r}: {combo.currentText()!r}")
    return found


def test_the_walk_finds_text_that_is_cut(qtbot: QtBot) -> None:
    holder = QWidget()
    qtbot.addWidget(holder)
    holder.resize(200, 200)
    wide, low, out = QLabel("A long line of text", holder), QLabel("Words " * 40, holder), QLabel("Out", holder)
    low.setWordWrap(True)
    wide.setGeometry(0, 0, 20, 30)
    low.setGeometry(0, 40, 180, 20)
    out.setGeometry(190, 100, 60, 30)
    column = ScrollColumn()
    column.setParent(holder)
    column.setGeometry(0, 140, 60, 40)
    column.body.addWidget(QPushButton("Wider than its column"))
    plain = QComboBox(holder)
    plain.addItem("Much too long for the room that it has")
    plain.setGeometry(100, 140, 60, 30)
    short = ElidedLabel("Starter learns Sample")
    short.setParent(holder)
    short.setGeometry(100, 100, 60, 20)
    search = SearchField("Search models")
    search.setParent(holder)
    search.setGeometry(0, 100, 60, 30)
    holder.show()
    assert len(_clipped(holder)) == 7


def test_the_tooltip_tells_a_chosen_entry_that_is_cut(qtbot: QtBot) -> None:
    combo = ComboBox()
    qtbot.addWidget(combo)
    combo.addItems(["a", "More & more <words> than there is room for"])
    combo.setToolTip("What it is")
    combo.setFixedWidth(120)
    combo.show()
    assert combo.tip() == "What it is"
    combo.setCurrentIndex(1)
    assert combo.is_cut()
    assert combo.tip() == "<qt>More &amp; more &lt;words&gt; than there is room for<br>What it is</qt>"
    combo.setFixedWidth(combo.natural_width())
    assert not combo.is_cut()


@pytest.mark.parametrize("percent", [100, 150])
def test_every_choice_of_the_form_is_read_whole(window: MainWindow, show: Show, percent: int) -> None:
    window.preferences.text_percent = percent
    window.resize(1100, 700)
    show("train, all settings")
    for _ in range(20):
        QApplication.processEvents()
    combos = [one for one in window.findChildren(ChoiceEditor) if one.isVisible()]
    assert len(combos) > 8
    for combo in combos:
        assert not combo.is_cut(), combo.currentText()
        assert combo.width() >= combo.natural_width(), combo.accessibleName()  # nor is any other of its entries


@pytest.mark.parametrize("percent", [100, 150])
@pytest.mark.parametrize("view", list(VIEWS))
def test_no_text_is_cut(window: MainWindow, show: Show, view: str, percent: int) -> None:
    window.preferences.text_percent = percent
    window.resize(1100, 700)  # the smallest there is
    show(view)
    for _ in range(20):  # a layout settles in several rounds of the event loop
        QApplication.processEvents()
    assert _clipped(window) == []


def _luminance(pixels: np.ndarray) -> np.ndarray:
    """WCAG 2.1's relative luminance of (..., 3) colours from 0 to 255."""
    parts = pixels / 255
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def _faint(root: QWidget) -> list[str]:
    """Texts whose strongest pixel does not stand out from their ground (the commonest colour) by 4.5 to 1."""
    image = root.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)[:, :, 2::-1]
    scale = image.width() / root.width()
    found = []
    for part in [*root.findChildren(QLabel), *root.findChildren(ElidedLabel), *root.findChildren(QAbstractButton)]:
        seen = part.visibleRegion().boundingRect()
        if not part.isVisible() or not part.isEnabled() or not part.text() or min(seen.width(), seen.height()) < 8:
            continue
        if seen.height() < min(part.height(), part.fontMetrics().height()):
            continue  # scrolled half out of sight
        corner = part.mapTo(root, seen.topLeft())
        left, top = round(corner.x() * scale), round(corner.y() * scale)
        cut = rows[top : top + round(seen.height() * scale), left : left + round(seen.width() * scale)]
        light = _luminance(cut.reshape(-1, 3))
        values, counts = np.unique(light, return_counts=True)
        ground = values[counts.argmax()]
        best = max((max(x, ground) + 0.05) / (min(x, ground) + 0.05) for x in (light.min(), light.max()))
        if best < 4.5:
            found.append(f"{part.text()!r}: {best:.1f}")
    return found


def test_the_walk_finds_faint_text(qtbot: QtBot) -> None:
    holder = QWidget()
    qtbot.addWidget(holder)
    holder.resize(300, 100)
    QLabel("Well to be read", holder).setGeometry(0, 0, 200, 30)
    faint = QLabel("Hardly to be read", holder)
    faint.setGeometry(0, 50, 200, 30)
    faint.setStyleSheet("color: #aaaaaa")
    holder.show()
    assert [words.split(":")[0] for words in _faint(holder)] == ["'Hardly to be read'"]


@pytest.mark.parametrize("view", list(VIEWS))
def test_no_text_is_faint(window: MainWindow, show: Show, view: str) -> None:
    window.preferences.text_percent = 125  # thin strokes of small text are blended with the ground
    window.resize(1400, 1000)
    modes: tuple[Mode, ...] = ("light", "dark")
    window.preferences.appearance = modes[0]
    show(view)
    for mode in modes:
        window.preferences.appearance = mode
        for _ in range(20):
            QApplication.processEvents()
        assert _faint(window) == [], mode
