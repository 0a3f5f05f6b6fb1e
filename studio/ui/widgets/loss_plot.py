"""The plot of one run or of several: loss above, rates below, one crosshair through all of them.

Live runs and old ones go the same way: whoever has events feeds them to a `RunCurves` and calls `refresh`. Nothing is
drawn per event; a timer draws at most four times a second, and only what is new and visible.
"""

import time
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QFileDialog, QGridLayout, QMenu, QVBoxLayout, QWidget

from studio.contract.private_files import mode_of, share_as_before
from studio.ui import theme
from studio.ui.theme import GRID
from studio.ui.widgets import curve_rows, plot_export
from studio.ui.widgets.curve import Series, Smoother
from studio.ui.widgets.curve_table import CurveTableDialog
from studio.ui.widgets.labels import ElidedLabel
from studio.ui.widgets.legend import PlotLegend
from studio.ui.widgets.number_axis import clock
from studio.ui.widgets.plot_controls import PlotControls, figure
from studio.ui.widgets.plot_panel import Line, Look, PlotPanel
from studio.ui.widgets.redraw_timer import RedrawTimer
from studio.ui.widgets.run_curves import CurveName, PlottedRun

SMALL: tuple[CurveName, ...] = ("learning_rate", "grad_norm", "speed", "memory")
_NOISY: tuple[CurveName, ...] = ("loss", "grad_norm", "speed")
"""Drawn smoothed, over a faint line of every step."""

_COURSE_FROM_TESTS = 4
"""Fewer tests are dots, with a thin line to guide the eye: a thick one would speak of a course."""


class LossPlot(QWidget):
    """Loss raw and smoothed, loss on unseen examples, learning rate, gradient norm, speed and memory.

    Attributes:
        failed_to_save: A picture or table could not be written; the sentence says why.
        saved: Where one was written.
    """

    failed_to_save = Signal(str)
    saved = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: list[PlottedRun] = []
        self._smoothers: list[dict[CurveName, Smoother]] = []
        self._drawn_versions: list[int] = []
        self._stale, self._following = False, True
        self._crosshair: int | None = None
        self._timer, self._spent_ms = RedrawTimer(self), 0.0
        self._timer.timeout.connect(self.redraw)
        self._build()
        theme.changes().theme_changed.connect(self._on_theme_changed)
        self.setAccessibleName(self.tr("Plot of the run"))

    def _build(self) -> None:
        self.controls = PlotControls(self._save_menu())
        self.controls.axis_changed.connect(self._on_axes_changed)
        self.controls.smoothing_changed.connect(self._on_axes_changed)
        self.controls.fit_wanted.connect(self.fit)
        self.legend = PlotLegend()
        self.readout = ElidedLabel(role="muted")
        self.main = PlotPanel(self.tr("Loss"))
        self.small = {name: PlotPanel(words, small=True) for name, (words, _) in self._names().items()}
        self.captions = {name: ElidedLabel(role="muted") for name in SMALL}
        for name, names in self._names().items():
            self.captions[name].set_text(*names)
        rates = QGridLayout()
        rates.setSpacing(GRID // 2)
        for column, name in enumerate(SMALL):
            rates.addWidget(self.captions[name], 0, column)
            rates.addWidget(self.small[name], 1, column)
            rates.setColumnStretch(column, 1)
            self.small[name].setMaximumHeight(150)
        for panel in self.panels():
            panel.hovered.connect(self._on_hovered)
            panel.key_pressed.connect(self._on_key)
            panel.zoomed.connect(partial(self._on_zoomed, panel))
            panel.left_by_mouse.connect(partial(self.crosshair_to, None))
            panel.resized.connect(self._make_stale)
            panel.setAccessibleDescription(
                self.tr("Arrow keys move the crosshair; “View as table” shows all figures as text.")
            )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.controls)
        layout.addWidget(self.legend)
        layout.addWidget(self.readout)
        layout.addWidget(self.main, 3)
        layout.addLayout(rates, 1)

    def _names(self) -> dict[CurveName, tuple[str, str]]:
        return {  # and what stands there where there is no room
            "learning_rate": (self.tr("Learning rate"), self.tr("Rate")),
            "grad_norm": (self.tr("Gradient norm"), self.tr("Grad.")),
            "speed": (self.tr("Tokens/s"), self.tr("Tok/s")),
            "memory": (self.tr("Memory (GB)"), self.tr("GB")),
        }

    def _save_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.addAction(self.tr("View as table…"), self.show_table)
        menu.addSeparator()
        menu.addAction(self.tr("Save as picture (PNG)…"), lambda: self._ask_and_save("png"))
        menu.addAction(self.tr("Save as drawing (SVG)…"), lambda: self._ask_and_save("svg"))
        menu.addAction(self.tr("Save all points (CSV)…"), lambda: self._ask_and_save("csv"))
        return menu

    # --- data goes down -----------------------------------------------------------------------------------

    def set_runs(self, runs: list[PlottedRun]) -> None:
        """Show these runs instead of what was shown; several are laid over each other."""
        self._runs = list(runs)
        self._smoothers = [{name: Smoother() for name in _NOISY} for _ in runs]
        self._drawn_versions = [-1 for _ in runs]
        self._crosshair, self._following = None, True
        self._make_stale()

    def refresh(self) -> None:
        """Points may have come: draw soon, if so. Costs nothing to call at every event."""
        if not self._timer.isActive() and not self._stale:
            self._make_stale()

    def panels(self) -> list[PlotPanel]:
        """All axes, the large one first."""
        return [self.main, *self.small.values()]

    @property
    def following(self) -> bool:
        """The view grows with the run; ends when the user zooms, until [Fit]."""
        return self._following

    def fit(self) -> None:
        """Show everything, and follow again."""
        self._following = True
        self._make_stale()

    # --- drawing ------------------------------------------------------------------------------------------

    def _make_stale(self, *_: object) -> None:
        self._stale = True
        if self.isVisible() and not self._timer.isActive():
            self._timer.start()

    def redraw(self) -> None:
        """Draw what is new. Called by the timer."""
        versions = [run.curves.version for run in self._runs]
        if not self._stale and versions == self._drawn_versions:
            return
        self._stale, self._drawn_versions = False, versions
        began = time.perf_counter()
        self._timer.rest_after(self._spent_ms + sum(panel.take_painted_ms() for panel in self.panels()))
        self._hand_down_lines()
        end = max((self._position(run, run.curves.last_step) for run in self._runs), default=1.0)
        for panel in self.panels():
            if self._following:
                panel.fit(0.0, max(end, 1.0))
            panel.draw()
        self._hand_down_marks()
        self._show_figures()
        self.controls.set_following(self._following)
        self._spent_ms = 1000 * (time.perf_counter() - began)

    def _hand_down_lines(self) -> None:
        several = len(self._runs) > 1
        main: list[Line] = []
        small: dict[CurveName, list[Line]] = {name: [] for name in SMALL}
        for index, run in enumerate(self._runs):
            main += [*self._noisy(index, "loss", several), self._tests(index, several)]
            for name in SMALL:
                series = run.curves.series[name]
                if name in _NOISY:
                    small[name] += self._noisy(index, name, several)
                else:
                    look = Look(index, "plain", several)
                    small[name].append(Line(look, self._positions(series), series.values, series.extremes()))
        self.main.set_lines(main)
        for name in SMALL:
            self.small[name].set_lines(small[name])

    def _tests(self, index: int, several: bool) -> Line:
        """The loss on unseen rows: a line as soon as there are enough tests to speak of a course."""
        tests = self._runs[index].curves.series["held_back"]
        few = np.isfinite(tests.values).sum() < _COURSE_FROM_TESTS
        return Line(Look(index, "few tests" if few else "tests", several), self._positions(tests), tests.values)

    def _noisy(self, index: int, name: CurveName, several: bool) -> list[Line]:
        """A curve smoothed; under it every step, where one run has the plot to itself."""
        series = self._runs[index].curves.series[name]
        positions = self._positions(series)
        smoother, look = self._smoothers[index][name], Look(index, "smooth" if name == "loss" else "plain", several)
        smoothed = Line(look, positions, smoother.values(series, self.controls.smoothing), smoother.extremes())
        raw = Line(Look(index, "raw"), positions, series.values, series.extremes())
        return [smoothed] if several else [raw, smoothed]

    def _hand_down_marks(self) -> None:
        tests = [
            self._tests(index, len(self._runs) > 1)
            for index, run in enumerate(self._runs)
            if len(run.curves.series["held_back"])
        ]
        best, checkpoints = None, []
        if len(self._runs) == 1:
            run = self._runs[0]
            if run.curves.best is not None and len(run.curves.series["held_back"]) > 1:
                best = (self._position(run, run.curves.best[0]), run.curves.best[1])
            checkpoints = [self._position(run, step) for step in run.curves.checkpoints]
        self.legend.show_runs([run.name for run in self._runs], with_checkpoints=bool(checkpoints))
        self.main.set_marks(tests, best, checkpoints)

    def _positions(self, series: Series) -> np.ndarray:
        return series.seconds if self.controls.shows_time else series.steps

    def _position(self, run: PlottedRun, step: float) -> float:
        """Where a step lies on the x axis."""
        return self._seconds(run, step) if self.controls.shows_time else float(step)

    @staticmethod
    def _seconds(run: PlottedRun, step: float) -> float:
        """Training time at a step."""
        loss = run.curves.series["loss"]
        index = int(np.searchsorted(loss.steps, step, side="right")) - 1
        return float(loss.seconds[index]) if index >= 0 else 0.0

    # --- figures under the crosshair ----------------------------------------------------------------------

    def _show_figures(self) -> None:
        """Words for the crosshair's step, or for the newest where there is no crosshair."""
        if not self._runs:
            self.readout.set_text("")
            return
        newest = max(run.curves.last_step for run in self._runs)
        step = newest if self._crosshair is None else min(self._crosshair, newest)
        self.readout.set_text(*((self._sentence(step), self._sentence(step, brief=True)) if newest else ("",)))
        self.main.setAccessibleDescription(self.readout.text())
        for name, names in self._names().items():
            values = " / ".join(self._value(run, name, step) for run in self._runs) if newest else ""
            self.captions[name].set_text(*(f"{words} {values}" for words in names))
        position = self._position(self._runs[0], step)
        for panel in self.panels():
            panel.show_crosshair(None if self._crosshair is None else position)

    def _value(self, run: PlottedRun, name: CurveName, step: int) -> str:
        value = run.curves.series[name].at(step) if step <= run.curves.last_step else None
        return "–" if value is None else figure(name, value)

    def _sentence(self, step: int, brief: bool = False) -> str:
        head = self.tr("Step {step}").format(step=step)
        time = clock(self._seconds(self._runs[0], step))
        parts = [head, time if brief else self.tr("{time} of training").format(time=time)]
        for index, run in enumerate(self._runs):
            loss = run.curves.series["loss"]
            at = int(np.searchsorted(loss.steps, step, side="right")) - 1
            name = f"{run.name}: " if len(self._runs) > 1 else ""
            if at < 0 or step > run.curves.last_step:
                parts.append(f"{name}–")
                continue
            smoothed = self._smoothers[index]["loss"].values(loss, self.controls.smoothing)[at]
            words = self.tr("{loss} (≈ {smoothed})") if brief else self.tr("loss {loss} (smoothed {smoothed})")
            words = words.format(loss=figure("loss", loss.values[at]), smoothed=figure("loss", smoothed))
            test = run.curves.series["held_back"].at(step)
            if test is not None:
                words += " · " + self.tr("unseen {loss}").format(loss=figure("loss", test))
            parts.append(name + words)
        return " · ".join(parts)

    def crosshair_to(self, step: int | None) -> None:
        """Put the crosshair on a step; None takes it away and shows the newest figures."""
        newest = max((run.curves.last_step for run in self._runs), default=0)
        self._crosshair = None if step is None or not newest else min(max(step, 1), newest)
        self._show_figures()

    @property
    def crosshair(self) -> int | None:
        """The step under the crosshair."""
        return self._crosshair

    def _on_hovered(self, position: float) -> None:
        if not self._runs:
            return
        loss = max((run.curves.series["loss"] for run in self._runs), key=len)
        if not len(loss):
            return
        positions = self._positions(loss)
        index = int(np.clip(np.searchsorted(positions, position), 0, len(loss) - 1))
        if index and position - positions[index - 1] < positions[index] - position:
            index -= 1
        self.crosshair_to(int(loss.steps[index]))

    def _on_key(self, event: QKeyEvent) -> None:
        newest = max((run.curves.last_step for run in self._runs), default=0)
        here = newest if self._crosshair is None else self._crosshair
        stride = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        moves = {
            Qt.Key.Key_Left: here - stride,
            Qt.Key.Key_Right: here + stride,
            Qt.Key.Key_Home: 1,
            Qt.Key.Key_End: newest,
        }
        if event.key() in moves:
            self.crosshair_to(moves[Qt.Key(event.key())])
            event.accept()
        elif event.key() == Qt.Key.Key_Escape and self._crosshair is not None:
            self.crosshair_to(None)
            event.accept()

    # --- what the user changes ----------------------------------------------------------------------------

    def _on_zoomed(self, by: PlotPanel) -> None:
        self._following = False
        for panel in self.panels():
            if panel is not by:
                panel.set_x_range(*by.x_range())
        self._make_stale()

    def _on_axes_changed(self) -> None:
        self.main.set_axes(self.controls.shows_time, self.controls.log)
        for name, panel in self.small.items():
            panel.set_axes(self.controls.shows_time, False, bytes_shown=name == "memory")
        self._following = True
        self._make_stale()

    def _on_theme_changed(self, _: object) -> None:
        for panel in self.panels():
            panel.recolour()
        self._make_stale()

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what came while nobody looked."""
        super().showEvent(event)
        for name, panel in self.small.items():
            panel.set_axes(self.controls.shows_time, False, bytes_shown=name == "memory")
        self._make_stale()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: draw nothing."""
        super().hideEvent(event)
        if self._timer.isActive():
            self._timer.stop()
            self._stale = True

    # --- taking it away -----------------------------------------------------------------------------------

    def rows(self) -> list[curve_rows.CurveRows]:
        """All points, as they are now."""
        return [curve_rows.CurveRows(run.name, run.curves, self.controls.smoothing) for run in self._runs]

    def show_table(self) -> CurveTableDialog:
        """All points as a table, in a window of its own."""
        dialog = CurveTableDialog(self.rows(), self)
        dialog.open()
        return dialog

    def save(self, path: Path) -> None:
        """Write what is shown; the ending (.png, .svg, .csv) decides how. Told by `saved` or `failed_to_save`."""
        before = mode_of(path)
        try:
            if path.suffix == ".csv":
                curve_rows.write_csv(path, self.rows())
            else:
                write = plot_export.save_svg if path.suffix == ".svg" else plot_export.save_png
                write(path, self._plate())
        except OSError as error:
            words = self.tr("The plot could not be saved as {path}: {reason}. Choose another place.")
            self.failed_to_save.emit(words.format(path=path, reason=error.strerror or error))
            return
        share_as_before(path, before)
        self.saved.emit(str(path))

    def _plate(self) -> plot_export.Plate:
        heading = ", ".join(run.name for run in self._runs)
        small = [(self.captions[name].text(), panel) for name, panel in self.small.items()]
        return plot_export.Plate(heading, self.legend.entries(), [(self.tr("Loss"), self.main), *small])

    def _ask_and_save(self, ending: str) -> None:
        name = "-".join(run.name for run in self._runs)[:80].replace("/", "-") or "run"
        filters = {
            "png": self.tr("Picture (*.png)"),
            "svg": self.tr("Drawing (*.svg)"),
            "csv": self.tr("Table (*.csv)"),
        }
        chosen, _ = QFileDialog.getSaveFileName(self, self.tr("Save the plot"), f"{name}.{ending}", filters[ending])
        if chosen:
            path = Path(chosen)
            self.save(path if path.suffix == f".{ending}" else path.with_name(f"{path.name}.{ending}"))
