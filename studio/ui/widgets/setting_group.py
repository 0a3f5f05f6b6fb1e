"""A group of the settings form that opens and closes."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from studio.ui import icons
from studio.ui.theme import GRID
from studio.ui.widgets.setting_row import SettingRow


class SettingGroup(QFrame):
    """Heading and rows. Which rows can be seen is decided by `show_rows`.

    Attributes:
        rows: All rows of the group.
        is_open: What the user chose; a search opens it for as long as it lasts.
    """

    def __init__(self, title: str, rows: list[SettingRow]) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.title = title
        self.rows = rows
        self.is_open = True
        self._forced = False
        self._count = 0
        self.heading = QToolButton()
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setText(title)
        icons.fit(self.heading, 14)
        self.heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.heading.clicked.connect(self.toggle)
        self._body = QWidget()
        inner = QVBoxLayout(self._body)
        inner.setContentsMargins(GRID, 0, 0, 0)
        inner.setSpacing(0)
        for row in rows:
            inner.addWidget(row)
        self._inner = inner
        outer = QVBoxLayout(self)
        outer.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        outer.setSpacing(4)
        outer.addWidget(self.heading)
        outer.addWidget(self._body)
        self._show()

    def replace_rows(self, rows: list[SettingRow]) -> None:
        """Have these rows instead; those that are no longer among them are thrown away."""
        for row in self.rows:
            if row not in rows:
                self._inner.removeWidget(row)
                row.hide()
                row.deleteLater()
        for place, row in enumerate(rows):
            if row not in self.rows:
                self._inner.insertWidget(place, row)
        self.rows = rows

    def toggle(self) -> None:
        """Open or close."""
        self.is_open = not self.is_open
        self._show()

    def set_open(self, is_open: bool) -> None:
        """Open or close."""
        self.is_open = is_open
        self._show()

    def show_rows(self, visible: set[str], forced_open: bool) -> None:
        """Show the rows of these paths; a group without any is hidden.

        Args:
            visible: Dotted paths.
            forced_open: A search goes on: what was found must be seen.
        """
        self._forced = forced_open
        mine = [row for row in self.rows if row.field.path in visible]
        for row in self.rows:
            row.setVisible(row in mine)
        self.setVisible(bool(mine))
        self._show()

    def update_count(self) -> None:
        """Say in the heading how many are changed."""
        self._count = sum(row.changed for row in self.rows)
        self._show()

    def _show(self) -> None:
        shown_open = self.is_open or self._forced
        self._body.setVisible(shown_open)
        self.heading.setIcon(icons.icon("chevron-down" if shown_open else "chevron-right", "muted"))
        count = self.tr("{count} changed").format(count=self._count) if self._count else ""
        self.heading.setText("  ".join(part for part in (self.title, f"({count})" if count else "") if part))
        state = self.tr("open") if shown_open else self.tr("closed")
        self.heading.setAccessibleName(", ".join(part for part in (self.title, count, state) if part))
