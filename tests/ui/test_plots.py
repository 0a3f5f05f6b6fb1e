"""The plot: what it draws, when it draws, and how its figures leave it."""

import math
import os
import re
import time
from pathlib import Path

import msgspec
import pyqtgraph as pg
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPaintEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.contract.private_files import USERS_UMASK
from studio.ui import theme
from studio.ui.widgets.curve import DRAWN_POINTS
from studio.ui.widgets.loss_plot import LossPlot
from studio.ui.widgets.number_axis import clock, log_ticks, round_spacing, short
from studio.ui.widgets.redraw_timer import REDRAW_MS, REST, SLOWEST_MS, RedrawTimer
from studio.ui.widgets.run_curves import PlottedRun, RunCurves
from studio.ui.widgets.run_note import notes
from tests.ui import run_stream


def curves_of(total: int = 100, *, tests: bool = True) -> RunCurves:
    curves = RunCurves()
    for event in run_stream.run(total):
        if tests or event.__class__.__name__ != "Evaluated":
            curves.feed(event)
    return curves


@pytest.fixture
def plot(qtbot: QtBot) -> LossPlot:
    made = LossPlot()
    qtbot.addWidget(made)
    made.resize(700, 480)
    made.show()
    qtbot.waitExposed(made)
    return made


def show(plot: LossPlot, *runs: RunCurves) -> None:
    plot.set_runs([PlottedRun(f"run-{number}", curves) for number, curves in enumerate(runs, start=1)])
    plot.redraw()


def test_the_legend_explains_the_ticks_of_checkpoints_where_there_are_any(plot: LossPlot, tmp_path: Path) -> None:
    without = curves_of()
    without.checkpoints.clear()
    show(plot, without)
    assert plot.legend.texts() == ["Loss, smoothed", "each step", "on unseen examples (★ best)"]
    saved = curves_of()
    assert saved.checkpoints
    show(plot, saved)
    assert plot.legend.texts()[-1] == "saved state (checkpoint)"
    plot.save(tmp_path / "plot.svg")
    assert "saved state (checkpoint)" in (tmp_path / "plot.svg").read_text("utf-8")
    show(plot, saved, without)
    assert plot.legend.texts() == ["run-1", "run-2 (dots: on unseen examples)"]


def test_a_long_run_is_drawn_with_few_points_and_all_of_its_range(plot: LossPlot) -> None:
    curves = curves_of(20_000)
    curves.series["loss"].values[12_345] = 9.0
    show(plot, curves)
    assert 500 < plot.main.drawn_points <= DRAWN_POINTS
    assert plot.main.box.viewRange()[1][1] > 9.0


@pytest.mark.parametrize("log", [False, True])
def test_a_run_of_one_step_shows_a_dot_in_every_panel(plot: LossPlot, log: bool) -> None:
    curves = RunCurves()
    curves.feed(run_stream.step(1, 1.5, 1))
    plot.controls.log_box.setChecked(log)
    show(plot, curves)
    assert [panel.lone_points for panel in plot.panels()] == [2, 1, 2, 2, 1]  # as it is and smoothed; rates
    for panel in plot.panels():
        dots = panel._lone.getData()
        (low, high), (bottom, top) = panel.box.viewRange()
        assert all(low < x < high for x in dots[0])
        assert all(bottom < y < top for y in dots[1])
    curves.feed(run_stream.step(2, 1.4, 2))
    plot.redraw()
    assert plot.main.lone_points == 0


def test_a_point_between_two_gaps_is_seen_too(plot: LossPlot) -> None:
    curves = RunCurves()
    for number, loss in enumerate((float("nan"), 1.0, float("nan"), 2.0, 3.0), start=1):
        curves.feed(run_stream.step(number, loss, 5))
    show(plot, curves)
    assert 2.0 in plot.main._lone.getData()[0]
    assert 4.0 not in plot.main._lone.getData()[0]


def test_marks_on_the_first_and_the_last_point_are_not_cut_by_the_axis(plot: LossPlot, qtbot: QtBot) -> None:
    show(plot, curves_of())
    qtbot.waitUntil(lambda: plot.main.box.width() > 100)
    plot.fit()
    plot.redraw()
    box = plot.main.box
    (low, high), _ = box.viewRange()
    pixel = (high - low) / box.width()
    assert -low / pixel >= 8  # half a star
    assert (high - 100) / pixel >= 8


def test_fewer_than_four_tests_are_dots_with_a_thin_line(plot: LossPlot) -> None:
    curves = RunCurves()
    widths, sizes = [], []
    for number in range(5):
        if number:
            curves.feed(run_stream.step(number, 1.0, 5))
        curves.feed(run_stream.held_back(number, 2.0 - number / 10))
        show(plot, curves)
        tests = next(line.look for line in plot.main._drawn if line.look.of_tests)
        widths.append(tests.pen().widthF())
        sizes.append(float(plot.main._marks.data["size"][0]))
    assert widths == [0.8, 0.8, 0.8, 1.6, 1.6]
    assert sizes == [8, 8, 8, 6, 6]


def test_drawing_that_takes_long_comes_less_often(qapp: QApplication) -> None:
    timer = RedrawTimer(qapp)
    timer.rest_after(40)
    assert timer.interval() == REDRAW_MS
    timer.rest_after(200)
    assert timer.interval() == 200 * REST
    timer.rest_after(2000)
    assert timer.interval() == SLOWEST_MS
    timer.rest_after(20)
    assert timer.interval() == REDRAW_MS
    timer.deleteLater()


def test_what_drawing_took_is_measured_with_the_painting(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    painted = pg.GraphicsView.paintEvent

    def slowly(panel: pg.GraphicsView, event: QPaintEvent) -> None:
        ends = time.perf_counter() + 0.03
        while time.perf_counter() < ends:
            pass
        painted(panel, event)

    monkeypatch.setattr(pg.GraphicsView, "paintEvent", slowly)
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.resize(700, 480)
    plot.show()
    qtbot.waitExposed(plot)
    curves = RunCurves()
    show(plot, curves)
    for number in (1, 2):  # the second drawing knows what the first one took
        curves.feed(run_stream.step(number, 1.0, 5))
        plot.redraw()
        qtbot.waitUntil(lambda: all(panel._painted_ms > 0 for panel in plot.panels()), timeout=5000)
    assert plot._timer.interval() >= len(plot.panels()) * 30 * REST


def test_many_events_are_drawn_at_most_eight_times_a_second(plot: LossPlot, qtbot: QtBot) -> None:
    assert REDRAW_MS >= 125
    curves = RunCurves()
    show(plot, curves)
    drawn = 0
    original = plot._hand_down_lines

    def count() -> None:
        nonlocal drawn
        drawn += 1
        original()

    plot._hand_down_lines = count  # type: ignore[method-assign]
    began = time.monotonic()
    for number in range(1, 501):
        curves.feed(run_stream.step(number, 1.0, 500))
        plot.refresh()
        QApplication.processEvents()
    qtbot.waitUntil(lambda: plot.main.x_range()[1] > 499)
    assert 1 <= drawn <= 8 * (time.monotonic() - began) + 1
    assert drawn < 250  # 500 events came


def test_without_news_nothing_is_drawn(plot: LossPlot, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    show(plot, curves_of())
    qtbot.waitUntil(lambda: not plot._stale and not plot._timer.isActive())
    monkeypatch.setattr(plot, "_hand_down_lines", lambda: pytest.fail("drawn without news"))
    plot.redraw()


def test_a_hidden_plot_draws_nothing_until_it_is_seen(plot: LossPlot, qtbot: QtBot) -> None:
    curves = RunCurves()
    show(plot, curves)
    plot.hide()
    curves.feed(run_stream.step(1, 1.0))
    curves.feed(run_stream.step(2, 1.0))
    plot.refresh()
    assert not plot._timer.isActive()
    plot.show()
    qtbot.waitUntil(lambda: plot.main.drawn_points == 2)


def test_the_best_test_is_marked(plot: LossPlot) -> None:
    curves = curves_of()
    curves.feed(run_stream.held_back(101, 5.0, best=False))
    show(plot, curves)
    place, height = plot.main._best.getData()
    assert (place[0], height[0]) == (100, pytest.approx(curves.series["held_back"].at(100)))


def test_several_runs_differ_by_colour_and_dash(plot: LossPlot) -> None:
    show(plot, curves_of(), curves_of(80), curves_of(60))
    pens = [item.opts["pen"] for item, line in zip(plot.main._items, plot.main._drawn) if line.look.kind == "smooth"]
    assert len({pen.color().name() for pen in pens}) == 3
    assert len({pen.style() for pen in pens}) == 3
    assert "run-2: " in plot.readout.text()


def test_colours_follow_the_theme_at_once(plot: LossPlot, qapp: QApplication) -> None:
    show(plot, curves_of())
    theme.apply(qapp, "dark")
    assert plot.main.backgroundBrush().color().name() == theme.DARK.surface
    assert plot.main._items[1].opts["pen"].color().name() == theme.DARK.runs[0]
    theme.apply(qapp, "light")
    assert plot.main._items[1].opts["pen"].color().name() == theme.LIGHT.runs[0]


def test_png_svg_and_csv_leave_whole_files(plot: LossPlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USERS_UMASK, "027")
    show(plot, curves_of())
    told: list[str] = []
    plot.failed_to_save.connect(told.append)
    for ending in ("png", "svg", "csv"):
        plot.save(tmp_path / f"plot.{ending}")
    assert told == []
    image = QImage(str(tmp_path / "plot.png"))
    assert image.width() >= 1280
    colours = {image.pixelColor(x, y).name() for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}
    assert theme.LIGHT.runs[0] in colours
    svg = (tmp_path / "plot.svg").read_text()
    assert len(re.findall(r"<(?:path|polyline)", svg)) > 10
    assert "<image" not in svg
    assert len((tmp_path / "plot.csv").read_text().splitlines()) == 102
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".part") == []
    if os.name == "posix":
        assert {oct(path.stat().st_mode & 0o777) for path in tmp_path.glob("plot.*")} == {"0o640"}


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_plot_in_the_place_of_a_private_one_stays_private(
    plot: LossPlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(USERS_UMASK, "022")
    show(plot, curves_of())
    for path in (tmp_path / "plot.png", tmp_path / "plot.csv"):
        path.touch(0o600)
        plot.save(path)
        assert path.stat().st_size > 0
        assert oct(path.stat().st_mode & 0o777) == "0o600"


def test_a_place_that_cannot_be_written_is_told_in_words(plot: LossPlot, tmp_path: Path, qtbot: QtBot) -> None:
    show(plot, curves_of())
    for ending in ("csv", "png", "svg"):
        with qtbot.waitSignal(plot.failed_to_save) as told:
            plot.save(tmp_path / "missing" / f"plot.{ending}")
        assert "could not be saved" in told.args[0]


def test_the_table_view_shows_every_point(plot: LossPlot) -> None:
    show(plot, curves_of())
    dialog = plot.show_table()
    model = dialog.table.model()
    assert model.rowCount() == 101
    assert model.index(100, 1).data() == "100"
    assert model.headerData(3, Qt.Orientation.Horizontal) == "Loss"
    dialog.close()


def test_notes_say_whether_it_still_improves() -> None:
    curves = RunCurves()
    curves.feed(run_stream.held_back(0, 3.0))
    curves.feed(run_stream.step(10, 1.0))
    curves.feed(run_stream.held_back(10, 2.0))
    assert [note.text for note in notes(curves)] == ["Still improving on unseen examples."]
    assert [note.text for note in notes(curves, ended=True)] == ["It was best on unseen examples at its last test."]
    for number in (20, 30, 40):
        curves.feed(run_stream.step(number, 1.0))
        curves.feed(run_stream.held_back(number, 2.5, best=False))
    assert notes(curves)[0].text.startswith("No better on unseen examples for 3 tests: it may be memorising.")
    assert notes(curves)[0].mood == "warning"
    assert notes(curves)[0].text.endswith("Best was step 10."), "a run of before: what was kept is not known"


@pytest.mark.parametrize(
    ("kept", "said"),
    [(True, "What it had learned by then is kept."), (False, '"Stop when it gets no better" keeps it.')],
)
def test_the_note_of_the_best_step_says_whether_it_can_be_had(kept: bool, said: str) -> None:
    curves = RunCurves()
    for number, loss, best in ((0, 3.0, False), (10, 2.0, True), (20, 2.5, False), (30, 2.5, False)):
        curves.feed(run_stream.step(number, 1.0))
        curves.feed(msgspec.structs.replace(run_stream.held_back(number, loss, best), kept=kept and best))
    (note,) = notes(curves)
    assert "Best was step 10." in note.text
    assert note.text.endswith(said)


@pytest.mark.parametrize(
    ("value", "spacing", "words"),
    [
        (0.25, 0.05, "0.25"),
        (1500, 500, "1,500"),
        (12_000, 2000, "12k"),
        (2e-4, 1e-4, "2e-4"),
        (0.0, 0.1, "0"),
        (3_000_000, 1_000_000, "3M"),
    ],
)
def test_ticks_have_no_more_digits_than_they_need(value: float, spacing: float, words: str) -> None:
    assert short(value, spacing) == words


def test_time_is_divided_as_clocks_are() -> None:
    assert [round_spacing(least, time=True) for least in (3, 11, 70, 4000)] == [5, 15, 120, 7200]
    assert [clock(seconds) for seconds in (5, 65, 3725)] == ["0:05", "1:05", "1:02:05"]


@pytest.mark.parametrize(
    ("low", "high", "least", "shown"),
    [
        (0.7, 12, 0.2, [1, 2, 5, 10]),  # neither 9 beside 10 nor 0.9 and 0.8 beside 1
        (1, 100, 0.9, [1, 10, 100]),
        (1e-7, 1, 2.5, [1e-6, 1e-3, 1]),
        (2.1, 16, 0.05, [3, 4, 5, 6, 7, 8, 10]),
    ],
)
def test_words_of_a_logarithmic_axis_stand_apart(low: float, high: float, least: float, shown: list[float]) -> None:
    places = log_ticks(math.log10(low), math.log10(high), least)
    assert [10**place for place in places] == pytest.approx(shown)
