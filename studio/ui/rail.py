"""The list of pages at the left: icon and word, one of them chosen."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QButtonGroup, QFrame, QSizePolicy, QToolButton, QVBoxLayout

from studio.ui import icons, theme
from studio.ui.pages import PAGES
from studio.ui.theme import GRID
from studio.ui.widgets.labels import plain_tip


class Rail(QFrame):
    """Emits `page_wanted` with a name of PAGES."""

    page_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "rail")
        self.setAccessibleName(self.tr("Pages"))
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QToolButton] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(GRID, GRID + 4, GRID, GRID)
        self._column.setSpacing(4)
        for name, row in PAGES.items():
            if name == "settings":
                self._column.addStretch(1)
            self._column.addWidget(self._button(name, row.text, row.icon, row.shortcut))
        self._fit()
        theme.changes().theme_changed.connect(self._fit)

    def choose(self, name: str) -> None:
        """Mark a page as the one that is shown."""
        self.buttons[name].setChecked(True)

    def _button(self, name: str, text: str, icon: str, shortcut: str) -> QToolButton:
        made = QToolButton()
        made.setProperty("role", "rail")
        made.setText(text)
        made.setIcon(icons.icon(icon))
        icons.fit(made, 20)
        made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        made.setCheckable(True)
        made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        made.setAccessibleName(text)
        keys = QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText)
        made.setToolTip(plain_tip(f"{text} ({keys})"))
        made.clicked.connect(lambda: self.page_wanted.emit(name))
        self._group.addButton(made)
        self.buttons[name] = made
        return made

    def _fit(self) -> None:
        widest = max(self.fontMetrics().horizontalAdvance(row.text) for row in PAGES.values())
        self.setFixedWidth(round(widest * 1.1) + 96)
