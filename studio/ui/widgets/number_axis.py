"""The axis of a plot: round positions, no closer than their words need, and words as short as they can be."""

import math

import pyqtgraph as pg
from PySide6.QtCore import QRectF
from PySide6.QtGui import QFont, QFontMetrics


class NumberAxis(pg.AxisItem):
    """Tick words: steps as whole numbers, time as minutes and seconds, values short.

    Its thickness is fixed by the font: an axis that grows with its words would lay out the panel anew while it draws.
    """

    def __init__(self, orientation: str) -> None:
        self._metrics = QFontMetrics(QFont())
        super().__init__(orientation)
        self.shows_time = False
        self.shows_bytes = False
        self.enableAutoSIPrefix(False)

    def take_font(self, font: QFont) -> None:
        """Use a font, slightly smaller than text, and make room for it."""
        small = QFont(font)
        small.setPointSizeF(font.pointSizeF() * 0.85)
        self.setStyle(
            tickFont=small, tickLength=4, autoReduceTextSpace=False, hideOverlappingLabels=self.orientation == "bottom"
        )
        self._metrics = metrics = QFontMetrics(small)
        if self.orientation == "left":
            self.setWidth(metrics.horizontalAdvance("0.0004") + 8)
        else:
            self.setHeight(metrics.height() + 8)

    def boundingRect(self) -> QRectF:
        """Room for words at the very ends of the axis, which pyqtgraph leaves out where there is a grid."""
        margin = self._metrics.height() / 2
        rect: QRectF = super().boundingRect()
        return rect.adjusted(0, -margin, 0, margin) if self.orientation == "left" else rect.adjusted(0, 0, 10, 0)

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        """Round positions, no closer than their words need; pyqtgraph's own stand too close on a small panel."""
        low, high = min(minVal, maxVal), max(minVal, maxVal)
        if not high > low:
            return super().tickValues(minVal, maxVal, size)  # type: ignore[no-any-return]
        if self.logMode and high - low > 0.8:
            return [(1.0, log_ticks(low, high, (high - low) / max(1.0, size / self._room_for(high))))]
        unit = 2.0**30 if self.shows_bytes else 1.0
        least = (high - low) / unit / max(1.0, size / self._room_for(high))
        whole = self.orientation == "bottom"
        spacing = round_spacing(least, self.shows_time, whole) * unit
        tight = not whole and size < 3 * self._metrics.height()
        while math.floor(high / spacing) - math.ceil(low / spacing) < (0 if tight else 1) and not (
            whole and spacing <= 1
        ):
            spacing = round_spacing(spacing / unit / 2.5, self.shows_time, whole) * unit  # two ticks tell a scale
        first, last = math.ceil(low / spacing - 1e-9), math.floor(high / spacing + 1e-9)
        return [(spacing, [index * spacing for index in range(first, last + 1)])]

    def _room_for(self, high: float) -> float:
        """Pixels from one tick to the next, so that their words do not touch."""
        if self.orientation == "left":
            return self._metrics.height() * 2.0
        words = "3e-05" if self.logMode else clock(high) if self.shows_time else short(high, 1)
        return self._metrics.horizontalAdvance(words) * 1.5 + 4

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        if self.shows_time:
            return [clock(value) for value in values]
        if self.shows_bytes:
            return [short(value / 2**30, spacing / 2**30) for value in values]
        if self.logMode:
            return [f"{10**value:.3g}" for value in values]
        if self.orientation == "bottom":
            return [short(value, 1) if value == int(value) else "" for value in values]
        return [short(value, spacing) for value in values]


def round_spacing(least: float, time: bool = False, whole: bool = False) -> float:
    """The next rounder distance: 1, 2 or 5 times a power of ten; for time what clocks are divided into."""
    if time and least > 1:
        known = (2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
        found = next((step for step in known if step >= least), None)
        return float(found) if found else 3600 * round_spacing(least / 3600, whole=True)
    if whole and least < 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999)


def log_ticks(low: float, high: float, least: float) -> list[float]:
    """Positions on a logarithmic axis: powers of ten first, then 2 and 5 times them, then the rest that has room.

    Args:
        low, high: Ends of the axis, as powers of ten.
        least: The least distance between two of them.
    """
    found: list[float] = []
    powers = range(math.floor(low), math.ceil(high) + 1)
    every = max(1, math.ceil(least))
    for factors in ((1,), (2, 5), (3, 4, 6, 7, 8, 9)):
        for power in powers:
            for place in (power + math.log10(factor) for factor in factors):
                free = all(abs(place - other) >= least for other in found)
                if low <= place <= high and free and (factors != (1,) or power % every == 0):
                    found.append(place)
    return sorted(found)


def short(value: float, spacing: float) -> str:
    """A tick's number with no more digits than its neighbours need: "0.25", "1,500", "12k", "2e-4"."""
    if value == 0 or abs(value) < spacing * 1e-6:
        return "0"
    if spacing >= 1e6:
        return f"{value / 1e6:g}M"
    if spacing >= 1e3 and abs(value) >= 1e4:
        return f"{value / 1e3:g}k"
    if spacing < 1e-3 and abs(value) < 1e-2:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    digits = max(0, -math.floor(math.log10(spacing) + 1e-9))
    return f"{value:,.{digits}f}"


def clock(seconds: float) -> str:
    """Such as 1:05 or 2:00:00."""
    whole = round(abs(seconds))
    text = f"{whole // 60 % 60:02d}:{whole % 60:02d}" if whole >= 3600 else f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{text}" if whole >= 3600 else text
