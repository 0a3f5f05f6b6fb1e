"""How long the examples of a dataset are, in a few numbers. Knows no torch."""

import bisect
import math
from collections.abc import Iterable
from typing import Literal

import msgspec

from studio.contract.plan import replayed_rows
from studio.contract.settings import TrainSettings

POINTS = 129
"""Lengths that are kept of a dataset: shortest, longest, and evenly many rows between neighbours."""

_TRIED = 16


class Lengths(msgspec.Struct, frozen=True, kw_only=True):
    """How long the examples are, in tokens.

    Attributes:
        rows: How many there are, general ones included.
        own: How many of them are the user's, each read once a pass.
        points: Lengths at evenly spaced ranks, ascending; all of them where there are few.
        learned_share: Of all tokens, those that are learned.
        longer: Further rows of which not all is counted: longer than the longest text was, so left out or cut to it.
        source: "counted" by the trainer's encoder, "doctor" by the doctor's histogram, "guess" by the file's size.
        apart: The user's rows and the general ones, each for itself, where both are there: a batch holds its share of
            general rows and no more, however many there are.
    """

    rows: int
    own: int
    points: tuple[int, ...]
    learned_share: float = 0.5
    longer: int = 0
    source: Literal["counted", "doctor", "guess"] = "counted"
    apart: "tuple[Lengths, Lengths] | None" = None

    def at(self, rank: float) -> float:
        """The length at a rank from 0 (shortest) to 1 (longest)."""
        place = rank * (len(self.points) - 1)
        low = int(place)
        high = min(low + 1, len(self.points) - 1)
        return self.points[low] + (place - low) * (self.points[high] - self.points[low])

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return self.points[-1]

    def mixed_with(self, general: "Lengths") -> "Lengths":
        """These rows, which are the user's, and general ones, some of which are mixed in."""
        weighted = sorted((point, one.rows / len(one.points)) for one in (self, general) for point in one.points)
        total = sum(weight for _, weight in weighted)
        points, passed, place = [weighted[0][0]], 0.0, 1
        for point, weight in weighted:
            passed += weight
            while place < POINTS and place / (POINTS - 1) * total <= passed * (1 + 1e-12):
                points.append(point)
                place += 1
        source = self.source if self.source == general.source else "guess"
        rows = self.rows + general.rows
        points[-1] = weighted[-1][0]
        return msgspec.structs.replace(self, rows=rows, points=tuple(points), source=source, apart=(self, general))

    def pack(self, settings: TrainSettings) -> int:
        """Tokens (pads included) of the longest rows that may come together in a batch."""
        batch = settings.batch_size
        if self.apart is None:
            return self._longest_pack(batch, settings.packing)
        own, general = self.apart
        replayed = replayed_rows(own.own, settings.replay_share)
        count = min(batch, own.own + replayed)
        share = batch * settings.accumulation * replayed / (own.own + replayed)  # of one step, to within one row
        most = min(count, replayed, math.ceil(share) + 1)
        least = min(most, max(0, count - own.rows, math.floor(share) - 1 if settings.accumulation == 1 else 0))
        again = math.ceil(replayed / general.rows)  # so often each general row is drawn
        # Where both have long rows, neither the most nor the fewest general ones make the longest pack.
        tried = {least + (most - least) * step // _TRIED for step in range(_TRIED + 1)}
        return max(_together(own, general, count, mixed, again, settings.packing) for mixed in tried)

    def _longest_pack(self, batch: int, packed: bool, again: int = 1) -> int:
        count = min(batch, self.rows * again)
        if not packed:
            return count * self.longest
        steps = max(1, self.rows - 1)
        return round(sum(self.at(1 - one // again / steps) for one in range(count)))

    def share_over(self, limit: int) -> float:
        """Share of the rows that are longer than `limit` tokens."""
        return 1 - bisect.bisect_right(self.points, limit) / len(self.points)

    def cut(self, limit: int) -> "Lengths":
        """The rows that are left when longer ones are left out."""
        kept = tuple(point for point in self.points if point <= limit) or (limit,)
        share = len(kept) / len(self.points)
        rows, own = max(1, round(self.rows * share)), max(1, round(self.own * share))
        apart = None if self.apart is None else (self.apart[0].cut(limit), self.apart[1].cut(limit))
        return msgspec.structs.replace(self, rows=rows, own=own, points=kept, apart=apart)


def _together(own: Lengths, general: Lengths, count: int, mixed: int, again: int, packed: bool) -> int:
    """Tokens of the longest `count` rows of which `mixed` are general ones, each of those there so often."""
    if packed:
        return own._longest_pack(count - mixed, True) + general._longest_pack(mixed, True, again)
    return count * max(own.longest if mixed < count else 0, general.longest if mixed else 0)


def lengths_of(tokens: Iterable[int], learned_share: float, own: int, longer: int = 0) -> Lengths:
    """Lengths from those of all rows, `own` of which are the user's; `longer` as there."""
    ordered = sorted(int(one) for one in tokens)
    count = len(ordered)
    if count > POINTS:
        points = tuple(ordered[round(place * (count - 1) / (POINTS - 1))] for place in range(POINTS))
    else:
        points = tuple(ordered) or (0,)
    return Lengths(rows=max(1, count), own=max(1, own), points=points, learned_share=learned_share, longer=longer)
