"""What the plot promises about numbers: nothing lost, nothing invented."""

import math
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.ui.widgets.curve import (
    BLOCK,
    DRAWN_POINTS,
    OUTLINED_FROM,
    Outline,
    Series,
    Smoother,
    outlined,
    smooth,
    thin,
    window,
)
from studio.ui.widgets.curve_rows import COLUMNS, CurveRows, write_csv
from studio.ui.widgets.run_curves import RunCurves
from tests.ui import run_stream

losses = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=6000)


@settings(max_examples=60, deadline=None)
@given(losses, st.integers(6, DRAWN_POINTS))
def test_thinning_keeps_the_ends_and_every_extreme_within_the_limit(values: list[float], most: int) -> None:
    line = np.array(values)
    picked = thin(line, most)
    assert len(picked) <= most
    assert np.all(np.diff(picked) > 0)
    assert picked[0] == 0
    assert picked[-1] == len(line) - 1
    if not np.all(np.isnan(line)):
        assert np.nanmax(line[picked]) == np.nanmax(line)
        assert np.nanmin(line[picked]) == np.nanmin(line)


@settings(max_examples=40, deadline=None)
@given(st.integers(1501, 50_000), st.data())
def test_a_single_spike_is_drawn_wherever_it_is(count: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, count - 1))
    line = np.sin(np.arange(count))
    line[place] = data.draw(st.sampled_from([7.0, -7.0]))
    assert place in thin(line)


def test_few_points_are_all_drawn() -> None:
    assert thin(np.arange(1500.0)).tolist() == list(range(1500))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3) | st.sampled_from([math.nan, math.inf]), min_size=1, max_size=120),
    st.floats(0, 0.99),
    st.data(),
)
def test_smoothing_is_the_weighted_mean_of_all_earlier_points(
    values: list[float], smoothing: float, data: st.DataObject
) -> None:
    gaps = data.draw(st.lists(st.integers(1, 5), min_size=len(values), max_size=len(values)))
    steps = np.cumsum(np.array(gaps, dtype=np.float64))
    got = smooth(steps, np.array(values), smoothing)
    for index in range(len(values)):
        weights = np.array([smoothing ** (steps[index] - steps[i]) for i in range(index + 1)])
        known = np.isfinite(values[: index + 1])
        if not known.any() or weights[known].sum() < 1e-8:  # too far back to say: nothing is drawn
            continue
        expected = np.sum(weights[known] * np.array(values[: index + 1])[known]) / np.sum(weights[known])
        assert got[index] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=200), st.integers(1, 199), st.floats(0, 0.95))
def test_smoothing_point_by_point_equals_smoothing_the_whole(values: list[float], cut: int, smoothing: float) -> None:
    series, smoother = Series(), Smoother(smoothing)
    for step, value in enumerate(values, start=1):
        series.append(step, step, value)
        if step % 7 == 1 or step == cut:
            smoother.values(series, smoothing)
    expected = smooth(series.steps, series.values, smoothing)
    assert smoother.values(series, smoothing) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_a_constant_curve_stays_constant_from_its_first_point() -> None:
    steps = np.arange(1.0, 50.0)
    assert smooth(steps, np.full(49, 2.5), 0.9) == pytest.approx(np.full(49, 2.5))


def test_smoothing_starts_anew_after_a_cut() -> None:
    series, smoother = Series(), Smoother()
    for step in range(1, 101):
        series.append(step, step, float(step))
    smoother.values(series, 0.6)
    series.cut(50)
    series.append(50, 50, -9.0)
    expected = smooth(series.steps, series.values, 0.6)
    assert smoother.values(series, 0.6) == pytest.approx(expected)


def test_an_earlier_step_replaces_what_came_after_it() -> None:
    series = Series()
    for step in range(1, 11):
        series.append(step, step, float(step))
    series.append(4, 4, 40.0)
    assert series.steps.tolist() == [1, 2, 3, 4]
    assert series.values[-1] == 40.0


def test_the_window_reaches_one_point_beyond_each_edge() -> None:
    positions = np.arange(0.0, 100.0)
    assert window(positions, 10.5, 20.5) == slice(10, 22)
    assert window(positions, -5, 500) == slice(0, 100)


def test_a_resumed_run_forgets_the_steps_that_are_trained_again() -> None:
    curves = RunCurves()
    for event in (*run_stream.preparation(), *[run_stream.step(n, 1.0) for n in range(1, 61)]):
        curves.feed(event)
    curves.feed(run_stream.held_back(50, 0.9))
    curves.feed(run_stream.started(first_step=41))
    curves.feed(run_stream.step(41, 0.5))
    assert curves.series["loss"].steps.tolist() == list(range(1, 42))
    assert curves.series["loss"].values[-1] == 0.5
    assert curves.series["held_back"].steps.tolist() == [0]
    assert curves.best == (0, 3.4)


def test_the_test_before_training_survives_the_start() -> None:
    curves = RunCurves()
    for event in run_stream.preparation():
        curves.feed(event)
    assert curves.series["held_back"].steps.tolist() == [0]


def test_a_spike_is_noticed_and_ordinary_noise_is_not() -> None:
    curves = RunCurves()
    noise = np.random.default_rng(1)
    for number in range(1, 400):
        curves.feed(run_stream.step(number, 1.0 + 0.1 * noise.standard_normal(), 400))
    assert curves.spikes == []
    curves.feed(run_stream.step(400, 6.0, 400))
    assert curves.spikes == [(400, 6.0)]


def test_a_loss_that_is_no_number_is_kept_and_told() -> None:
    curves = RunCurves()
    curves.feed(run_stream.step(1, 1.0))
    curves.feed(run_stream.step(2, math.nan))
    assert curves.broken_step == 2
    assert math.isnan(curves.series["loss"].values[-1])


def test_feeding_costs_the_same_late_in_a_long_run() -> None:
    curves = RunCurves()
    events = [run_stream.step(number, 1.0, 60_000) for number in range(1, 60_001)]

    def cost(part: list[object]) -> float:
        began = time.process_time()
        for event in part:
            curves.feed(event)
        return time.process_time() - began

    early = cost(list(events[:20_000]))
    cost(list(events[20_000:40_000]))
    late = cost(list(events[40_000:]))
    assert late < 3 * early + 0.05


def test_the_table_has_every_point_and_no_thinned_part(tmp_path: Path) -> None:
    curves = RunCurves()
    for event in run_stream.run(4000):
        curves.feed(event)
    rows = CurveRows("=run", curves, 0.6)
    assert len(rows) == 4001  # the test before training has a row of its own
    write_csv(tmp_path / "all.csv", [rows])
    lines = (tmp_path / "all.csv").read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert len(lines) == 4002
    assert lines[1].startswith("'=run,0,0,,,3.4")
    assert lines[4001].split(",")[5] != ""  # tested at the end
    assert not (tmp_path / "all.csv.part").exists()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=4), st.data())
def test_a_long_line_s_outline_holds_every_extreme_and_what_came_last(growths: list[int], data: st.DataObject) -> None:
    """Grown piece by piece it is what it would be if all had come at once, and a spike anywhere is in it."""
    count = sum(growths)
    line = np.sin(np.arange(count) * 0.37)
    place = data.draw(st.integers(0, count - 1))
    line[place] = data.draw(st.sampled_from([9.0, -9.0]))
    line[data.draw(st.integers(0, count - 1))] = math.nan
    outline = Outline()
    for end in np.cumsum(growths):
        extremes = outline.indices(line[:end], 0)
    assert extremes.tolist() == Outline().indices(line, 0).tolist()
    picked = outlined(slice(0, count), extremes)
    assert np.all(np.diff(picked) >= 0)
    assert (picked[0], picked[-1]) == (0, count - 1)
    assert np.isnan(line[place]) or place in picked
    assert len(picked) <= 2 * count // BLOCK + BLOCK + 2


def test_an_outline_of_points_that_were_dropped_is_made_anew() -> None:
    series = Series()
    for step in range(1, 1001):
        series.append(step, step, 5.0 if step == 500 else 1.0)
    assert 499 in series.extremes()
    for step in range(400, 1001):
        series.append(step, step, 7.0 if step == 600 else 1.0)
    assert 599 in series.extremes()
    assert 499 not in series.extremes()


def test_a_part_of_a_long_line_is_looked_at_by_its_outline_and_a_short_one_whole() -> None:
    count = 4 * OUTLINED_FROM
    values = np.zeros(count)
    values[count // 2 + 7] = 3.0
    extremes = Outline().indices(values, 0)
    picked = outlined(slice(count // 2, count), extremes)
    assert picked[0] == count // 2
    assert count // 2 + 7 in picked
    assert len(picked) < count // 20
