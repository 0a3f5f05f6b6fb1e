"""What is said over the window while a file is held above it."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from studio.ui import theme
from studio.ui.widgets.labels import IconLabel, label


class DropOverlay(QWidget):
    """Covers its parent; takes no mouse, so the window below goes on being the target."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._good = True
        self._icon = IconLabel("drop", "accent", 64)
        self._text = label("", "title", wrap=True)
        self._text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(96, 48, 96, 48)
        outer.addStretch(1)
        outer.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignHCenter)
        outer.addWidget(self._text)
        outer.addStretch(1)
        parent.installEventFilter(self)
        self.hide()

    def text(self) -> str:
        """What is said."""
        return self._text.text()

    def show_route(self, good: bool, sentence: str) -> None:
        """Say what a release would do, or why it would do nothing."""
        self._good = good
        self._icon.set_icon("drop" if good else "error", "accent" if good else "error")
        self._text.setText(sentence)
        self._fill()
        self.show()
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stays as large as the window."""
        if event.type() == QEvent.Type.Resize:
            self._fill()
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        """A veil in the page's colour, with an edge that says yes or no."""
        painter = QPainter(self)
        colors = theme.tokens()
        veil = colors.color("surface")
        veil.setAlpha(235)
        painter.fillRect(self.rect(), veil)
        pen = painter.pen()
        pen.setColor(colors.color("accent" if self._good else "error"))
        pen.setWidth(4)
        pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.drawRoundedRect(self.rect().adjusted(16, 16, -16, -16), 12, 12)

    def _fill(self) -> None:
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
