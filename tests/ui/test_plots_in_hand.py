"""Zooming, the crosshair and other ways to look closer at a plot."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.ui.widgets.loss_plot import LossPlot
from tests.ui import run_stream
from tests.ui.test_plots import curves_of, show
from tests.ui.test_plots import plot as plot


def test_zooming_stops_following_and_fit_restores_it(plot: LossPlot, qtbot: QtBot) -> None:
    curves = curves_of()
    show(plot, curves)
    plot.main.box.scaleBy((0.5, 0.5))
    plot.main.box.sigRangeChangedManually.emit([True, True])
    plot.redraw()
    assert not plot.following
    zoomed = plot.main.x_range()
    assert plot.small["memory"].x_range() == pytest.approx(zoomed)
    curves.feed(run_stream.step(101, 1.0, 200))
    plot.redraw()
    assert plot.main.x_range() == pytest.approx(zoomed)
    assert plot.controls.fit_button.isEnabled()
    qtbot.mouseClick(plot.controls.fit_button, Qt.MouseButton.LeftButton)
    plot.redraw()
    assert plot.following
    assert plot.main.x_range()[1] > 101


def test_the_mouse_wheel_counts_as_zooming(plot: LossPlot, qtbot: QtBot) -> None:
    show(plot, curves_of())
    centre = QPoint(plot.main.width() // 2, plot.main.height() // 2)
    spot = QPointF(centre)
    wheel = QWheelEvent(
        spot,
        QPointF(plot.main.mapToGlobal(centre)),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(plot.main.viewport(), wheel)
    assert not plot.following


def test_arrow_keys_move_one_crosshair_that_reads_every_curve(plot: LossPlot, qtbot: QtBot) -> None:
    show(plot, curves_of())
    plot.main.setFocus()
    qtbot.keyClick(plot.main, Qt.Key.Key_Left)
    assert plot.crosshair == 99
    qtbot.keyClick(plot.small["speed"], Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert plot.crosshair == 89
    qtbot.keyClick(plot.main, Qt.Key.Key_Home)
    assert plot.crosshair == 1
    words = plot.readout.text()
    assert words.startswith("Step 1 ")
    assert "loss 2.87" in words
    assert "unseen 3.4" in words
    assert plot.captions["speed"].text() == "Tokens/s 9,000"
    assert plot.captions["learning_rate"].text() == "Learning rate 0.0002"
    assert plot.captions["memory"].text() == "Memory (GB) 0.47"
    qtbot.keyClick(plot.main, Qt.Key.Key_Escape)
    assert plot.crosshair is None
    assert plot.readout.text().startswith("Step 100 ")


def test_the_mouse_finds_the_nearest_step_on_the_time_axis_too(plot: LossPlot) -> None:
    show(plot, curves_of())
    plot.controls.axis.setCurrentIndex(1)
    plot.redraw()
    assert plot.main.x_range()[1] == pytest.approx(10.1, abs=0.2)
    plot.main.hovered.emit(5.04)
    assert plot.crosshair == 50
    plot.main.left_by_mouse.emit()
    assert plot.crosshair is None


def test_the_log_scale_shows_losses_at_or_below_zero_as_gaps(plot: LossPlot) -> None:
    curves = curves_of()
    curves.series["loss"].values[10] = 0.0
    show(plot, curves)
    plot.controls.log_box.setChecked(True)
    plot.redraw()
    raw = plot.main._items[0]
    assert np.isnan(raw.yData[10])
    assert raw.yData[11] == pytest.approx(np.log10(curves.series["loss"].values[11]))


def test_the_slider_changes_the_smoothing_of_the_drawn_line(plot: LossPlot) -> None:
    show(plot, curves_of())
    plot.controls.slider.setValue(0)
    plot.redraw()
    raw, smoothed = plot.main._items[0].yData, plot.main._items[1].yData
    assert smoothed == pytest.approx(raw)
    plot.controls.slider.setValue(90)
    plot.redraw()
    assert plot.main._items[1].yData != pytest.approx(raw)
