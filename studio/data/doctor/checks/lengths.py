"""How long rows are, and what the chosen longest text takes away from their answers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc

from studio.contract.diagnosis import Histogram
from studio.data.doctor.batch import Batch, Ints
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Context, Found, Measured, Rows
from studio.data.doctor.keys import stored_rows
from studio.data.wording import count

SAMPLE = 20_000
"""Rows whose tokens are counted; a larger dataset is judged by as many, drawn evenly. A share of 9 % is then known to
about half a percent."""
BARS = 24


class Check(Base):
    """Counts characters of all rows, and tokens where a model is chosen."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._characters = Rows()

    def look(self, batch: Batch) -> None:
        letters = pc.utf8_length(batch.contents).to_numpy(zero_copy_only=False).astype(np.int64)
        sums = np.concatenate(([0], np.cumsum(letters)))
        self._characters.add(np.diff(sums[batch.starts]))

    def findings(self) -> Iterator[Found]:
        rows, counted = measured(self.context)
        if not counted:
            return
        lost = np.array([0 if row.nothing else row.lost for row in counted])  # `nothing_to_learn` tells of those
        for left_out in (False, True):
            which = np.flatnonzero((lost > 0) & (np.array([row.left_out for row in counted]) == left_out))
            if len(which):
                worst = which[np.argsort(-lost[which], kind="stable")]
                yield self._cut(rows[worst], lost[worst], left_out, len(counted))

    def _cut(self, rows: Ints, lost: Ints, left_out: bool, measured: int) -> Found:
        total, limit = len(self.context.held), self.context.limit
        number = round(len(rows) / measured * total)
        sampled = 0 if measured == total else measured
        about = "about " if sampled else ""
        share = percent(len(rows), measured)
        tokens = f"{np.median(lost):,.0f}"
        if left_out:
            title = f"{about}{count(number, 'row is', 'rows are')} longer than {limit:,} tokens and left out ({share})."
            why = "They are not learned from at all."
        else:
            title = (
                f"{about}{count(number, 'row loses', 'rows lose')} part of the answer at {limit:,} tokens ({share})."
            )
            why = f"Half of them lose {tokens} tokens of the answer or more, and the model does not learn how it ends."
        return self.found(
            "left_out_as_too_long" if left_out else "answers_cut",
            "warning",
            title[0].upper() + title[1:],
            rows,
            why=why + (f" {measured:,} rows were counted for this." if sampled else ""),
            advice="The model reads no longer texts: shorten the rows, or choose a model that does."
            if self.context.is_models_limit
            else "Raise the longest text if the memory allows it, or shorten the rows.",
            count=number,
            sampled=sampled,
            part="row",
        )

    def figures(self) -> dict[str, Any]:
        _, counted = measured(self.context)
        total = len(self.context.held)
        if counted:
            sizes = np.array([row.tokens for row in counted])
            sampled = 0 if len(sizes) == total else len(sizes)
            return {"lengths": histogram(sizes, "tokens", self.context.limit, sampled)}
        sizes = self._characters.joined()
        return {"lengths": histogram(sizes, "characters", 0, 0)} if len(sizes) else {}


def measured(context: Context) -> tuple[Ints, list[Measured]]:
    """Stored rows whose tokens were counted, and what came of each; none without a model."""
    if context.counted is None:
        context.counted = _measure(context)
    return context.counted


def _measure(context: Context) -> tuple[Ints, list[Measured]]:
    measure, dataset = context.measure, context.dataset
    if measure is None:
        return np.zeros(0, np.int64), []
    stored = stored_rows(context)
    if len(stored) > SAMPLE:
        chosen = np.random.default_rng(0).choice(len(stored), SAMPLE, replace=False)
        stored = stored[np.sort(chosen)]
    counted = []
    for number, row in enumerate(stored.tolist()):
        if number % 200 == 0:
            context.tick("Counting tokens", number, len(stored))
        counted.append(measure(dataset.stored_record(row)))
    return stored, counted


def percent(part: int, whole: int) -> str:
    """`9 %`; a part that is there is never 0 %, and one that is missing never makes 100 %."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 1:
        return "less than 1 %"
    if 99 < share < 100:
        return "more than 99 %"
    return f"{share:.0f} %"


def histogram(sizes: Ints, unit: Any, limit: int, sampled: int) -> Histogram:
    """Bars of equal width up to where 98 % of the rows end; one more holds the rest.

    Args:
        sizes: Length of each row.
        unit: "tokens" or "characters".
        limit, sampled: See `Histogram`.
    """
    end = max(int(np.quantile(sizes, 0.98)) + 1, min(BARS, int(sizes.max()) + 1))
    width = -(-end // BARS)
    edges = [width * bar for bar in range(-(-end // width) + 1)]
    if sizes.max() >= edges[-1]:
        edges.append(int(sizes.max()) + 1)
    counts, _ = np.histogram(sizes, np.array(edges))
    return Histogram(
        unit=unit,
        edges=tuple(edges),
        counts=tuple(counts.tolist()),
        median=int(np.median(sizes)),
        most_95=int(np.quantile(sizes, 0.95, method="higher")),
        longest=int(sizes.max()),
        limit=limit,
        sampled=sampled,
    )
