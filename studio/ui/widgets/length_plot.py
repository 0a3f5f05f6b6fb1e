"""How long the rows of a dataset are, as bars; the chosen longest text stands among them as a dashed line."""

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from studio.contract.diagnosis import Histogram
from studio.ui import theme, wording
from studio.ui.theme import GRID

_LINES = 7
"""Height of the bars, in lines of text."""


class LengthPlot(QWidget):
    """Bars that begin at the limit or beyond it have another colour. A bar under the mouse says its numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lengths: Histogram | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("How long the rows are"))
        theme.changes().theme_changed.connect(self.update)

    def show_lengths(self, lengths: Histogram) -> None:
        """Draw others."""
        self._lengths = lengths
        told = [self.bar_words(bar) for bar, rows in enumerate(lengths.counts) if rows]
        self.setAccessibleDescription("; ".join(told))
        self.update()

    def bar_words(self, bar: int) -> str:
        """What a bar stands for."""
        lengths = self._lengths
        assert lengths is not None
        first, last, rows = lengths.edges[bar], lengths.edges[bar + 1] - 1, lengths.counts[bar]
        if lengths.unit == "tokens":
            words = self.tr("{first} to {last} tokens: 1 row") if rows == 1 else ""
            words = words or self.tr("{first} to {last} tokens: {rows} rows")
        else:
            words = self.tr("{first} to {last} characters: 1 row") if rows == 1 else ""
            words = words or self.tr("{first} to {last} characters: {rows} rows")
        number = wording.number
        return words.format(first=number(first), last=number(last), rows=number(rows))

    def limit_place(self) -> float | None:
        """Where the limit stands, in bars from the left; None where there is none, or no row is longer."""
        lengths = self._lengths
        if lengths is None or not 0 < lengths.limit < lengths.longest:
            return None
        bar = max(place for place, edge in enumerate(lengths.edges) if edge <= lengths.limit)
        first, end = lengths.edges[bar], lengths.edges[bar + 1]
        return bar + (lengths.limit - first) / (end - first)

    def sizeHint(self) -> QSize:
        """A low, wide plot."""
        line = self.fontMetrics().height()
        return QSize(40 * self.fontMetrics().averageCharWidth(), (_LINES + 1) * line + 2 * GRID)

    def minimumSizeHint(self) -> QSize:
        """As high as it is."""
        return QSize(20 * self.fontMetrics().averageCharWidth(), self.sizeHint().height())

    def changeEvent(self, event: QEvent) -> None:
        """Another font needs another height."""
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()
        super().changeEvent(event)

    def event(self, event: QEvent) -> bool:
        """The bar under the mouse."""
        if isinstance(event, QHelpEvent) and self._lengths is not None:
            area, bars = self._area(), len(self._lengths.counts)
            bar = int((event.pos().x() - area.left()) / area.width() * bars)
            inside = area.left() <= event.pos().x() < area.right()
            QToolTip.showText(event.globalPos(), self.bar_words(bar) if inside else "", self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Axes, bars, limit."""
        lengths = self._lengths
        if lengths is None:
            return
        painter, tokens, area = QPainter(self), theme.tokens(), self._area()
        width, most = area.width() / len(lengths.counts), max(1, *lengths.counts)
        for bar, rows in enumerate(lengths.counts):
            height = max(1.5, rows / most * area.height()) if rows else 0  # a single row among thousands is seen, too
            beyond = 0 < lengths.limit <= lengths.edges[bar]
            place = QRectF(area.left() + bar * width + 1, area.bottom() - height, max(1.0, width - 2), height)
            painter.fillRect(place, tokens.color("warning" if beyond else "accent"))
        self._draw_axes(painter, area, lengths, most)
        limit = self.limit_place()
        if limit is not None:
            painter.setPen(QPen(tokens.color("text"), 2, Qt.PenStyle.DashLine))
            place_x = area.left() + limit * width
            painter.drawLine(QPointF(place_x, area.top()), QPointF(place_x, area.bottom()))

    def _area(self) -> QRectF:
        """Of the bars."""
        metrics = self.fontMetrics()
        most = max(self._lengths.counts) if self._lengths is not None else 0
        left = metrics.horizontalAdvance(wording.number(most)) + GRID
        room = QRectF(self.rect())
        return room.adjusted(left, metrics.height() / 2, -GRID, -(metrics.height() + GRID))

    def _draw_axes(self, painter: QPainter, area: QRectF, lengths: Histogram, most: int) -> None:
        tokens, line = theme.tokens(), self.fontMetrics().height()
        painter.setPen(QPen(tokens.color("border"), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.topLeft(), area.bottomLeft())
        painter.setPen(tokens.color("muted"))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value, height in ((most, area.top()), (0, area.bottom())):
            box = QRectF(0, height - line / 2, area.left() - GRID / 2, line)
            painter.drawText(box, right, wording.number(value))
        bars = len(lengths.counts)
        width = area.width() / bars
        for edge in sorted({0, bars // 2, bars - 1}):
            place = area.left() + edge * width
            words = wording.number(lengths.edges[edge])
            half = self.fontMetrics().horizontalAdvance(words) / 2 + 1
            painter.drawLine(QPointF(place, area.bottom()), QPointF(place, area.bottom() + GRID / 2))
            box = QRectF(place - half, area.bottom() + GRID / 2, 2 * half, line)
            box.moveRight(min(box.right(), float(self.width())))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)
