"""What gives way where there is little room: lines fold, legends break, words get shorter, and nothing is cut."""

from typing import Any

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QRect
from PySide6.QtGui import QFontMetrics, QPainter
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from studio.contract.job import Mapping, TrainJob
from studio.ui.widgets.labels import ElidedLabel
from studio.ui.widgets.legend import Legend
from studio.ui.widgets.mapping_form import MappingForm
from studio.ui.widgets.run_list import wrapped
from studio.ui.widgets.section import Folding
from studio.ui.widgets.settings_table import SettingsTable


class Dots(Legend):
    """A legend of nothing but words."""

    def draw_swatch(self, painter: QPainter, key: Any, place: QRect) -> None:
        """Nothing to see."""


def test_widgets_stand_side_by_side_where_they_have_room_and_below_each_other_where_not(qtbot: QtBot) -> None:
    parts = [QPushButton("A button with words"), QPushButton("And another one")]
    page = QWidget()
    qtbot.addWidget(page)
    page.resize(1000, 200)
    folding = Folding(*parts, stretch=(1, 1))
    folding.setParent(page)
    needed = sum(part.minimumSizeHint().width() for part in parts) + 8
    page.show()
    folding.resize(needed, 100)
    qtbot.waitUntil(lambda: parts[1].x() > parts[0].x())
    assert not folding.folded
    folding.resize(needed - 1, 100)
    qtbot.waitUntil(lambda: parts[1].y() > parts[0].y())
    assert folding.folded
    assert folding.minimumSizeHint().width() == max(part.minimumSizeHint().width() for part in parts)
    parts[1].setText("OK")  # shorter words find room again
    qtbot.waitUntil(lambda: not folding.folded)


def test_a_text_that_wraps_is_not_squeezed_beside_its_buttons(qtbot: QtBot) -> None:
    text, button = QLabel("Many short words that could be wrapped after each of them. " * 3), QPushButton("Do it")
    text.setWordWrap(True)
    folding = Folding(text, button, stretch=(1, 0), letters=(40, 0))
    qtbot.addWidget(folding)
    folding.show()
    room = 40 * folding.fontMetrics().averageCharWidth() + 8 + button.minimumSizeHint().width()
    folding.resize(room, 100)
    qtbot.waitUntil(lambda: button.x() > text.x())
    folding.resize(room - 1, 100)
    qtbot.waitUntil(lambda: button.y() > text.y())
    assert folding.minimumSizeHint().width() < room  # it wants that room, but lives with less


def test_words_in_one_line_give_way_to_the_next_line_before_they_are_shortened(qtbot: QtBot) -> None:
    words, button = ElidedLabel("run-1: Starter learns Sample"), QPushButton("Chat")
    folding = Folding(words, button, stretch=(1, 0), whole=True)
    qtbot.addWidget(folding)
    folding.show()
    whole = words.sizeHint().width() + 8 + button.sizeHint().width()
    folding.resize(whole, 100)
    qtbot.waitUntil(lambda: button.x() > words.x())
    assert words.shown_text() == words.text()
    folding.resize(whole - 1, 100)
    qtbot.waitUntil(lambda: button.y() > words.y())
    assert words.shown_text() == words.text()


def test_what_is_said_of_a_run_is_broken_between_words_and_only_a_long_word_is_shortened(qapp: QApplication) -> None:
    metrics = QFontMetrics(qapp.font())
    width = metrics.horizontalAdvance("57 of 60 right, loss")
    assert wrapped("57 of 60 right, loss 0.012", metrics, width) == ["57 of 60 right, loss", "0.012"]
    assert wrapped("run-1 " + "a" * 200, metrics, width)[0] == "run-1"
    assert wrapped("run-1 " + "a" * 200, metrics, width)[1].endswith("…")
    assert wrapped("", metrics, width) == [""]


def test_a_legend_breaks_into_as_many_lines_as_its_words_need(qtbot: QtBot) -> None:
    legend = Dots()
    qtbot.addWidget(legend)
    legend.set_entries([("a", "the first line"), ("b", "the second line"), ("c", "the third line")])
    one = legend.heightForWidth(2000)
    assert legend.heightForWidth(legend.minimumSizeHint().width()) > 2 * one
    legend.resize(2000, 10)
    assert legend.height() == one


@pytest.mark.parametrize(("room", "shown"), [(-10, "Rate 1"), (10, "Learning rate 1")])
def test_words_that_do_not_fit_give_way_to_shorter_ones(qtbot: QtBot, room: int, shown: str) -> None:
    label = ElidedLabel()
    qtbot.addWidget(label)
    label.set_text("Learning rate 1", "Rate 1")
    label.show()
    label.resize(label.fontMetrics().horizontalAdvance("Learning rate 1") + room, 20)
    qtbot.waitUntil(lambda: label.shown_text() == shown)
    assert label.text() == "Learning rate 1"
    qtbot.waitUntil(lambda: bool(label.toolTip()) is (room < 0))


def test_a_settings_name_is_never_cut_in_a_narrow_table(qtbot: QtBot) -> None:
    table = SettingsTable()
    qtbot.addWidget(table)
    work = TrainJob(name="run-1", model="m", model_name="m", dataset="d", dataset_name="d")
    other = replace(work, settings=replace(work.settings, max_tokens=77, epochs=9.0))
    table.show_jobs([work, other, other, other])
    table.resize(420, 300)
    table.show()

    def room(row: int) -> bool:
        return table.table.rowHeight(row) >= table.table.sizeHintForRow(row)

    qtbot.waitUntil(lambda: table.table.columnWidth(0) < 150)
    assert all(room(row) for row in range(table.table.rowCount()))
    assert table.table.rowHeight(0) > 1.5 * table.fontMetrics().height()


def test_why_the_columns_were_chosen_stands_across_where_the_shape_has_its_own_line(qtbot: QtBot) -> None:
    form = MappingForm()
    qtbot.addWidget(form)
    reason = "The columns are called as questions and answers are. " * 4
    form.show_mapping(("q", "a"), Mapping(shape="prompt_completion", prompt="q", completion="a", reason=reason))
    form.show()
    form.resize(form.minimumSizeHint().width() + 60, 200)
    qtbot.waitUntil(lambda: form.note.width() > 0.9 * form.width())
