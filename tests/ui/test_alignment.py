"""What stands below or beside each other is aligned to the pixel, measured in what is painted."""

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from studio.data.dataset import open_dataset
from studio.supervisor.held_back import Question
from studio.supervisor.workplace import Workplace
from studio.ui.main_window import MainWindow
from studio.ui.pages.chat import ChatPage
from studio.ui.widgets.chips import Chips
from studio.ui.widgets.records_table import RecordsTable
from studio.ui.widgets.train_setup import TrainSetup
from tests.ui import filled_window
from tests.ui.views import VIEWS

LONG = (
    "Where does the company keep the spare key of the tall cupboard that stands beside the window on the first floor?"
)


def inked(image: QImage, area: QRect) -> tuple[int, int]:
    """First and last column of an area whose pixels differ from its corner."""
    ground = image.pixelColor(area.topLeft())

    def is_ink(x: int) -> bool:
        column = (image.pixelColor(x, y) for y in range(area.top(), area.bottom() + 1))
        return any(_distance(color, ground) > 60 for color in column)

    columns = [x for x in range(area.left(), area.right() + 1) if is_ink(x)]
    assert columns
    return columns[0], columns[-1]


def _distance(one: QColor, other: QColor) -> int:
    return sum(abs(a - b) for a, b in zip(one.getRgb()[:3], other.getRgb()[:3], strict=True))


def _right(widget: QWidget, within: QWidget) -> int:
    return widget.mapTo(within, QPoint(widget.width(), 0)).x()


def test_send_and_stop_end_where_the_replies_end(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1280, 2000)  # high enough that nothing scrolls
    VIEWS["chat, side by side"][1](window)
    page = window.page("chat")
    assert isinstance(page, ChatPage)
    qtbot.waitUntil(lambda: bool(page.view.exchanges) and page.view.exchanges[0].width() > 100)
    QApplication.processEvents()
    assert not page.view.verticalScrollBar().isVisible()
    replies = _right(page.view.exchanges[0].replies[-1], page)
    assert _right(page.send_button, page) == replies
    page.stop_button.show()
    page.send_button.hide()
    QApplication.processEvents()
    assert _right(page.stop_button, page) == replies


def test_the_offline_badge_has_the_same_room_left_and_right(window: MainWindow) -> None:
    badge = window.header.badge
    image = badge.grab().toImage()
    inside = badge.rect().adjusted(7, 5, -7, -5)
    left, right = inked(image, inside)
    assert abs(left - (badge.width() - 1 - right)) <= 2


def test_headings_of_the_records_begin_where_their_cells_begin(qtbot: QtBot, workplace: Workplace) -> None:
    info = filled_window.import_rows("heads", 5, question="Q {n}")
    table = RecordsTable()
    qtbot.addWidget(table)
    table.resize(900, 300)
    table.show_dataset(open_dataset(Path(info.folder)))
    table.clearSelection()
    table.show()
    QApplication.processEvents()
    header = table.horizontalHeader()
    cells = table.viewport().grab().toImage()
    heads = header.viewport().grab().toImage()
    for column, from_right in ((0, True), (1, False)):
        left, width = header.sectionViewportPosition(column), header.sectionSize(column)
        row = QRect(left + 1, table.rowViewportPosition(1) + 2, width - 3, table.rowHeight(1) - 4)
        head = QRect(left + 1, 2, width - 3, header.height() - 5)
        below, above = inked(cells, row), inked(heads, head)
        place = 1 if from_right else 0
        assert abs(below[place] - above[place]) <= 1


def test_other_models_and_other_data_begin_below_each_other(qtbot: QtBot) -> None:
    setup = TrainSetup()
    qtbot.addWidget(setup)
    setup.resize(1000, 700)
    setup.show()
    QApplication.processEvents()

    def first_letter(button: QPushButton) -> int:
        return button.mapTo(setup, QPoint(inked(button.grab().toImage(), button.rect())[0], 0)).x()

    assert abs(first_letter(setup.add_model) - first_letter(setup.add_data)) <= 1


@pytest.mark.parametrize("width", [640, 760, 900, 1400])
def test_every_suggested_question_can_be_read_whole(qtbot: QtBot, width: int) -> None:
    chips = Chips()
    qtbot.addWidget(chips)
    questions = [Question(text=f"{number}. {LONG}", expected="There.", system="") for number in range(7)]
    chips.resize(width, 60)
    chips.show_questions(questions)
    QApplication.processEvents()
    assert 1 <= len(chips.offered) <= 3
    for chip in chips.offered:
        assert " ".join(chip.text().split()) == " ".join(chip.question.text.split())
        assert chip.text().count("\n") <= 1
        needed = max(chip.fontMetrics().horizontalAdvance(line) for line in chip.text().split("\n"))
        assert needed < chip.width()
        assert chip.height() >= 2 * chip.fontMetrics().height()
        assert LONG in chip.toolTip()
    assert chips.more.isVisible()


def test_more_questions_goes_on_after_those_that_were_shown(qtbot: QtBot) -> None:
    chips = Chips()
    qtbot.addWidget(chips)
    chips.resize(760, 60)
    chips.show_questions([Question(text=f"{number}. {LONG}", expected="", system="") for number in range(6)])
    seen = {chip.question.text[0] for chip in chips.offered}
    for _ in range(5):
        chips.more.click()
        seen |= {chip.question.text[0] for chip in chips.offered}
    assert seen == set("012345")
    chips.show_questions([Question(text="Short?", expected="", system="")])
    assert not chips.more.isVisible()
    assert chips.offered[0].text() == "Short?"
