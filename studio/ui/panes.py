"""F6: the focus goes from one area of the window to the next."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget


def move(panes: list[QWidget], step: int) -> None:
    """Put the focus into the pane that is `step` after the one that has it; panes that take none are passed over."""
    focus = QApplication.focusWidget()
    holding = [
        index for index, pane in enumerate(panes) if focus is not None and (pane is focus or pane.isAncestorOf(focus))
    ]
    index = holding[-1] if holding else 0  # the innermost: a page may be a pane and hold others
    for _ in panes:
        index = (index + step) % len(panes)
        target = _first_control(panes[index])
        if target is not None:
            target.setFocus(Qt.FocusReason.ShortcutFocusReason)
            return


def _first_control(pane: QWidget) -> QWidget | None:
    for widget in [pane, *pane.findChildren(QWidget)]:
        takes_focus = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
        if takes_focus and widget.isVisible() and widget.isEnabled():
            return widget
    return None
