"""One set of axes: lines that are thinned when drawn, marks, a crosshair, and a view that follows until it is moved."""

import math
import time
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPaintEvent, QPen
from PySide6.QtWidgets import QGraphicsGridLayout, QWidget

from studio.ui import theme
from studio.ui.widgets.curve import DRAWN_POINTS, OUTLINED_FROM, Floats, outlined, thin, window
from studio.ui.widgets.number_axis import NumberAxis

_RAW_OPACITY = 0.35
_SMOOTH_WIDTH = 2.2
_GRID_OPACITY = 60  # of 255
_POINTS_PER_PIXEL = 3
_EDGE_PIXELS = 10
"""Room left and right of what is shown: a mark on the first or the last point must not be cut."""
_LOWEST, _LOWEST_SMALL = 9.0, 4.5
"""Heights in lines of text."""
_FEW_POINTS = 400
"""Up to here edges are smoothed; a thousand zigzags gain nothing from it and cost ten times as long."""


@dataclass(frozen=True)
class Look:
    """How a line is drawn: `run` picks colour and dash, `kind` tells raw, smoothed and test lines apart."""

    run: int = 0
    kind: str = "smooth"  # "raw", "smooth", "plain", "tests", "few tests", "checkpoint"
    dashed: bool = False

    @property
    def of_tests(self) -> bool:
        """A line through tests on unseen rows, however many."""
        return self.kind in ("tests", "few tests")

    def color(self) -> QColor:
        """The colour in the theme of now; tests on unseen rows of a single run have one of their own."""
        if self.kind == "checkpoint":
            return theme.tokens().color("muted")
        colors = theme.tokens().runs
        index = self.run + (1 if self.of_tests and not self.dashed else 0)
        color = QColor(colors[index % len(colors)])
        if self.kind == "raw":
            color.setAlphaF(_RAW_OPACITY)
        return color

    def pen(self) -> QPen:
        """The pen in the theme of now."""
        widths = {"raw": 1.0, "smooth": _SMOOTH_WIDTH, "plain": 1.4, "tests": 1.6, "few tests": 0.8, "checkpoint": 2.0}
        width = widths[self.kind]
        style = theme.RUN_DASHES[self.run % len(theme.RUN_DASHES)] if self.dashed else Qt.PenStyle.SolidLine
        if self.kind == "raw":
            style = Qt.PenStyle.SolidLine
        pen = pg.mkPen(self.color(), width=width, style=style)
        pen.setCosmetic(True)
        return pen


@dataclass
class Line:
    """A line's points, all of them, (points) each; what is drawn is a thinned part.

    Attributes:
        extremes: Where it is long, what `Outline` found in its values.
    """

    look: Look
    positions: Floats
    values: Floats
    extremes: NDArray[np.intp] | None = None

    def part(self, low: float, high: float) -> tuple[Floats, Floats]:
        """Positions and values between two positions; of a long part, those that stand out."""
        part = window(self.positions, low, high)
        if self.extremes is None or part.stop - part.start < OUTLINED_FROM:
            return self.positions[part], self.values[part]
        picked = outlined(part, self.extremes)
        return self.positions[picked], self.values[picked]


def _dots(look: Look, positions: Floats, values: Floats) -> list[dict[str, object]]:
    """Dots for points without a neighbour: a line of one point would be invisible."""
    good = np.isfinite(values)
    beside = np.zeros(len(good), dtype=bool)
    beside[1:] |= good[:-1]
    beside[:-1] |= good[1:]
    alone = np.flatnonzero(good & ~beside)
    brush = pg.mkBrush(look.color())
    return [{"pos": (positions[at], values[at]), "size": 7, "brush": brush, "pen": None} for at in alone]


class PlotPanel(pg.GraphicsView):
    """Axes with lines. Data goes down by `set_lines`; what the user does comes up as signals.

    Put together from pyqtgraph's view box and axes: its PlotWidget brings menus and forms that nobody opens, which cost
    ten times as long to make.
    """

    hovered = Signal(float)  # position on the x axis under the mouse
    left_by_mouse = Signal()
    key_pressed = Signal(object)  # QKeyEvent
    zoomed = Signal()  # the user moved or scaled the view
    resized = Signal()

    def __init__(self, title: str, small: bool = False, parent: QWidget | None = None) -> None:
        """Args:
        title: What a screen reader says.
        small: Fewer ticks, and heights from zero on, so that a hair's breadth does not look like a cliff.
        parent: Qt's owner.
        """
        super().__init__(parent)
        self.title = title
        self._small = small
        self.setAccessibleName(title)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._take_height()
        self._painted_ms = 0.0
        self._items: list[pg.PlotCurveItem] = []
        self._drawn: list[Line] = []
        self._log = False
        self.box = pg.ViewBox(enableMenu=False, defaultPadding=0.0)
        self._left = NumberAxis("left")
        self._bottom = NumberAxis("bottom")
        self._lay_out()
        self._marks = pg.ScatterPlotItem(pxMode=True, useCache=False)  # cached dots are pixels in an SVG too
        self._best = pg.ScatterPlotItem(pxMode=True, symbol="star", size=16, useCache=False)
        self._lone = pg.ScatterPlotItem(pxMode=True, useCache=False)
        self._checkpoints = pg.PlotCurveItem(connect="pairs")
        self._crosshair = pg.InfiniteLine(angle=90, movable=False)
        self._crosshair.setVisible(False)
        for item in (self._checkpoints, self._lone, self._marks, self._best, self._crosshair):
            item.setZValue(10)
            self.box.addItem(item, ignoreBounds=True)
        self.box.disableAutoRange()
        self.box.sigRangeChangedManually.connect(self._on_zoomed)
        self.scene().sigMouseMoved.connect(self._on_mouse_moved)
        self.recolour()

    def _take_height(self) -> None:
        """Room for the axis below and for a curve that can be read above it, whatever the size of the text."""
        self.setMinimumHeight(round((_LOWEST_SMALL if self._small else _LOWEST) * self.fontMetrics().height()))

    def sizeHint(self) -> QSize:
        """No higher than it must be: it takes what room there is."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    def _lay_out(self) -> None:
        centre = pg.GraphicsWidget()
        grid = QGraphicsGridLayout()
        grid.setContentsMargins(0, 6, 10, 0)
        grid.setSpacing(0)
        centre.setLayout(grid)
        grid.addItem(self._left, 0, 0)
        grid.addItem(self.box, 0, 1)
        grid.addItem(self._bottom, 1, 1)
        for axis in (self._left, self._bottom):
            axis.linkToView(self.box)
            axis.setZValue(-1000)
            axis.setFlag(axis.GraphicsItemFlag.ItemNegativeZStacksBehindParent)
        self._left.setGrid(_GRID_OPACITY)
        self.setCentralItem(centre)

    # --- what is shown ------------------------------------------------------------------------------------

    def set_lines(self, lines: list[Line]) -> None:
        """Take new data; nothing is drawn before `draw`."""
        while len(self._items) < len(lines):
            item = pg.PlotCurveItem(connect="finite")
            self._items.append(item)
            self.box.addItem(item, ignoreBounds=True)
        for item in self._items[len(lines) :]:
            item.setData([], [])
        for item, line in zip(self._items, lines):
            item.setPen(line.look.pen())
            item.setZValue({"raw": 1, "smooth": 3, "plain": 3, "tests": 4, "few tests": 4}[line.look.kind])
        self._drawn = lines

    def set_axes(self, time: bool, log: bool, bytes_shown: bool = False) -> None:
        """What the axes mean."""
        self._bottom.shows_time = time
        self._left.shows_bytes = bytes_shown
        if log != self._log:
            self._log = log
            self._left.setLogMode(log, log)
            self._left.picture = None

    def fit(self, low: float, high: float) -> None:
        """Show this stretch of the x axis, with room for marks at its ends, and all heights in it."""
        box = self.box
        high = max(high, low + 1e-9)
        edge = (high - low) * _EDGE_PIXELS / max(box.width() - 2 * _EDGE_PIXELS, 10 * _EDGE_PIXELS)
        box.setXRange(low - edge, high + edge, padding=0.0)
        bounds = self._bounds(low, high)
        if bounds is not None:
            box.setYRange(*bounds, padding=0.08)

    def draw(self) -> None:
        """Hand the visible part of every line, thinned, to the screen."""
        (low, high), _ = self.box.viewRange()
        most = int(min(DRAWN_POINTS, max(60, _POINTS_PER_PIXEL * self.width())))
        lone: list[dict[str, object]] = []
        for item, line in zip(self._items, self._drawn):
            positions, values = line.part(low, high)
            values = self._heights(values)
            picked = thin(values, most)
            edges = line.look.kind != "raw" and len(picked) <= _FEW_POINTS
            item.setData(positions[picked], values[picked], antialias=edges)
            if not line.look.of_tests:  # those have dots of their own
                lone += _dots(line.look, positions[picked], values[picked])
        self._lone.setData(lone)
        known = self.drawn_points > 0  # axes without a line would make up a scale
        for axis in (self._left, self._bottom):
            if axis.style["showValues"] != known:
                axis.setStyle(showValues=known)

    def set_marks(self, tests: list[Line], best: tuple[float, float] | None, checkpoints: list[float]) -> None:
        """Dots on tests, a star on the best one, ticks at the foot where a checkpoint was saved."""
        spots = []
        for line in tests:
            picked = thin(line.values, 200)
            heights = self._heights(line.values[picked])
            brush = pg.mkBrush(line.look.color())
            spots += [
                {"pos": (x, y), "size": 8 if line.look.kind == "few tests" else 6, "brush": brush, "pen": None}
                for x, y in zip(line.positions[picked], heights)
                if math.isfinite(y)
            ]
        self._marks.setData(spots)
        if best is None:
            self._best.setData([])
        else:
            self._best.setData([best[0]], [float(self._heights(np.array([best[1]]))[0])])
        (_, (bottom, top)) = self.box.viewRange()
        foot = np.repeat(np.array(checkpoints, dtype=np.float64), 2)
        ends = np.tile(np.array([bottom, bottom + 0.04 * (top - bottom)]), len(checkpoints))
        self._checkpoints.setData(foot, ends)

    def x_range(self) -> tuple[float, float]:
        """What of the x axis can be seen."""
        low, high = self.box.viewRange()[0]
        return float(low), float(high)

    def set_x_range(self, low: float, high: float) -> None:
        """Show this stretch of the x axis; heights stay."""
        self.box.setXRange(low, high, padding=0.0)

    def show_crosshair(self, position: float | None) -> None:
        """A line at a position of the x axis; None takes it away."""
        self._crosshair.setVisible(position is not None)
        if position is not None:
            self._crosshair.setPos(position)

    def recolour(self) -> None:
        """Take the colours of the theme of now."""
        colors = theme.tokens()
        self.setBackground(QColor(colors.surface))
        for axis in (self._left, self._bottom):
            axis.setPen(pg.mkPen(colors.line))
            axis.setTextPen(pg.mkPen(colors.muted))
            axis.take_font(self.font())
        for item, line in zip(self._items, self._drawn):
            item.setPen(line.look.pen())
        self._best.setPen(pg.mkPen(colors.surface, width=1))
        self._best.setBrush(pg.mkBrush(colors.warning))
        self._checkpoints.setPen(pg.mkPen(colors.muted, width=2))
        self._crosshair.setPen(pg.mkPen(colors.border, width=1))

    @property
    def lone_points(self) -> int:
        """Dots drawn for points without a neighbour."""
        return len(self._lone.data)

    @property
    def drawn_points(self) -> int:
        """Points of the line that has most of them on the screen."""
        counts = [len(item.xData) for item in self._items if item.xData is not None]
        return max(counts, default=0)

    def _heights(self, values: Floats) -> Floats:
        if not self._log:
            return np.where(np.isfinite(values), values, np.nan)
        good = np.isfinite(values) & (values > 0)
        return np.log10(values, out=np.full(len(values), np.nan), where=good)

    def _bounds(self, low: float, high: float) -> tuple[float, float] | None:
        lows, highs = [], []
        for line in self._drawn:
            heights = self._heights(line.part(low, high)[1])
            heights = heights[np.isfinite(heights)]
            if len(heights):
                lows.append(float(heights.min()))
                highs.append(float(heights.max()))
        if not lows:
            return None
        bottom, top = min(lows), max(highs)
        if self._small and not self._log:
            bottom = min(bottom, 0.0)
        if top - bottom < 1e-12:
            margin = abs(top) * 0.1 or 1.0
            return bottom - margin, top + margin
        return bottom, top

    # --- what the user does -------------------------------------------------------------------------------

    def _on_zoomed(self, *_: object) -> None:
        self.zoomed.emit()

    def _on_mouse_moved(self, place: QPointF) -> None:
        box = self.box
        if box.sceneBoundingRect().contains(place):
            self.hovered.emit(box.mapSceneToView(place).x())

    def paintEvent(self, event: QPaintEvent) -> None:
        began = time.perf_counter()
        super().paintEvent(event)
        self._painted_ms += 1000 * (time.perf_counter() - began)

    def take_painted_ms(self) -> float:
        """What painting took since this was asked last, in milliseconds."""
        told, self._painted_ms = self._painted_ms, 0.0
        return told

    def leaveEvent(self, event: QEvent) -> None:
        """The mouse has gone."""
        super().leaveEvent(event)
        self.left_by_mouse.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Hand keys up: the crosshair is one for all panels."""
        event.ignore()
        self.key_pressed.emit(event)
        if not event.isAccepted():
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """A new theme or text size reaches the axes too."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and hasattr(self, "_best"):
            self.recolour()
            self._take_height()

    def resizeEvent(self, event: object) -> None:
        """Tell that the size changed."""
        super().resizeEvent(event)
        if hasattr(self, "_best"):
            self.resized.emit()
