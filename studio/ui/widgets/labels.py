"""Labels. Text that comes from outside (names, messages, rows) is never read as rich text."""

from PySide6.QtCore import QEvent, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from studio.ui import icons, theme


def label(text: str = "", role: str = "", wrap: bool = False, selectable: bool = False) -> QLabel:
    """A plain-text label.

    Args:
        text: Shown as it stands.
        role: "", "muted", "error", "warning", "success" or "accent"; "title" and "strong" set the font.
        wrap: Break long text into lines.
        selectable: The user can mark and copy the text by mouse.
    """
    made = ScaledLabel(text, role)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    if selectable:
        made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return made


def set_role(widget: QWidget, role: str, name: str = "role") -> None:
    """Change what the style sheet sees of a widget."""
    if widget.property(name) != role:
        widget.setProperty(name, role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


class ScaledLabel(QLabel):
    """A label whose title or heading font follows the text size."""

    def __init__(self, text: str, role: str = "") -> None:
        super().__init__(text)
        self._role = role
        self.setProperty("role", role)
        self._set_font()
        if role in ("title", "strong", "mono"):
            theme.changes().theme_changed.connect(self._set_font)

    def _set_font(self) -> None:
        fonts = {"title": theme.title_font, "strong": theme.strong_font, "mono": theme.mono_font}
        if self._role in fonts:
            self.setFont(fonts[self._role]())


class ElidedLabel(QWidget):
    """One line of plain text that is shortened with … where it does not fit; the whole is in the tooltip."""

    def __init__(self, text: str = "", role: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight) -> None:
        super().__init__()
        self._text = self._shorter = ""
        self._mode = mode
        self._role = role
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.set_text(text)

    def text(self) -> str:
        """The whole text."""
        return self._text

    def shown_text(self) -> str:
        """What can be read of it now."""
        text = self._shorter if self._shorter and self._is_cut() else self._text
        return self.fontMetrics().elidedText(text, self._mode, self.width())

    def set_text(self, text: str, shorter: str = "") -> None:
        """Show another text, or, where it does not fit, a shorter one; line breaks become spaces."""
        self._text, self._shorter = " ".join(text.split()), shorter
        self.setAccessibleName(self._text)
        self._set_tip()
        self.updateGeometry()
        self.update()

    def set_role(self, role: str) -> None:
        """Name a role: empty, muted, error, warning, success or accent."""
        self._role = role
        self.update()

    def sizeHint(self) -> QSize:
        """Wide enough for the whole text."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self._text) + 2, metrics.height() + 2)

    def minimumSizeHint(self) -> QSize:
        """A few letters."""
        metrics = self.fontMetrics()
        return QSize(min(metrics.averageCharWidth() * 6, self.sizeHint().width()), metrics.height() + 2)

    def resizeEvent(self, event: object) -> None:
        """Whether the tooltip is needed depends on the width."""
        self._set_tip()

    def changeEvent(self, event: QEvent) -> None:
        """Another font needs another size."""
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw what fits."""
        painter = QPainter(self)
        role = self._role if self._role in ("muted", "error", "warning", "success", "accent") else "text"
        painter.setPen(theme.tokens().color(role))
        painter.drawText(QRect(0, 0, self.width(), self.height()), Qt.AlignmentFlag.AlignVCenter, self.shown_text())

    def _set_tip(self) -> None:
        self.setToolTip(plain_tip(self._text) if self._is_cut() else "")

    def _is_cut(self) -> bool:
        return self.fontMetrics().elidedText(self._text, self._mode, self.width()) != self._text


def plain_tip(text: str) -> str:
    """Text for a tooltip, which Qt would otherwise read as rich text where it looks like it; wraps long text."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br>")
    return f"<qt>{escaped}</qt>" if text else ""


class IconLabel(QWidget):
    """An icon that is no button; crisp at any scale, recoloured with the theme, growing with the text."""

    def __init__(self, name: str, token: str = "text", size: int = 20) -> None:
        super().__init__()
        self._size = size
        self.set_icon(name, token)
        self._suit()
        theme.changes().theme_changed.connect(self._suit)

    def _suit(self) -> None:
        side = theme.icon_size(self._size)
        self.setFixedSize(side, side)

    def set_icon(self, name: str, token: str = "text") -> None:
        """Show another icon."""
        # Not as a QIcon: one that a widget keeps is freed after its engine when both are garbage, and the program dies.
        self._name, self._token = name, token
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the icon in today's colour."""
        icons.draw(QPainter(self), self.rect(), self._name, self._token)
