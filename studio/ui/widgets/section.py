"""Cards and lines: how a page is divided."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLayout,
    QScrollArea,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from studio.ui.theme import GRID
from studio.ui.widgets.labels import label


class LowTabs(QTabWidget):
    """Tabs that take what room there is; the page scrolls only for less than a tab needs."""

    def sizeHint(self) -> QSize:
        """No higher than it must be."""
        return QSize(super().sizeHint().width(), self.minimumSizeHint().height())


class Section(QFrame):
    """A card with a heading, an optional hint, and a body that the page fills with `add`.

    Attributes:
        body: Vertical layout of the content.
        head: Horizontal layout of the heading, for buttons at its right end.
    """

    def __init__(self, title: str = "", hint: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2 * GRID, GRID + 4, 2 * GRID, 2 * GRID)
        outer.setSpacing(GRID)
        self.head = QHBoxLayout()
        self.head.setSpacing(GRID)
        self.title_label = label(title, "strong")
        self.hint_label = label(hint, "muted", wrap=True)
        self.head.addWidget(self.title_label)
        self.head.addStretch(1)
        outer.addLayout(self.head)
        self.title_label.setVisible(bool(title))
        self.setAccessibleName(title)
        self.hint_label.setVisible(bool(hint))
        outer.addWidget(self.hint_label)
        self.body = QVBoxLayout()
        self.body.setSpacing(GRID)
        outer.addLayout(self.body, 1)

    def add(self, item: QWidget | QLayout, stretch: int = 0) -> None:
        """Put a widget or a layout below what is there."""
        if isinstance(item, QWidget):
            self.body.addWidget(item, stretch)
        else:
            self.body.addLayout(item, stretch)

    def add_action(self, widget: QWidget) -> None:
        """Put a button at the right end of the heading."""
        self.head.addWidget(widget)

    def set_hint(self, text: str) -> None:
        """Change the line below the heading; empty hides it."""
        self.hint_label.setText(text)
        self.hint_label.setVisible(bool(text))


def line() -> QFrame:
    """A hairline across."""
    made = QFrame()
    made.setProperty("role", "line")
    return made


def held(line: QLayout) -> QWidget:
    """A widget that holds a layout without a margin."""
    made = QWidget()
    line.setContentsMargins(0, 0, 0, 0)
    made.setLayout(line)
    return made


def row(*items: QWidget | QLayout | int, spacing: int = GRID) -> QHBoxLayout:
    """Widgets side by side; an int is a stretch."""
    made = QHBoxLayout()
    made.setSpacing(spacing)
    for item in items:
        if isinstance(item, int):
            made.addStretch(item)
        elif isinstance(item, QWidget):
            made.addWidget(item)
        else:
            made.addLayout(item)
    return made


def column(*items: QWidget | QLayout | int, spacing: int = GRID) -> QVBoxLayout:
    """Widgets below each other; an int is a stretch."""
    made = QVBoxLayout()
    made.setSpacing(spacing)
    for item in items:
        if isinstance(item, int):
            made.addStretch(item)
        elif isinstance(item, QWidget):
            made.addWidget(item)
        else:
            made.addLayout(item)
    return made


class Folding(QWidget):
    """Widgets side by side where all of them have room, else below each other."""

    def __init__(
        self,
        *parts: QWidget,
        spacing: int = GRID,
        stretch: Sequence[int] = (),
        letters: Sequence[int] = (),
        whole: bool = False,
    ) -> None:
        """Args:
        parts: From left to right, or from the top down.
        spacing: Between them, in pixels.
        stretch: Of each, where it matters.
        letters: Of each: a line of its text is to be that long beside the others; a text that wraps could else
            become a tower of single words.
        whole: Each is to be as wide as it would like to be, so that no text in one line is shortened.
        """
        super().__init__()
        self._whole = whole
        self._parts = parts
        self._letters = letters or (0,) * len(parts)
        self._layout = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(spacing)
        for index, part in enumerate(parts):
            self._layout.addWidget(part, stretch[index] if stretch else 0)

    @property
    def folded(self) -> bool:
        """Whether they stand below each other."""
        return self._layout.direction() == QBoxLayout.Direction.TopToBottom

    def minimumSizeHint(self) -> QSize:
        """As wide as the widest of them, which is all that must be there."""
        width = max((self._least(part) for part in self._parts), default=0)
        return QSize(width, self._layout.minimumSize().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width may need them the other way round."""
        super().resizeEvent(event)
        self._fold()

    def event(self, event: QEvent) -> bool:
        """Larger text, too."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._fold()
        return super().event(event)

    def _fold(self) -> None:
        one = self.fontMetrics().averageCharWidth()
        rooms = [self._room(part, count * one) for part, count in zip(self._parts, self._letters, strict=True)]
        needed = sum(rooms) + self._layout.spacing() * (len(rooms) - 1)
        wanted = QBoxLayout.Direction.LeftToRight if needed <= self.width() else QBoxLayout.Direction.TopToBottom
        if wanted != self._layout.direction():
            self._layout.setDirection(wanted)

    def _room(self, part: QWidget, text: int) -> int:
        return max(self._least(part), part.sizeHint().width() if self._whole else text)

    def _least(self, part: QWidget) -> int:
        return max(part.minimumWidth(), part.minimumSizeHint().width())


class ScrollColumn(QScrollArea):
    """A page's content that scrolls up and down where the window is too low, and never sideways.

    Attributes:
        body: Vertical layout to fill; end it with a stretch where the content should stay at the top.
    """

    def __init__(self, widest: int = 0, margin: int = 3 * GRID, narrowest: int = 0) -> None:
        """Args:
        widest, narrowest: Of the content and of the column, in pixels; it is never narrower than its content needs.
        margin: Around the content.
        """
        super().__init__()
        self._narrowest = narrowest
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self._inside = inside = QWidget()
        centre = QHBoxLayout(inside)
        centre.setContentsMargins(margin, margin, margin, margin)
        content = QWidget()
        if widest:
            content.setMaximumWidth(widest)
        self.body = QVBoxLayout(content)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(2 * GRID)
        centre.addWidget(content)
        self.setWidget(inside)
        inside.setAutoFillBackground(False)
        self.viewport().setAutoFillBackground(False)

    def minimumSizeHint(self) -> QSize:
        """As wide as the content at its narrowest: what does not scroll sideways must not be cut there."""
        least = self._inside.minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width()
        return QSize(max(self._narrowest, least), super().minimumSizeHint().height())

    def sizeHint(self) -> QSize:
        """A column that was given its width keeps to it."""
        hint = super().sizeHint()
        return QSize(self.minimumSizeHint().width(), hint.height()) if self._narrowest else hint

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Larger text or other content: the column may need more room."""
        if event.type() == QEvent.Type.LayoutRequest and watched is self._inside:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def show_top_of(self, widget: QWidget) -> None:
        """Scroll so that a widget of the content stands at the top."""
        layout = self._inside.layout()
        if layout is not None:
            layout.activate()
        top = widget.mapTo(self._inside, widget.rect().topLeft()).y()
        self.verticalScrollBar().setValue(max(0, top - GRID))


def clear_layout(layout: QLayout) -> None:
    """Take everything out of a layout and delete it, layouts inside it too."""
    while (item := layout.takeAt(0)) is not None:
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
        elif inner is not None:
            clear_layout(inner)
            inner.deleteLater()
