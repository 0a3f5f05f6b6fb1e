"""The Data page with the real import worker and the real preview worker."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QPushButton
from pytestqt.qtbot import QtBot

from studio.contract.events import MaskedRow
from studio.contract.job import Mapping
from studio.contract.settings import TrainSettings
from studio.data import model_library
from studio.data.edits import Exclude
from studio.supervisor.workplace import Workplace
from studio.ui.pages.data import DataPage
from studio.ui.widgets.mapping_form import MappingForm
from studio.ui.widgets.records_model import BLOCK_ROWS
from tests.data.samples import sheet, workbook_bytes
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


def test_changing_a_column_imports_the_same_dataset_anew(qtbot: QtBot, page: DataPage, faq: Path) -> None:
    import_file(qtbot, page, faq)
    before = page.workplace.dataset
    assert before is not None
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        choose(page.mapping_form, "completion", "remark")
    after = page.workplace.dataset
    assert after is not None
    assert after.id == before.id
    assert after.mapping.completion == "remark"
    assert after.usable == 501
    assert page.rows.table.model().index(0, 2).data() == "note 0"


def test_the_same_column_twice_is_told_and_not_imported(qtbot: QtBot, page: DataPage, faq: Path) -> None:
    import_file(qtbot, page, faq)
    choose(page.mapping_form, "completion", "question")
    assert page.mapping_form.note.text() == "The same column is chosen twice."
    assert not page.workplace.importing


def test_columns_that_cannot_be_guessed_are_chosen_by_hand(qtbot: QtBot, page: DataPage, tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("kind;size;mark\n1;10;x\n2;20;y\n3;30;z\n", encoding="utf-8")
    import_file(qtbot, page, path)
    assert page.by_hand.isVisible()
    assert "No columns were found" in page.message.text()
    assert page.by_hand.rows.item(1, 2).text() == "y"
    choose(page.by_hand.form, "prompt", "kind")
    assert not page.by_hand.import_button.isEnabled()
    choose(page.by_hand.form, "completion", "size")
    assert "Question: 1\n   Answer: 10" in page.by_hand.read.toPlainText()
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        page.by_hand.import_button.click()
    assert page.verdict.text.text() == "All 3 rows are usable."
    assert page.tabs.isVisible()
    assert page.message.isHidden()


def test_ratings_that_begin_late_ask_which_columns_are_meant(qtbot: QtBot, page: DataPage, tmp_path: Path) -> None:
    path = tmp_path / "late.jsonl"
    rows = [{"question": f"What is {n}?", "answer": f"It is {n}."} for n in range(260)]
    rows[251:] = [{**row, "good": "no"} for row in rows[251:]]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    import_file(qtbot, page, path)
    assert page.by_hand.isVisible()
    assert '"good" first says something in row 252' in page.message.text()
    choose(page.by_hand.form, "prompt", "question")
    choose(page.by_hand.form, "completion", "answer")
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        page.by_hand.import_button.click()
    dataset = page.workplace.dataset
    assert dataset is not None
    assert (dataset.usable, dataset.columns) == (260, ("question", "answer", "good"))
    assert [problem.code for problem in dataset.problems] == ["data.late_column"]


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


def test_columns_told_apart_by_length_alone_are_a_warning_that_one_click_on_swap_mends(
    qtbot: QtBot, page: DataPage, tmp_path: Path
) -> None:
    path = tmp_path / "clauses.csv"
    rows = [f'"{f"The tenant shall pay in month {n}. " * 6}","Clause {n} is a risk"' for n in range(40)]
    path.write_text("clause,note\n" + "\n".join(rows), encoding="utf-8")
    import_file(qtbot, page, path)
    assert "Only their length tells" in page.verdict.text.text()
    assert page.mapping_form.swap_button.isVisible()
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        page.mapping_form.swap_button.click()
    info = page.workplace.dataset
    assert info is not None
    assert (info.mapping.prompt, info.mapping.completion) == ("clause", "note")
    assert "Only their length tells" not in page.verdict.text.text()


def test_a_table_with_one_turn_a_row_shows_who_speaks_and_keeps_it_when_something_else_is_chosen(
    qtbot: QtBot, page: DataPage, tmp_path: Path
) -> None:
    path = tmp_path / "turns.csv"
    rows = [f"{n},{who},{text} {n}.,Be kind" for n in range(40) for who, text in (("user", "Where"), ("bot", "There"))]
    path.write_text("conversation_id,role,content,remark\n" + "\n".join(rows), encoding="utf-8")
    import_file(qtbot, page, path)
    form = page.mapping_form
    assert [form._combos[field].currentData() for field in ("speaker", "conversation")] == ["role", "conversation_id"]
    assert form._combos["speaker"].isVisible()
    assert not form.swap_button.isVisible()
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        choose(form, "system", "remark")
    info = page.workplace.dataset
    assert info is not None
    assert (info.usable, info.mapping.speaker, info.mapping.system) == (40, "role", "remark")


def test_a_question_with_its_answer_can_be_given_further_input(qtbot: QtBot, page: DataPage, faq: Path) -> None:
    import_file(qtbot, page, faq)
    assert 'Not used: "remark".' in page.mapping_form.note.text()
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        choose(page.mapping_form, "context", "remark")
    info = page.workplace.dataset
    assert info is not None
    assert (info.mapping.context, info.usable) == ("remark", 500)


@pytest.mark.parametrize(
    ("before", "shape", "kept"),
    [
        (Mapping(shape="label", prompt="a", completion="b", label="c", context="d"), "label", {"context": "d"}),
        (
            Mapping(shape="alpaca", prompt="a", completion="b", context="c", history="d"),
            "prompt_completion",
            {"context": "c", "history": "d"},
        ),
        (Mapping(shape="preference", prompt="a", completion="b", rejected="c", context="d"), "label", {"context": ""}),
        (
            Mapping(shape="preference", prompt="a", completion="b", rejected="c", label="d"),
            "preference",
            {"rejected": "c", "label": "d"},
        ),
    ],
)
def test_columns_that_few_rows_have_stay_where_the_shape_reads_them(
    qtbot: QtBot, before: Mapping, shape: str, kept: dict[str, str]
) -> None:
    form = MappingForm()
    qtbot.addWidget(form)
    form.show_mapping(("a", "b", "c", "d", "e"), before)
    form._shape.setCurrentIndex(form._shape.findData(shape))
    form._shape.activated.emit(form._shape.currentIndex())
    now = form.chosen()
    assert {field: getattr(now, field) for field in kept} == kept


def test_columns_that_few_rows_have_are_shown_where_they_are_used_and_all_of_them_on_request(qtbot: QtBot) -> None:
    form = MappingForm()
    qtbot.addWidget(form)
    form.show()
    used = Mapping(shape="prompt_completion", prompt="a", completion="b", reasoning="c")
    form.show_mapping(("a", "b", "c", "d"), used)
    assert form._combos["reasoning"].isVisible()
    assert form._combos["reasoning"].currentData() == "c"
    assert not form._combos["history"].isVisible()
    form.more_button.click()
    assert form._combos["history"].isVisible()
    assert not form.more_button.isVisible()
    with qtbot.waitSignal(form.mapping_changed) as changed:
        choose(form, "history", "d")
    assert (changed.args[0].history, changed.args[0].reasoning) == ("d", "c")
    choose(form, "tools", "d")
    assert form.note.text() == "The same column is chosen twice."
    choose(form, "tools", "")
    with qtbot.waitSignal(form.mapping_changed) as changed:
        choose(form, "context", "c")  # what was thought is further input from now on
    assert (changed.args[0].context, changed.args[0].reasoning) == ("c", "")


def test_instances_show_the_names_within_them(qtbot: QtBot) -> None:
    form = MappingForm()
    qtbot.addWidget(form)
    form.show()
    used = Mapping(shape="alpaca", prompt="instruction", instances="all", context="in", completion="out")
    form.show_mapping(("instruction", "all"), used)
    assert form.is_whole()
    assert form._combos["instances"].isVisible()
    assert msgspec.structs.replace(form.chosen(), reason="") == used


def test_a_workbook_that_could_not_be_mapped_lets_another_sheet_be_chosen(
    qtbot: QtBot, page: DataPage, tmp_path: Path
) -> None:
    path = tmp_path / "book.xlsx"
    told = sheet([["How to use this big file"], ["Please look into the second sheet."]])
    path.write_bytes(workbook_bytes({"Read me": told, "Figures": sheet([["x", "y"], [1, 2], [3, 4]])}))
    import_file(qtbot, page, path)
    chooser = page.importing.by_hand.sheet
    assert chooser.isVisible()
    assert chooser.currentData() == "Read me"
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        chooser.setCurrentIndex(chooser.findData("Figures"))
        chooser.activated.emit(chooser.currentIndex())
    assert page.importing.by_hand.isVisible()
    assert chooser.currentData() == "Figures"
    assert '"x", "y"' in page.importing.message.text()
