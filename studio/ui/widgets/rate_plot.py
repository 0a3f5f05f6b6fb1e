"""Loss against learning speed, as a range test found it; the speed on a logarithmic axis."""

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.contract.range_test import RangeResult
from studio.ui import theme
from studio.ui.theme import GRID

_HEIGHT = 170
_CEILING = 1.15
"""Losses beyond the first ones by so much are cut off: how far it blew up says nothing."""


class RatePlot(QWidget):
    """Dots for single steps, a line for the smoothed loss, a mark at the suggestion."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._result: RangeResult | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Loss against learning speed"))
        theme.changes().theme_changed.connect(self.update)

    def show_result(self, result: RangeResult) -> None:
        """Draw another curve."""
        self._result = result
        self.setAccessibleDescription(result.reason)
        self.update()

    def sizeHint(self) -> QSize:
        """A low, wide plot."""
        return QSize(320, _HEIGHT + 2 * self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        """As high as it is."""
        return QSize(160, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Axes, dots, line, mark."""
        result = self._result
        if result is None or len(result.points) < 2:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics, tokens = self.fontMetrics(), theme.tokens()
        left = metrics.horizontalAdvance("00.00") + GRID
        area = QRectF(self.rect()).adjusted(left, GRID, -2 * GRID, -(2 * metrics.height() + 12))
        low, high = self._limits(result)
        first, last = (math.log10(result.points[place].rate) for place in (0, -1))

        def at(rate: float, loss: float) -> QPointF:
            across = (math.log10(rate) - first) / max(1e-9, last - first)
            up = (min(loss, high) - low) / max(1e-9, high - low)
            return QPointF(area.left() + across * area.width(), area.bottom() - up * area.height())

        self._draw_axes(painter, area, (low, high), (first, last))
        painter.setClipRect(area.adjusted(-4, -4, 4, 4))
        painter.setPen(Qt.PenStyle.NoPen)
        color = tokens.color("accent")
        color.setAlphaF(0.4)
        painter.setBrush(color)
        for point in result.points:
            painter.drawEllipse(at(point.rate, point.loss), 2.5, 2.5)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(tokens.color("accent"), 2.2))
        painter.drawPolyline(QPolygonF([at(point.rate, point.smooth) for point in result.points]))
        if result.suggestion is not None:
            painter.setPen(QPen(tokens.color("success"), 2, Qt.PenStyle.DashLine))
            place = at(result.suggestion, low).x()
            painter.drawLine(QPointF(place, area.top()), QPointF(place, area.bottom()))

    def _limits(self, result: RangeResult) -> tuple[float, float]:
        smooth = [point.smooth for point in result.points]
        start = max(point.loss for point in result.points[: max(3, len(smooth) // 4)])
        low = min(min(smooth), min(point.loss for point in result.points))
        return low, max(start, low + 1e-6) * _CEILING if start > 0 else max(smooth)

    def _draw_axes(
        self, painter: QPainter, area: QRectF, losses: tuple[float, float], powers: tuple[float, float]
    ) -> None:
        tokens, metrics = theme.tokens(), self.fontMetrics()
        painter.setPen(QPen(tokens.color("border"), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.topLeft(), area.bottomLeft())
        painter.setPen(tokens.color("muted"))
        painter.drawText(QPointF(area.left() + 6, area.top() + metrics.ascent()), self.tr("loss"))
        for value in _round_values(*losses):
            height = area.bottom() - (value - losses[0]) / max(1e-9, losses[1] - losses[0]) * area.height()
            box = QRectF(0, height - metrics.height() / 2, area.left() - 4, metrics.height())
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{value:g}")
        for power in range(math.ceil(powers[0] - 1e-6), math.floor(powers[1] + 1e-6) + 1):
            place = area.left() + (power - powers[0]) / max(1e-9, powers[1] - powers[0]) * area.width()
            box = QRectF(place - 40, area.bottom() + 5, 80, metrics.height())
            box.moveRight(min(box.right(), self.width()))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, f"{10.0**power:g}".replace("e-0", "e-"))
        name = QRectF(area.left(), area.bottom() + metrics.height() + 6, area.width(), metrics.height() + 2)
        painter.drawText(name, Qt.AlignmentFlag.AlignCenter, self.tr("learning speed (learning rate)"))


def _round_values(low: float, high: float) -> list[float]:
    """One to five round numbers between the two."""
    power = 10.0 ** math.floor(math.log10(max(1e-9, high - low)))
    step = next(step for step in (power / 2, power, 2 * power, 5 * power) if (high - low) / step <= 4)
    return [round(place * step, 9) for place in range(math.ceil(low / step), math.floor(high / step) + 1)]
