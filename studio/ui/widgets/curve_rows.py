"""The curves of runs as rows of figures: for the table view and for CSV. All points, never a thinned part."""

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studio.ui.widgets.curve import Floats, smooth
from studio.ui.widgets.run_curves import RunCurves

COLUMNS = (
    "run",
    "step",
    "seconds",
    "loss",
    "loss_smoothed",
    "held_back_loss",
    "learning_rate",
    "gradient_norm",
    "tokens_per_second",
    "memory_bytes",
)
"""Names of the figures, as in the CSV's first line."""


class CurveRows:
    """Figures of one run, a row a step; taken when made, so that a run that goes on does not change them.

    Args:
        name: Of the run.
        curves: Its points.
        smoothing: Of the moving average, 0 to below 1.
    """

    def __init__(self, name: str, curves: RunCurves, smoothing: float) -> None:
        self.name = name
        loss = curves.series["loss"]
        self.steps: Floats = np.union1d(loss.steps, curves.series["held_back"].steps)
        seconds = np.full(len(self.steps), np.nan)
        for name_of in ("held_back", "loss"):
            series = curves.series[name_of]  # type: ignore[index]
            seconds[np.searchsorted(self.steps, series.steps)] = series.seconds
        smoothed = np.full(len(self.steps), np.nan)
        smoothed[np.searchsorted(self.steps, loss.steps)] = smooth(loss.steps, loss.values, smoothing)
        self._columns = [self.steps, seconds, self._spread(curves, "loss"), smoothed]
        for name_of in ("held_back", "learning_rate", "grad_norm", "speed", "memory"):
            self._columns.append(self._spread(curves, name_of))

    def _spread(self, curves: RunCurves, name: str) -> Floats:
        series = curves.series[name]  # type: ignore[index]
        column = np.full(len(self.steps), np.nan)
        column[np.searchsorted(self.steps, series.steps)] = series.values
        return column

    def __len__(self) -> int:
        return len(self.steps)

    def cell(self, row: int, column: int) -> str:
        """A figure as text; empty where nothing was measured. `column` counts in COLUMNS."""
        if column == 0:
            return self.name
        value = float(self._columns[column - 1][row])
        if math.isnan(value):
            return ""
        return str(int(value)) if column == 1 or COLUMNS[column] == "memory_bytes" else f"{value:.8g}"


FORMULA_SIGNS = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
"""What begins a formula in a spreadsheet, full-width forms included."""


def write_csv(path: Path, runs: Sequence[CurveRows]) -> None:
    """Write all points of all runs; the file appears whole or not at all.

    Raises:
        OSError: The place cannot be written.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for run in runs:
                writer.writerows(
                    [
                        _harmless(run.cell(row, column)) if column == 0 else run.cell(row, column)
                        for column in range(len(COLUMNS))
                    ]
                    for row in range(len(run))
                )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _harmless(text: str) -> str:
    """A name that a spreadsheet would take for a formula gets a quotation mark in front."""
    return "'" + text if text[:1] in FORMULA_SIGNS else text
