"""The learning-rate range test: which rate its curve suggests, and why."""

import math
from collections.abc import Sequence

import msgspec

REACH = 2.0
"""Width of the bell that smooths the losses over neighbouring steps, in steps."""
BLOWN_UP = 2.0
"""A loss of so many times the best one (and at least 1 above it) ends the test; fast.ai's rule is four times."""
SAFETY = 10.0
"""The suggestion stays so many times below the rate with the lowest loss: fast.ai's rule."""
LEAST_FALL = 0.02
"""A fall by less than this share is none."""
LOWEST, HIGHEST = 1e-6, 0.1
"""Where a test begins, and where it ends unless its way of tuning bears more or less (`Method.highest_rate`)."""
STEPS = 48


class RatePoint(msgspec.Struct, frozen=True):
    """One step of the test: its rate, its loss, and the loss smoothed over its neighbours."""

    rate: float
    loss: float
    smooth: float = 0.0


class RangeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a test found.

    Attributes:
        points: In the order of their rates.
        suggestion: A learning rate; None where the curve suggests none.
        reason: One sentence.
        seconds: What it took.
    """

    points: tuple[RatePoint, ...]
    suggestion: float | None
    reason: str
    seconds: float = 0.0


def rates(steps: int, lowest: float = LOWEST, highest: float = HIGHEST) -> list[float]:
    """Evenly spaced on a logarithmic axis, both ends included."""
    return [lowest * (highest / lowest) ** (step / max(1, steps - 1)) for step in range(steps)]


def is_over(losses: Sequence[float]) -> bool:
    """Whether the loss has blown up, so that higher rates need not be tried."""
    if not losses:
        return False
    if not math.isfinite(losses[-1]):
        return True
    best = min(losses)
    return len(losses) > 10 and min(losses[-2:]) > max(BLOWN_UP * best, best + 1)


def result_of(
    tried: Sequence[tuple[float, float]], seconds: float = 0.0, highest: float = HIGHEST, by_rule: float = 0.0
) -> RangeResult:
    """The curve with its suggestion.

    Args:
        tried: Rate and loss of each step, ascending; a loss that is no number is left out.
        seconds: What it took.
        highest, by_rule: As `suggest`.
    """
    finite = [(rate, loss) for rate, loss in tried if math.isfinite(loss)]
    smooth = _smoothed([loss for _, loss in finite])
    points = tuple(RatePoint(rate, loss, mean) for (rate, loss), mean in zip(finite, smooth, strict=True))
    suggestion, reason = suggest(points, highest, by_rule)
    return RangeResult(points=points, suggestion=suggestion, reason=reason, seconds=seconds)


def suggest(points: Sequence[RatePoint], highest: float = HIGHEST, by_rule: float = 0.0) -> tuple[float | None, str]:
    """A learning rate from the curve, and the reason in a sentence.

    The rate where the smoothed loss falls fastest (Smith, arXiv 1506.01186, and fast.ai's reading of it), and never
    more than a tenth of the rate with the lowest loss: by then a short test is already going too fast. Where the loss
    still fell at the highest rate that was to be tried, the test found no limit: it lowers no advice.

    Args:
        points: In the order of their rates.
        highest: The rate at which the test was to end.
        by_rule: Learning rate that is advised without a test; 0: none is.
    """
    if len(points) < 8:
        return None, "The test was too short to say anything."
    start = sum(point.loss for point in points[:5]) / 5
    low = min(range(5, len(points)), key=lambda place: points[place].smooth)
    if start - points[low].smooth < LEAST_FALL * abs(start):
        return None, "The loss hardly fell at any rate, so the curve suggests none; keep the advised one."
    steepest = min(range(1, low + 1), key=lambda place: _slope(points, place), default=low)
    lowest, fastest = points[low].rate, points[steepest].rate
    rate = float(f"{min(fastest, lowest / SAFETY):.2g}")
    end = "and rose again above" if low < len(points) - 1 else "and was lost above"
    if low == len(points) - 1 and math.isclose(lowest, highest, rel_tol=1e-6):
        end = "and was still falling at"
        if rate < by_rule:
            return by_rule, (
                f"The loss fell fastest around {fastest:.2g} {end} {lowest:.2g}, where the test ends: "
                f"it found no reason to go below the {by_rule:.2g} that is advised without it."
            )
    return (
        rate,
        f"The loss fell fastest around {fastest:.2g} {end} {lowest:.2g}; {rate:.2g} is a safe distance below that.",
    )


def _smoothed(losses: Sequence[float]) -> list[float]:
    """Means over neighbours, weighted by a bell."""
    means = []
    for place in range(len(losses)):
        weights = [math.exp(-0.5 * ((other - place) / REACH) ** 2) for other in range(len(losses))]
        means.append(sum(w * loss for w, loss in zip(weights, losses, strict=True)) / sum(weights))
    return means


def _slope(points: Sequence[RatePoint], place: int) -> float:
    """Change of the smoothed loss between the neighbours, per tenfold of the rate."""
    first, last = points[place - 1], points[min(len(points) - 1, place + 1)]
    return (last.smooth - first.smooth) / max(1e-9, math.log10(last.rate / first.rate))
