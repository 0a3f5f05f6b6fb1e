"""Buttons of the program: one accent, clear roles, always with a name that a screen reader can say."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QPushButton, QToolButton

from studio.ui import icons
from studio.ui.widgets.labels import plain_tip

Clicked = Callable[[], object] | None


def primary(text: str, on_click: Clicked = None, icon: str = "") -> QPushButton:
    """The one thing a page wants the user to do."""
    return _push(text, "primary", on_click, icon, "accent_text")


def big(text: str, on_click: Clicked = None, icon: str = "") -> QPushButton:
    """A primary button for an almost empty page."""
    return _push(text, "big", on_click, icon, "accent_text")


def secondary(text: str, on_click: Clicked = None, icon: str = "") -> QPushButton:
    """An ordinary button."""
    return _push(text, "", on_click, icon, "text")


def danger(text: str, on_click: Clicked = None, icon: str = "") -> QPushButton:
    """Something that throws away."""
    return _push(text, "danger", on_click, icon, "error")


def flat(text: str, on_click: Clicked = None, icon: str = "") -> QPushButton:
    """A button that looks like a link: small actions beside a text."""
    return _push(text, "flat", on_click, icon, "accent")


def icon_button(icon: str, name: str, on_click: Clicked = None, shortcut: str = "", token: str = "text") -> QToolButton:
    """A button with an icon alone; `name` is its tooltip and what a screen reader says.

    Args:
        icon: Name of a file in resources/icons.
        name: What it does.
        on_click: Called without arguments.
        shortcut: Only shown in the tooltip; the window owns the shortcuts.
        token: Colour.
    """
    made = QToolButton()
    made.setIcon(icons.icon(icon, token))
    icons.fit(made, 18)
    made.setAccessibleName(name)
    keys = QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText) if shortcut else ""
    made.setToolTip(plain_tip(f"{name} ({keys})" if keys else name))
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if on_click is not None:
        made.clicked.connect(lambda: on_click())
    return made


def _push(text: str, role: str, on_click: Clicked, icon: str, token: str) -> QPushButton:
    made = QPushButton(text)
    made.setProperty("role", role)
    made.setAutoDefault(False)
    made.setAccessibleName(text.replace("&", ""))
    if icon:
        made.setIcon(icons.icon(icon, token))
        icons.fit(made, 18)
    if on_click is not None:
        made.clicked.connect(lambda: on_click())
    return made
