"""The Data page offers to keep conversations whose turns are out of order, and to leave them out again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from studio.contract.errors import Problem
from studio.contract.job import ImportJob
from studio.data.dataset import DatasetInfo
from studio.data.made_from import origin_of
from studio.data.turn_order import is_offered
from studio.supervisor.workplace import Workplace
from studio.ui.pages.data import DataPage
from studio.ui.widgets.import_options import ImportOptions
from tests.ui.seen import seen_button, seen_words
from tests.ui.workshop import made, shown_page

WAIT = 60_000
HELLO = {"role": "assistant", "content": "Hello, I am Tom."}
OFFER = "Mend the order of turns"


def chats(odd: int, even: int = 0) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number in range(odd + even):
        asked = {"role": "user", "content": f"Where is part {number} of the machine?"}
        told = {"role": "assistant", "content": f"Part {number} lies on shelf {number * 7} in the hall."}
        rows.append({"messages": [asked, told] if number < even else [HELLO, asked, asked, told, asked]})
    return rows


@pytest.fixture
def page(qtbot: QtBot, workplace: Workplace) -> Iterator[DataPage]:
    with shown_page(qtbot, workplace) as page:
        yield page


def chosen(page: DataPage) -> DatasetInfo:
    assert page.workplace.dataset is not None
    return page.workplace.dataset


@pytest.mark.parametrize("checked", [True, False], ids=["after the doctor", "before the doctor"])
def test_a_click_keeps_rows_out_of_order_and_another_leaves_them_out_again(
    qtbot: QtBot, page: DataPage, checked: bool
) -> None:
    page.desk._calm.setInterval(600_000)
    page.desk.check_unasked = lambda: None  # type: ignore[method-assign]
    page.workplace.choose_dataset(made("support", chats(odd=5, even=4), checked=checked))
    assert chosen(page).usable == 4
    page.tabs.setCurrentWidget(page.problems)
    assert "a greeting before the first question" in seen_words(page.problems)
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        seen_button(page.problems, OFFER).click()
    assert (chosen(page).usable, chosen(page).name) == (9, "support.jsonl")
    assert "order of turns mended" in page.options.summary.text()
    (remark,) = [problem for problem in chosen(page).problems if problem.code == "data.turns_mended"]
    assert remark.what.startswith("The order of turns was mended: in 5 rows")
    assert remark.what in seen_words(page.problems)
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        seen_button(page.problems, "Leave such rows out").click()
    assert chosen(page).usable == 4
    assert "mended" not in page.options.summary.text()


def test_a_file_of_nothing_but_such_rows_is_imported_by_a_click(qtbot: QtBot, page: DataPage) -> None:
    source = made("even", chats(odd=0, even=4)).sources[0].path
    page.desk.check_unasked = lambda: None  # type: ignore[method-assign]
    odd = Path(source).with_name("odd.jsonl")
    odd.write_text("".join(json.dumps(row) + "\n" for row in chats(odd=4)), "utf-8")
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        page.import_file(odd)
    problem = page.message.problem
    assert isinstance(problem, Problem)
    assert is_offered(problem.fix)
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        seen_button(page.message, OFFER).click()
    assert (chosen(page).name, chosen(page).usable) == ("odd.jsonl", 4)


def test_it_is_not_offered_while_a_file_is_imported(page: DataPage) -> None:
    page.desk.check_unasked = lambda: None  # type: ignore[method-assign]
    page.workplace.choose_dataset(made("support", chats(odd=5, even=4)))
    (button,) = [card.mend_button for card in page.problems.findings if not card.mend_button.isHidden()]
    assert button.isEnabled()
    page.problems.allow_import(False)
    assert not button.isEnabled()
    page.desk.found_changed.emit()  # the cards are made anew
    assert not any(card.mend_button.isEnabled() for card in page.problems.findings)
    page.problems.allow_import(True)
    assert all(card.mend_button.isEnabled() for card in page.problems.findings)


def test_the_choice_stands_among_those_of_the_import_and_keeps_the_others(qtbot: QtBot, page: DataPage) -> None:
    info = made("support", chats(odd=5, even=4), skip_damaged=True)
    options = ImportOptions()
    qtbot.addWidget(options)
    options.show_info(info, origin_of(info), 0.1)
    options.heading.setChecked(True)
    options.show()
    assert options.turns.isVisible()
    assert options.turns.currentText() == "as in the file"
    asked: list[ImportJob] = []
    options.import_wanted.connect(asked.append)
    options.turns.activated.emit(options.turns.currentIndex())
    assert asked == []
    options.turns.setCurrentIndex(1)
    options.turns.activated.emit(1)
    assert [(work.mend_turns, work.skip_damaged, work.source) for work in asked] == [(True, True, info.sources[0].path)]


def test_rows_that_have_no_turns_are_offered_no_order_of_them(qtbot: QtBot, page: DataPage) -> None:
    rows: list[dict[str, object]] = [{"question": f"What is {n}?", "answer": f"The number {n}."} for n in range(6)]
    info = made("pairs", rows)
    page.workplace.choose_dataset(info)
    page.options.heading.setChecked(True)
    assert not page.options.turns.isVisible()
    assert OFFER not in {button.text() for button in page.findChildren(QPushButton) if button.isVisible()}
