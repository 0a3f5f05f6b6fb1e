"""The Data page with the real import worker and the real preview worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QPushButton
from pytestqt.qtbot import QtBot

from studio.contract.events import MaskedRow
from studio.contract.settings import TrainSettings
from studio.data import model_library
from studio.data.edits import Exclude
from studio.supervisor.workplace import Workplace
from studio.ui.pages.data import DataPage
from studio.ui.widgets.mapping_form import MappingForm
from studio.ui.widgets.records_model import BLOCK_ROWS
from tests.ui.finished_run import checked_model, model_and_adapter
from tests.ui.seen import seen_words

WAIT = 60_000


@pytest.fixture
def made() -> Path:
    return model_and_adapter()


@pytest.fixture
def page(qtbot: QtBot, workplace: Workplace) -> Iterator[DataPage]:
    page = DataPage(workplace)
    qtbot.addWidget(page)
    page.resize(960, 640)
    page.show()
    page.on_shown()
    yield page
    page.close_services()


@pytest.fixture
def faq(tmp_path: Path) -> Path:
    rows = [f'"How do I <b>reset</b> {n}?","Open Settings, number {n}.",note {n}' for n in range(500)]
    path = tmp_path / "faq.csv"
    path.write_text("question,answer,remark\n" + "\n".join([*rows, "No answer?,,x", ""]), encoding="utf-8")
    return path


def import_file(qtbot: QtBot, page: DataPage, path: Path) -> None:
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        page.import_file(path)


def choose(form: MappingForm, field: str, column: str) -> None:
    """As a user chooses in a combo."""
    combo = form._combos[field]
    combo.setCurrentIndex(combo.findData(column))
    combo.activated.emit(combo.currentIndex())


def button(page: DataPage, text: str) -> QPushButton:
    return next(found for found in page.findChildren(QPushButton) if found.text() == text and found.isVisible())


def test_an_empty_page_offers_to_bring_a_file(page: DataPage) -> None:
    assert page.drop_zone.isVisible()
    assert page.sample_link.isVisible()
    assert not page.tabs.isVisible()


def test_an_import_tells_rows_usable_rows_and_those_that_need_attention(
    qtbot: QtBot, page: DataPage, faq: Path
) -> None:
    import_file(qtbot, page, faq)
    assert page.verdict.text.text() == "500 of 501 rows are usable."
    button(page, "Show problems").click()
    assert page.tabs.currentWidget() is page.problems
    assert "the answer is empty" in page.problems.cards[0].text()
    assert "Fill it in" in page.problems.cards[0].text()


def test_the_guess_is_shown_with_its_reason(qtbot: QtBot, page: DataPage, faq: Path) -> None:
    import_file(qtbot, page, faq)
    assert page.mapping_form.chosen().prompt == "question"
    assert page.mapping_form.chosen().completion == "answer"
    assert '"question" is the question' in page.mapping_form.note.text()


def test_the_table_reads_rows_as_they_are_scrolled_to(qtbot: QtBot, page: DataPage, faq: Path) -> None:
    import_file(qtbot, page, faq)
    model = page.rows.table.records
    assert model.rowCount() == 500
    assert len(model._records) <= 2 * BLOCK_ROWS
    assert model.index(499, 1).data(Qt.ItemDataRole.DisplayRole) == "How do I <b>reset</b> 499?"
    page.rows.table.show_row(499)
    assert "Open Settings, number 499." in page.rows.detail.toPlainText()


def test_a_damaged_line_is_named_and_can_be_left_out(qtbot: QtBot, page: DataPage, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    good = '{"question": "a?", "answer": "b"}\n'
    path.write_text(good * 3 + '{"question": \n' + good * 3, encoding="utf-8")
    import_file(qtbot, page, path)
    assert "broken.jsonl:4" in page.message.text()
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        button(page, "Leave damaged lines out").click()
    assert page.verdict.text.text() == "6 of 7 rows are usable."


def test_an_empty_file_is_told_in_words(qtbot: QtBot, page: DataPage, tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.touch()
    import_file(qtbot, page, path)
    assert "There are no records" in page.message.text()
    assert page.drop_zone.isVisible()


def test_an_own_test_file_is_used_and_can_be_taken_away(
    qtbot: QtBot, page: DataPage, faq: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_file = tmp_path / "test.csv"
    test_file.write_text("question,answer,remark\nNew?,Yes,\nOther?,No,\n", encoding="utf-8")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(test_file), ""))
    import_file(qtbot, page, faq)
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        page.options.heading.click()
        button(page, "Use an own test file…").click()
    assert page.options.test_file.text() == "Tested with 2 rows of test.csv"
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        button(page, "Remove test file").click()
    assert page.options.test_file.text() == ""


def test_a_cancelled_import_leaves_nothing(qtbot: QtBot, page: DataPage, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text('{"question": "a?", "answer": "b"}\n' * 300_000, encoding="utf-8")
    page.import_file(path)
    assert page.progress.isVisible()
    page.progress.cancel.click()
    assert not page.progress.isVisible()
    assert page.drop_zone.isVisible()
    qtbot.waitUntil(lambda: not page.workplace._tasks, timeout=WAIT)
    assert page.workplace.datasets() == []


def test_deleting_asks_first_and_keeps_the_original(qtbot: QtBot, page: DataPage, faq: Path) -> None:
    import_file(qtbot, page, faq)
    page.delete_button.click()
    button(page, "Keep").click()
    assert len(page.workplace.datasets()) == 1
    page.delete_button.click()
    button(page, "Delete dataset").click()
    assert page.workplace.datasets() == []
    assert page.drop_zone.isVisible()
    assert faq.is_file()


def test_continue_asks_for_the_train_page(qtbot: QtBot, page: DataPage, faq: Path) -> None:
    import_file(qtbot, page, faq)
    with qtbot.waitSignal(page.page_wanted) as wanted:
        page.continue_button.click()
    assert wanted.args == ["train"]


def test_without_a_model_the_preview_says_what_is_missing(qtbot: QtBot, page: DataPage, faq: Path) -> None:
    import_file(qtbot, page, faq)
    page.tabs.setCurrentWidget(page.preview)
    assert page.preview.empty.isVisible()
    with qtbot.waitSignal(page.page_wanted) as wanted:
        page.preview.empty.action.click()
    assert wanted.args == ["models"]


def test_the_preview_shows_the_trainers_own_labels(qtbot: QtBot, page: DataPage, faq: Path, made: Path) -> None:
    model_library.put_model(checked_model(made))
    page.workplace.models.choose(checked_model(made))
    import_file(qtbot, page, faq)
    page.rows.table.show_row(8)
    service = page.preview.service
    told: list[MaskedRow] = []
    service.row_shown.connect(told.append)
    with qtbot.waitSignals([service.row_shown, service.surveyed], timeout=WAIT):
        page.tabs.setCurrentWidget(page.preview)
    shown = told[-1]
    assert shown.row == 8
    learned = "".join(piece for piece, is_learned in zip(shown.pieces, shown.learned, strict=True) if is_learned)
    assert learned == "Open Settings, number 8.<|end|>"
    assert "<b>reset</b> 8?" in page.preview.view.text.toPlainText()
    assert "learned (" in page.preview.facts.text()
    assert "This row is used whole." in page.preview.fate.text()
    assert any(shown.control)
    assert page.preview.survey.text() == "Of 200 rows looked at: all are used whole."
    with qtbot.waitSignal(service.row_shown, timeout=WAIT):
        page.preview.next.click()
    assert "number 9." in page.preview.view.text.toPlainText()
    # Other settings, other fate: as training would do it.
    with qtbot.waitSignals([service.row_shown, service.surveyed], timeout=WAIT):
        page.workplace.choose_settings(TrainSettings(max_tokens=16))
    assert "This row is left out: it is longer than 16 tokens." in page.preview.fate.text()
    assert page.preview.survey.text() == "Of 200 rows looked at: 100 % are too long and left out."
    assert page.preview.facts.text().endswith("tokens, 0 learned")
    # A row that a person leaves out: seen by the worker that runs already.
    with qtbot.waitSignal(service.row_shown, timeout=WAIT):
        page.rows.table.show_row(9)
        page.desk.history.do(Exclude((9,)), "x")
    qtbot.waitUntil(lambda: "You left this row out" in page.preview.fate.text(), timeout=WAIT)
    page.close_services()
    qtbot.waitUntil(lambda: not page.workplace._tasks, timeout=WAIT)


def checked(qtbot: QtBot, page: DataPage) -> None:
    qtbot.waitUntil(lambda: page.desk.found is not None and not page.desk.checkup.going, timeout=WAIT)


def test_rows_are_compared_with_a_test_file(
    qtbot: QtBot, page: DataPage, faq: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = tmp_path / "exam.csv"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(chosen), ""))
    import_file(qtbot, page, faq)
    checked(qtbot, page)
    page.tabs.setCurrentWidget(page.problems)

    def compare(text: str) -> None:
        chosen.write_text(text, encoding="utf-8")
        button(page, "Compare with a test file…").click()
        checked(qtbot, page)

    row = '"How do I <b>reset</b> 7?","Open Settings, number 7.",note 7\n'
    compare("question,answer,remark\n" + row + "Who is asked?,Nobody here is,\n")
    (card,) = [card for card in page.problems.findings if card.finding.code == "doctor.test_overlap"]
    assert card.finding.examples[0].row == 7
    assert "Compared with the 2 rows of exam.csv." in seen_words(page.problems)
    assert not page.desk.stale

    compare("question,answer,remark\nWho is asked?,Nobody here is,\nWho asks?,All of them do,\n")
    assert "doctor.test_overlap" not in {card.finding.code for card in page.problems.findings}
    assert "None of the 2 rows of exam.csv is among these" in seen_words(page.problems)

    empty = tmp_path / "empty.csv"
    empty.touch()
    page.desk.compare_with(str(empty))
    checked(qtbot, page)
    assert "empty.csv" in page.message.text()
    assert "There are no records" in page.message.text()
    assert "None of the 2 rows of exam.csv is among these" in seen_words(page.problems), "what was known stays"


def test_a_comparison_that_was_not_made_is_not_told_and_one_that_was_stays_with_the_dataset(
    qtbot: QtBot, page: DataPage, faq: Path, tmp_path: Path
) -> None:
    import_file(qtbot, page, faq)
    checked(qtbot, page)
    mine = page.workplace.dataset
    assert mine is not None
    page.tabs.setCurrentWidget(page.problems)
    page.desk.compare_with(str(faq))
    page.desk.checkup.cancel()
    assert "of faq.csv" not in seen_words(page.problems)

    page.desk.compare_with(str(faq))
    checked(qtbot, page)
    other = tmp_path / "other.csv"
    other.write_text("question,answer\nWho is it?,It is me\nWhere is it?,It is here\n", encoding="utf-8")
    import_file(qtbot, page, other)
    checked(qtbot, page)
    assert page.desk.test == ""
    page.workplace.choose_dataset(mine)
    assert page.desk.test == str(faq)
    assert "Compared with the 501 rows of faq.csv." in seen_words(page.problems)  # one of them is a bare question
    page.desk.history.do(Exclude((3,)), "leave out one row")
    checked_anew(qtbot, page)
    assert "doctor.test_overlap" in {card.finding.code for card in page.problems.findings}
    button(page, "Without test file").click()
    checked_anew(qtbot, page)
    assert "doctor.test_overlap" not in {card.finding.code for card in page.problems.findings}


def checked_anew(qtbot: QtBot, page: DataPage) -> None:
    qtbot.waitUntil(lambda: not page.desk.stale and not page.desk.checkup.going, timeout=WAIT)
