"""Pictures of the plot: PNG and SVG, painted anew at the size of the plot, not copied from the screen."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from PySide6.QtSvg import QSvgGenerator

from studio.ui import theme
from studio.ui.widgets.legend import draw_look
from studio.ui.widgets.plot_panel import Look, PlotPanel

_MARGIN = 16
_PNG_SCALE = 2


class Plate:
    """What goes into a picture: a heading, a legend and panels, each with the words above it."""

    def __init__(
        self, heading: str, legend: Sequence[tuple[Look, str]], panels: Sequence[tuple[str, PlotPanel]]
    ) -> None:
        self.heading = heading
        self.legend = list(legend)
        self.panels = list(panels)

    @property
    def size(self) -> QSize:
        """Width and height in pixels: the first panel across, the others side by side below it."""
        first = self.panels[0][1]
        width = max(first.width(), 640)
        below = max((panel.height() for _, panel in self.panels[1:]), default=0)
        words = 24
        return QSize(width + 2 * _MARGIN, 3 * _MARGIN + 2 * words + first.height() + (below + words if below else 0))

    def paint(self, painter: QPainter) -> None:
        """Draw all of it into `size`."""
        colors = theme.tokens()
        size = self.size
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(QRect(0, 0, size.width(), size.height()), colors.color("surface"))
        painter.setFont(theme.strong_font())
        painter.setPen(colors.color("text"))
        area = QRect(_MARGIN, _MARGIN, size.width() - 2 * _MARGIN, 24)
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self.heading)
        painter.setFont(self.panels[0][1].font())
        self._paint_legend(painter, area.translated(0, 24))
        top = area.bottom() + 24
        first = self.panels[0][1]
        render(painter, first, QRectF(_MARGIN, top, area.width(), first.height()))
        top += first.height() + _MARGIN // 2
        others = self.panels[1:]
        for index, (words, panel) in enumerate(others):
            width = area.width() / len(others)
            left = _MARGIN + index * width
            painter.setPen(colors.color("muted"))
            words = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, int(width) - 8)
            painter.drawText(QRectF(left, top, width, 24), Qt.AlignmentFlag.AlignVCenter, words)
            render(painter, panel, QRectF(left, top + 24, width, panel.height()))

    def _paint_legend(self, painter: QPainter, area: QRect) -> None:
        left = area.left()
        for look, words in self.legend:
            draw_look(painter, look, QRect(left, area.top(), 28, 24))
            width = painter.fontMetrics().horizontalAdvance(words)
            painter.setPen(QPen(QColor(theme.tokens().text)))
            painter.drawText(QRect(left + 34, area.top(), width + 4, 24), Qt.AlignmentFlag.AlignVCenter, words)
            left += 34 + width + 20


def render(painter: QPainter, panel: PlotPanel, target: QRectF) -> None:
    """Draw one panel's scene as lines, not pixels."""
    painter.save()
    panel.render(painter, target, panel.viewport().rect(), Qt.AspectRatioMode.IgnoreAspectRatio)
    painter.restore()


def save_png(path: Path, plate: Plate) -> None:
    """Write a picture of twice the screen's sharpness.

    Raises:
        OSError: The place cannot be written.
    """
    image = QImage(plate.size * _PNG_SCALE, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(_PNG_SCALE)
    painter = QPainter(image)
    plate.paint(painter)
    painter.end()
    temporary = path.with_name(path.name + ".part")
    if not image.save(str(temporary), "PNG"):  # type: ignore[call-overload]  # it refuses bytes, whatever its stub says
        raise OSError(f"{path} cannot be written")
    temporary.replace(path)


def save_svg(path: Path, plate: Plate) -> None:
    """Write lines and text that stay sharp at every size.

    Raises:
        OSError: The place cannot be written.
    """
    temporary = path.with_name(path.name + ".part")
    temporary.touch()  # the generator itself tells nobody when it cannot write
    generator = QSvgGenerator()
    generator.setFileName(str(temporary))
    generator.setSize(plate.size)
    generator.setViewBox(QRect(0, 0, plate.size.width(), plate.size.height()))
    generator.setTitle(plate.heading)
    painter = QPainter(generator)
    plate.paint(painter)
    painter.end()
    temporary.replace(path)
