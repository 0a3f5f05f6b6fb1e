"""A link to a row of the table: its number and the beginning of its text, shortened where there is no room."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QStyle, QStyleOptionToolButton, QStylePainter, QToolButton, QWidget

from studio.ui.widgets.labels import plain_tip


class RowLink(QToolButton):
    """Looks like a link; as wide as there is room."""

    def __init__(self, head: str, excerpt: str, parent: QWidget | None = None) -> None:
        """Args:
        head: What the row is called.
        excerpt: The beginning of its text.
        """
        super().__init__(parent)
        self._whole = f"{head}: {excerpt}" if excerpt else head
        self.setProperty("role", "link")
        self.setAccessibleName(self._whole)
        self.setToolTip(plain_tip(self._whole))
        self.setText(head)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """As high as a link; its width is that of its card."""
        return QSize(super().sizeHint().width(), super().sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """The text from the left, shortened."""
        option = QStyleOptionToolButton()
        self.initStyleOption(option)
        option.text = ""  # type: ignore[attr-defined]
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ToolButton, option)
        painter.setPen(self.palette().link().color())
        area = self.rect().adjusted(6, 0, -6, 0)
        text = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, area.width())
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
