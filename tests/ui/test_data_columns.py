"""Which column holds what: guessed, shown and chosen on the Data page."""

import json
from pathlib import Path

import msgspec
import pytest
from pytestqt.qtbot import QtBot

from studio.contract.job import Mapping
from studio.ui.pages.data import DataPage
from studio.ui.widgets.mapping_form import MappingForm
from tests.data.samples import sheet, workbook_bytes
from tests.ui.test_data_page import WAIT, choose, import_file
from tests.ui.test_data_page import faq as faq
from tests.ui.test_data_page import page as page


@pytest.fixture
def form(qtbot: QtBot) -> MappingForm:
    """The form alone, shown and empty."""
    made = MappingForm()
    qtbot.addWidget(made)
    made.show()
    return made


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
    form: MappingForm, before: Mapping, shape: str, kept: dict[str, str]
) -> None:
    form.show_mapping(("a", "b", "c", "d", "e"), before)
    form._shape.setCurrentIndex(form._shape.findData(shape))
    form._shape.activated.emit(form._shape.currentIndex())
    now = form.chosen()
    assert {field: getattr(now, field) for field in kept} == kept


def test_columns_that_few_rows_have_are_shown_where_they_are_used_and_all_of_them_on_request(
    qtbot: QtBot, form: MappingForm
) -> None:
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


def test_instances_show_the_names_within_them(form: MappingForm) -> None:
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


def test_what_was_taken_out_can_be_chosen_again(form: MappingForm) -> None:
    used = Mapping(shape="preference", prompt="a", completion="b", rejected="c", label="won")
    form.show_mapping(("a", "b", "c", "won"), used)
    choose(form, "label", "")
    form.show_mapping(("a", "b", "c", "won"), form.chosen())  # as after an import with that choice
    assert form.chosen().label == ""
    assert form._combos["label"].isVisible()
    choose(form, "label", "won")
    assert form.chosen().label == "won"


def test_without_instances_nothing_within_them_is_a_column(form: MappingForm) -> None:
    columns = ("instruction", "all", "good", "whole")
    used = Mapping(shape="label", prompt="instruction", instances="all", context="in", completion="out", label="good")
    form.show_mapping(columns, used)
    choose(form, "system", "whole")
    assert form.chosen() == msgspec.structs.replace(used, system="whole", reason=form.chosen().reason)
    choose(form, "instances", "")
    assert (form.chosen().context, form.chosen().completion) == ("", "")


def test_a_column_that_begins_late_is_swapped_like_any_other(form: MappingForm) -> None:
    form.show_mapping(("a", "b"), Mapping(shape="prompt_completion", prompt="a", completion="late"))
    form.swap_button.click()
    assert (form.chosen().prompt, form.chosen().completion) == ("late", "a")


def test_columns_that_are_not_in_sight_are_not_chosen(form: MappingForm) -> None:
    used = Mapping(shape="chat", messages="said", speaker="role", conversation="id")
    form.show_mapping(("said", "role", "id", "reply"), used)
    for shape in ("prompt_completion", "chat"):
        form._shape.setCurrentIndex(form._shape.findData(shape))
        form._shape.activated.emit(form._shape.currentIndex())
        if shape == "prompt_completion":
            choose(form, "prompt", "said")
            choose(form, "completion", "reply")
    seen = {field for field in ("speaker", "conversation") if form._combos[field].isVisible()}
    assert {field for field in ("speaker", "conversation") if getattr(form.chosen(), field)} <= seen


def test_more_columns_are_offered_only_where_a_column_is_left(form: MappingForm) -> None:
    used = Mapping(shape="prompt_completion", prompt="a", completion="b")
    form.show_mapping(("a", "b"), used)
    assert not form.more_button.isVisible()
    form.show_mapping(("a", "b", "c"), used)
    assert form.more_button.isVisible()
