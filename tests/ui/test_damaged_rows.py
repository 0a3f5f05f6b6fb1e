"""The Data page over a dataset whose rows were damaged on the disk: it says so, and the window stays."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from studio.contract.run_folder import datasets_folder
from studio.data.dataset import DatasetInfo
from studio.data.formats import jsonl
from studio.supervisor.held_back import questions
from studio.supervisor.workplace import Workplace
from studio.ui.pages.data import DataPage
from tests.ui.seen import seen_words
from tests.ui.workshop import made, shown_page

DAMAGED = "The rows of this dataset are damaged and cannot be read."
LAST = 2999
ROWS: list[dict[str, object]] = [
    {"question": f"What is {n}?", "answer": f"It is {n}, of course."} for n in range(LAST + 1)
]


@pytest.fixture
def page(qtbot: QtBot, workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataPage]:
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 20_000)  # several record batches
    with shown_page(qtbot, workplace) as page:
        yield page


def damage(number: int) -> DatasetInfo:
    """A checked dataset, one of whose rows lost a letter since."""
    info = made("faq", ROWS)
    path = Path(info.folder) / "rows.arrow"
    content = path.read_bytes()
    word = f"It is {number}, of".encode()
    assert word in content
    path.unlink()
    path.write_bytes(content.replace(word, b"\xff" + word[1:]))
    return info


def is_closed(page: DataPage) -> bool:
    return DAMAGED in seen_words(page) and page.desk.dataset is None and page.rows.table.records.rowCount() == 0


def test_damage_in_the_first_rows_is_told_when_the_dataset_is_chosen(page: DataPage) -> None:
    page.workplace.choose_dataset(damage(3))
    assert is_closed(page)
    assert not page.continue_button.isEnabled()


def scroll(page: DataPage) -> None:
    page.rows.table.scrollToBottom()
    page.rows.table.viewport().repaint()


def choose_last(page: DataPage) -> None:
    page.rows.show_row(LAST)


def search(page: DataPage) -> None:
    page.rows.choice.choose("course", "", "file")


def sort(page: DataPage) -> None:
    page.rows.choice.choose("", "", "longest")


@pytest.mark.parametrize("look", [scroll, choose_last, search, sort])
def test_damage_further_down_is_told_when_it_comes_into_view(
    qtbot: QtBot, page: DataPage, look: Callable[[DataPage], None]
) -> None:
    page.workplace.choose_dataset(damage(LAST))
    assert page.rows.table.records.rowCount() == LAST + 1
    look(page)
    qtbot.waitUntil(lambda: is_closed(page), timeout=20_000)
    assert not page.continue_button.isEnabled()


def test_what_the_doctor_finds_damaged_is_closed(qtbot: QtBot, page: DataPage) -> None:
    page.workplace.choose_dataset(damage(LAST))
    with qtbot.waitSignal(page.desk.gave_up, timeout=60_000):
        page.desk.check()
    assert is_closed(page)


def test_a_sound_dataset_can_be_chosen_afterwards(page: DataPage) -> None:
    page.workplace.choose_dataset(damage(3))
    page.workplace.choose_dataset(made("sound", ROWS))
    assert page.rows.table.records.rowCount() == LAST + 1
    assert page.continue_button.isEnabled()


def test_damaged_rows_offer_no_held_back_questions(page: DataPage) -> None:
    damage(3)
    assert questions(datasets_folder() / "faq", 0.5) == []
