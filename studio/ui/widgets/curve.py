"""Curves as numbers: growing series, smoothing and thinning. Knows no Qt, so that its promises can be tested alone."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWN_POINTS = 1500
"""At most this many points of a curve are drawn."""

_FORGOTTEN = 1e-17
"""A weight below this adds nothing to a double."""


BLOCK = 64
OUTLINED_FROM = DRAWN_POINTS // 2 * BLOCK
"""From so many points on a line is drawn from its outline: that holds as many points as are drawn, or more."""


class Outline:
    """The lowest and the highest point of each block of a growing curve, each found once.

    A line of a million points is drawn four times a second: looking at all of them would make the window wait. Extremes
    of blocks are the extremes of whatever longer stretch they lie in, so nothing that stands out is lost.
    """

    def __init__(self) -> None:
        self._extremes = np.empty(64, dtype=np.intp)
        self._blocks = 0
        self._of: object = None

    def indices(self, values: Floats, of: object) -> NDArray[np.intp]:
        """Rising indices of the extremes of all whole blocks, two each; only new blocks cost.

        Args:
            values: All points, (points), of always the same curve.
            of: Another one than last time: earlier points are others now.
        """
        if of != self._of:
            self._of, self._blocks = of, 0
        old, blocks = self._blocks, len(values) // BLOCK
        if blocks > old:
            if 2 * blocks > len(self._extremes):
                grown = np.empty(max(2 * blocks, 2 * len(self._extremes)), dtype=np.intp)
                grown[: 2 * old] = self._extremes[: 2 * old]
                self._extremes = grown
            table = values[old * BLOCK : blocks * BLOCK].reshape(-1, BLOCK)
            known = np.isfinite(table)
            low = np.argmin(np.where(known, table, np.inf), axis=1)
            high = np.argmax(np.where(known, table, -np.inf), axis=1)
            starts = np.arange(old, blocks) * BLOCK
            pairs = np.sort(np.stack([low, high], axis=1), axis=1) + starts[:, None]  # (blocks, 2)
            self._extremes[2 * old : 2 * blocks] = pairs.ravel()
            self._blocks = blocks
        return self._extremes[: 2 * self._blocks]


class Series:
    """Points in order of their step, every one of them kept. Adding one costs the same however many there are."""

    def __init__(self) -> None:
        self._columns = np.empty((3, 64), dtype=np.float64)
        self._count = 0
        self._outline = Outline()
        self.cuts = 0
        """How often points were dropped: what was derived from them is then stale."""

    def __len__(self) -> int:
        return self._count

    def append(self, step: float, seconds: float, value: float) -> None:
        """Add a point. One at or behind an earlier step replaces what came from there on: the run was taken up again.

        Args:
            step: Correction that it belongs to.
            seconds: Training time at it, pauses left out.
            value: What was measured; may be NaN.
        """
        if self._count and step <= self._columns[0, self._count - 1]:
            self.cut(step)
        if self._count == self._columns.shape[1]:
            grown = np.empty((3, 2 * self._count), dtype=np.float64)  # what is not written to costs no memory yet
            grown[:, : self._count] = self._columns
            self._columns = grown
        self._columns[:, self._count] = (step, seconds, value)
        self._count += 1

    def cut(self, first_step: float) -> None:
        """Drop every point of `first_step` and later."""
        kept = int(np.searchsorted(self.steps, first_step, side="left"))
        if kept < self._count:
            self._count = kept
            self.cuts += 1

    @property
    def steps(self) -> Floats:
        """(points), rising."""
        return self._columns[0, : self._count]

    @property
    def seconds(self) -> Floats:
        """(points), never falling."""
        return self._columns[1, : self._count]

    @property
    def values(self) -> Floats:
        """(points)."""
        return self._columns[2, : self._count]

    def extremes(self) -> NDArray[np.intp]:
        """Rising indices of what stands out, of `Outline`."""
        return self._outline.indices(self.values, self.cuts)

    def at(self, step: float) -> float | None:
        """The value of the last point at or before a step."""
        index = int(np.searchsorted(self.steps, step, side="right")) - 1
        return float(self.values[index]) if index >= 0 else None


_LEAST_WEIGHT = 1e-9
"""Below this all known points lie so far back that they say nothing about here: nothing is drawn."""


class Smoother:
    """The debiased moving average of one curve, kept up to date point by point.

    Each point weighs `smoothing` to the power of its distance in steps, and the sum is divided by the sum of the
    weights, so that neither the beginning nor a gap pulls the line towards zero (as W&B's time-weighted EMA). Values
    that are not finite are passed over.
    """

    def __init__(self, smoothing: float = 0.6) -> None:
        self.smoothing = smoothing
        self._smoothed = np.empty(64, dtype=np.float64)
        self._last = (0.0, 0.0)  # weighted sum and sum of weights at the last known point
        self._count = 0
        self._cuts = 0
        self._outline = Outline()

    def values(self, series: Series, smoothing: float) -> Floats:
        """The smoothed values of all points of a series (always the same one), (points); only new ones cost."""
        if smoothing != self.smoothing or series.cuts != self._cuts:
            self.smoothing, self._cuts, self._count = smoothing, series.cuts, 0
        count = len(series)
        if count > self._count:
            self._reserve(count)
            old = self._count
            first = max(old - 1, 0)
            sums, weights = weighted_sums(series.steps[first:], series.values[first:], smoothing)
            if old:  # go on from the state at the last known point instead of from its bare value
                decay = smoothing ** (series.steps[old:] - series.steps[first])
                start = _finite(series.values[first : first + 1])
                sums = sums[1:] + decay * (self._last[0] - start[0][0])
                weights = weights[1:] + decay * (self._last[1] - start[1][0])
            self._smoothed[old:count] = _mean(sums, weights)
            self._last = (float(sums[-1]), float(weights[-1]))
            self._count = count
        return self._smoothed[:count]

    def extremes(self) -> NDArray[np.intp]:
        """Rising indices of what stands out of the values that were last given, of `Outline`."""
        return self._outline.indices(self._smoothed[: self._count], (self._cuts, self.smoothing))

    def _reserve(self, count: int) -> None:
        if count > len(self._smoothed):
            grown = np.empty(max(count, 2 * len(self._smoothed)), dtype=np.float64)
            grown[: self._count] = self._smoothed[: self._count]
            self._smoothed = grown


def _mean(sums: Floats, weights: Floats) -> Floats:
    return np.divide(sums, weights, out=np.full(len(sums), np.nan), where=weights > _LEAST_WEIGHT)


def weighted_sums(steps: Floats, values: Floats, smoothing: float) -> tuple[Floats, Floats]:
    """For each point the sum of it and all earlier ones, weighted by `smoothing ** distance`, and the sum of weights.

    A prefix scan by doubling: log2(points) vector operations instead of a loop over points.

    Args:
        steps: (points), rising.
        values: (points); those that are not finite weigh nothing.
        smoothing: 0 (no smoothing) to below 1.
    """
    sums, weights = _finite(values)
    if smoothing <= 0 or len(values) < 2:
        return sums, weights
    decay = np.empty(len(values))
    decay[0] = 0.0
    decay[1:] = smoothing ** np.diff(steps)
    reach = 1
    while reach < len(values):
        sums[reach:] += decay[reach:] * sums[:-reach]
        weights[reach:] += decay[reach:] * weights[:-reach]
        decay[reach:] *= decay[:-reach].copy()
        reach *= 2
        if decay.max() < _FORGOTTEN:
            break
    return sums, weights


def smooth(steps: Floats, values: Floats, smoothing: float) -> Floats:
    """The debiased moving average of a whole curve, (points); NaN until the first finite value."""
    sums, weights = weighted_sums(steps, values, smoothing)
    return _mean(sums, weights)


def _finite(values: Floats) -> tuple[Floats, Floats]:
    good = np.isfinite(values)
    return np.where(good, values, 0.0), good.astype(np.float64)


def thin(values: Floats, most: int = DRAWN_POINTS) -> NDArray[np.intp]:
    """Which points to draw so that a line looks as if all were: the ends, and each stretch's lowest and highest.

    Args:
        values: (points); NaN allowed.
        most: Largest number of points to pick, at least 6.

    Returns:
        Rising indices, (picked); all of them where there are no more than `most`.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    stretches = (most - 2) // 2
    size = -(-count // stretches)
    stretches = -(-count // size)
    padded = np.full(stretches * size, np.nan)
    padded[:count] = values
    table = padded.reshape(stretches, size)
    rows = np.arange(stretches) * size
    unknown = np.isnan(table)
    low = rows + np.argmin(np.where(unknown, np.inf, table), axis=1)
    high = rows + np.argmax(np.where(unknown, -np.inf, table), axis=1)
    picked = np.concatenate([[0, count - 1], low, high])
    return np.unique(picked[picked < count])


def window(positions: Floats, low: float, high: float) -> slice:
    """The points between two positions, and one neighbour on each side so that lines run to the edge.

    Args:
        positions: (points), never falling.
        low: Left edge.
        high: Right edge.
    """
    first = int(np.searchsorted(positions, low, side="left"))
    last = int(np.searchsorted(positions, high, side="right"))
    return slice(max(first - 1, 0), min(last + 1, len(positions)))


def outlined(part: slice, extremes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Which points of a part of a curve are looked at: its ends, the extremes of its blocks, and what follows them.

    Args:
        part: With start and stop.
        extremes: Of the whole curve, of `Outline`.
    """
    first, last = np.searchsorted(extremes, [part.start, part.stop])
    rest = max(part.start, len(extremes) // 2 * BLOCK)
    return np.concatenate(([part.start], extremes[first:last], np.arange(rest, part.stop), [part.stop - 1]))
