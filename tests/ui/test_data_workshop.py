"""The Data page as a workshop: the table, its edits, what the doctor found, and the options of the import."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from studio.contract.control import Going
from studio.contract.diagnosis import Finding
from studio.contract.job import ImportJob, Reading
from studio.contract.run_folder import datasets_folder
from studio.contract.settings import TrainSettings
from studio.data.dataset import DatasetInfo, open_dataset, read_info
from studio.data.edits import Cell, Exclude, Replace
from studio.data.formats import SUFFIXES
from studio.data.importing import import_dataset
from studio.data.made_from import origin_of
from studio.supervisor.workplace import Workplace
from studio.ui import drop_routing
from studio.ui.pages.data import DataPage
from studio.ui.pages.train_before import BeforeRun
from studio.ui.widgets.import_options import ImportOptions
from studio.ui.widgets.row_link import RowLink
from tests.ui.seen import seen_button, seen_words
from tests.ui.workshop import FAQ, check, made, shown_page

WAIT = 60_000


@pytest.fixture
def page(qtbot: QtBot, workplace: Workplace) -> Iterator[DataPage]:
    with shown_page(qtbot, workplace) as page:
        yield page


def choose(page: DataPage, info: DatasetInfo) -> None:
    """Open a dataset whose diagnosis is at hand; edits are not checked anew behind the test's back."""
    page.workplace.choose_dataset(info)
    page.desk._calm.setInterval(600_000)


@pytest.fixture
def faq(page: DataPage) -> DatasetInfo:
    info = made("faq", FAQ)
    choose(page, info)
    return info


def column(page: DataPage, name: str) -> list[str]:
    """What a column of the table shows, from top to bottom."""
    model = page.rows.table.records
    place = model.column(name)  # type: ignore[arg-type]
    return [model.index(row, place).data() for row in range(model.rowCount())]


def finding(page: DataPage, code: str) -> Finding:
    assert page.desk.found is not None
    return next(one for one in page.desk.found.findings if one.code == f"doctor.{code}")


# --- the verdict ---------------------------------------------------------------------------------------------------


def test_a_verdict_in_words_heads_the_page(page: DataPage, faq: DatasetInfo) -> None:
    assert page.verdict.text.text().startswith("All 8 rows are usable.")
    assert page.verdict.y() < page.chooser.y() < page.tabs.y()
    assert page.tabs.tabText(2) == f"Problems ({page.desk.problem_count()})"


def test_one_file_imported_twice_makes_two_names_in_the_chooser_and_on_train(page: DataPage, qtbot: QtBot) -> None:
    source = made("faq", FAQ).sources[0].path
    folder = datasets_folder() / "again"
    import_dataset(ImportJob(source=source, destination=str(folder), name="faq.jsonl"), lambda event: None, Going())
    choose(page, made("other", FAQ))
    names = [page.chooser.itemText(index) for index in range(page.chooser.count())]
    assert len(set(names)) == 3
    assert names[0] == "other.jsonl"
    assert all(name.startswith("faq.jsonl (today ") for name in names[1:])
    train = BeforeRun(page.workplace)
    qtbot.addWidget(train)
    shown = [train.setup.data_box.itemText(index) for index in range(train.setup.data_box.count())]
    assert shown == [f"{name} (8 examples)" for name in names]


def test_what_the_doctor_finds_replaces_what_the_import_said_of_the_same(page: DataPage) -> None:
    rows = [{"question": f"Who is number {n}?", "answer": f"It is number {n} of the house."} for n in range(40)]
    marked = [{"question": "What ends it?", "answer": "That does <|im_end|> so."}]
    info = made("twice", [*rows, rows[5], *marked])
    assert sorted(one.code for one in info.problems) == ["data.duplicates", "data.markers"]
    choose(page, info)
    assert page.desk.found is not None
    assert {"doctor.exact_duplicates", "doctor.template_markers"} <= {one.code for one in page.desk.found.findings}
    assert page.problems.cards == []
    assert page.desk.problem_count() == len(page.desk.found.findings)
    page.desk.fix(finding(page, "exact_duplicates"))
    check(Path(info.folder))
    page.desk.open(None)
    page.desk.open(read_info(Path(info.folder)))
    page._show_found()
    assert page.problems.cards == []
    assert not any("repeat" in card.finding.title for card in page.problems.findings)


def test_a_change_makes_the_verdict_out_of_date_and_says_so(page: DataPage, faq: DatasetInfo) -> None:
    assert page.verdict.check_button.text() == "Check again"
    page.desk.history.do(Exclude((2,)), "x")
    assert page.verdict.text.text() == "7 of 8 rows are usable."
    assert page.verdict.check_button.text() == "Changed since it was checked: check again"
    page.desk.history.stack.undo()
    assert page.verdict.text.text().startswith("All 8 rows are usable.")


def test_where_no_row_is_held_back_a_click_changes_it_and_undo_takes_it_back(page: DataPage) -> None:
    few = [{"question": f"What is {n}?", "answer": f"It is {n}."} for n in range(6)]
    info = made("few", few)
    choose(page, info)
    assert "No row is held back for testing" in page.verdict.text.text()
    assert seen_button(page, "Hold one row back") is page.verdict.fix_button
    folder = Path(info.folder)
    page.verdict.fix_button.click()
    assert sum(open_dataset(folder).sides(0.1)) == 1
    assert "1 of 6 rows held back" in page.options.summary.text()
    assert "No row is held back" not in page.verdict.text.text()
    assert not page.verdict.fix_button.isVisible()
    assert page.desk.history.stack.undoText() == "hold one row back"
    page.rows.tools.undo_wanted.emit()
    assert read_info(folder).split == info.split
    assert page.desk.history.stack.canRedo()
    page.rows.tools.redo_wanted.emit()
    assert sum(open_dataset(folder).sides(0.1)) == 1


def test_another_split_makes_the_verdict_out_of_date(page: DataPage, faq: DatasetInfo) -> None:
    assert not page.desk.stale
    page.options.seed.setValue(7)
    assert page.desk.stale


def test_the_doctor_looks_again_by_itself_after_a_change_of_a_small_dataset(
    qtbot: QtBot, page: DataPage, faq: DatasetInfo
) -> None:
    page.desk._calm.setInterval(1)
    with qtbot.waitSignal(page.desk.checkup.diagnosed, timeout=WAIT):
        page.desk.history.do(Exclude((3,)), "x")
    assert page.verdict.text.text().startswith("7 of 8 rows are usable.")
    assert "doctor.exact_duplicates" not in {card.finding.code for card in page.problems.findings}
    assert not page.verdict.bar.isVisible()
    assert not page.desk.stale
    page.workplace.choose_settings(TrainSettings(learned_turns="last"))
    assert page.desk.stale, "rows may hold nothing to learn then"


def test_a_check_can_be_cancelled_and_the_page_goes_on(qtbot: QtBot, page: DataPage, faq: DatasetInfo) -> None:
    page.verdict.check_button.click()
    assert page.verdict.bar.isVisible()
    page.verdict.cancel_button.click()
    assert not page.verdict.bar.isVisible()
    assert page.verdict.text.text().startswith("All 8 rows are usable.")
    qtbot.waitUntil(lambda: not page.workplace._tasks, timeout=WAIT)


# --- the table -----------------------------------------------------------------------------------------------------


def test_a_search_looks_into_questions_and_answers_whatever_the_case(
    qtbot: QtBot, page: DataPage, faq: DatasetInfo
) -> None:
    page.rows.tools.search.setText("KEYS")
    with qtbot.waitSignal(page.rows.choice.rows_changed):
        page.rows.tools.search.returnPressed.emit()
    assert column(page, "row") == ["1", "4"]
    assert "2 of 8 rows" in seen_words(page.rows)
    page.desk.history.do(Replace((Cell(4, 1, "The KEYS are hot."),)), "x")
    qtbot.waitUntil(lambda: column(page, "row") == ["1", "4", "5"])
    page.escape()
    qtbot.waitUntil(lambda: len(column(page, "row")) == 8)


def test_rows_are_sorted_by_length_and_keep_their_numbers(qtbot: QtBot, page: DataPage, faq: DatasetInfo) -> None:
    tools = page.rows.tools
    with qtbot.waitSignal(page.rows.choice.rows_changed):
        tools.order.setCurrentIndex(tools.order.findData("shortest"))
        tools.choice_changed.emit()
    lengths = [int(text) for text in column(page, "length")]
    assert lengths == sorted(lengths)
    assert column(page, "row")[0] == "8"


def test_rows_are_filtered_by_a_finding(page: DataPage, faq: DatasetInfo) -> None:
    page.problems.rows_wanted.emit("doctor.exact_duplicates")
    assert page.tabs.currentWidget() is page.rows
    assert column(page, "row") == ["4"]


def test_rows_are_all_shown_again_once_what_they_were_filtered_by_is_mended(page: DataPage, faq: DatasetInfo) -> None:
    page.problems.rows_wanted.emit("doctor.exact_duplicates")
    assert page.desk.found is not None
    page.rows.show_findings([one for one in page.desk.found.findings if one.code != "doctor.exact_duplicates"])
    assert page.rows.tools.filter.currentText() == "All rows"
    assert len(column(page, "row")) == len(FAQ)


def test_a_row_has_the_same_number_in_table_problems_and_preview(page: DataPage) -> None:
    info = made("gaps", [*FAQ[:2], {"question": "", "answer": "left out by the import"}, *FAQ[2:]])
    choose(page, info)
    assert column(page, "row") == ["1", "2", "4", "5", "6", "7", "8", "9"]
    (card,) = [card for card in page.problems.findings if card.finding.code == "doctor.exact_duplicates"]
    assert "Row 5: " in " ".join(link.accessibleName() for link in card.findChildren(RowLink))
    page.problems.row_wanted.emit(card.finding.examples[0].row)
    assert page.rows.detail.toPlainText().startswith("Row 5\n")
    assert page.preview.number.text() == "5"
    page.preview.number.setValue(page.preview.number.valueFromText("7"))
    assert page.preview.number.number() == 7
    assert page.preview.number.text() == "7"
    assert page.preview.number.valueFromText("3") == page.preview.number.valueFromText("4")  # 3 is no row here


# --- edits ---------------------------------------------------------------------------------------------------------


# --- problems ------------------------------------------------------------------------------------------------------


def test_a_finding_says_how_often_where_why_and_what_to_do(page: DataPage, faq: DatasetInfo) -> None:
    page.tabs.setCurrentWidget(page.problems)
    words = seen_words(page.problems)
    assert "1 row repeats an earlier row word for word." in words
    assert "What is repeated is learned more strongly" in words
    assert seen_button(page, "Leave the copy out")
    assert seen_button(page, "Repair the row")


def test_remarks_about_good_files_are_information_and_faults_are_warnings(page: DataPage) -> None:
    source = Path(made("faq", FAQ, checked=False).sources[0].path).with_name("old.csv")
    lines = ["Frage;Antwort", "Weißt du es?;Ja, gewiss.", "Wirklich?;Ja.", ";Antwort ohne Frage"]
    source.write_bytes("\n".join(lines).encode("cp1252"))
    from studio.contract.control import Going
    from studio.contract.job import ImportJob
    from studio.data.importing import import_dataset

    folder = source.parent / "datasets" / "old"
    import_dataset(ImportJob(source=str(source), destination=str(folder), name="old"), lambda event: None, Going())
    choose(page, read_info(folder))
    kinds = {card.problem.code: card.property("kind") for card in page.problems.cards if card.problem is not None}
    assert kinds == {"row.empty_question": "warning", "data.read_as_cp1252": "info"}
    page.desk.close()


def test_a_dataset_of_pairs_says_that_it_cannot_be_trained_on_yet_and_offers_the_better_answers(
    qtbot: QtBot, page: DataPage
) -> None:
    rows: list[dict[str, object]] = [
        {"prompt": f"Is {n} even?", "chosen": f"{n} is {'odd' if n % 2 else 'even'}.", "rejected": f"Who knows {n}?"}
        for n in range(6)
    ]
    choose(page, made("pairs", rows))
    assert "cannot be trained on yet" in page.verdict.text.text()
    assert column(page, "worse")[3] == "Who knows 3?"
    page.tabs.setCurrentWidget(page.problems)
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        seen_button(page, "Learn from the better answers alone").click()
    info = page.workplace.dataset
    assert info is not None
    assert (info.kind, info.usable) == ("prompt_completion", 6)
    assert "cannot be trained on yet" not in page.verdict.text.text()


# --- options of the import -----------------------------------------------------------------------------------------


def test_several_files_get_weights(qtbot: QtBot, page: DataPage, faq: DatasetInfo) -> None:
    more = Path(
        made("more", [{"question": f"Q{n}?", "answer": f"A long answer, number {n}."} for n in range(5)]).folder
    )
    source = read_info(more).sources[0].path
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        page.importing.change(more=(source,))
    assert page.workplace.dataset is not None
    assert page.workplace.dataset.usable == 13
    assert [spin.value() for spin in page.options.weights] == [1, 1]
    page.options.heading.click()
    page.options.weights[1].setValue(3)
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        seen_button(page, "Use these weights").click()
    assert page.workplace.dataset.usable == 8 + 15
    assert [spin.value() for spin in page.options.weights] == [1, 3]
    page.rows.table.show_row(7)
    assert page.rows.detail.toPlainText().startswith("Row 8 of faq")
    page.rows.table.show_row(8)
    assert page.rows.detail.toPlainText().startswith(f"Row 1 of {Path(source).name}\n")


def test_a_row_of_a_single_file_needs_no_name_of_the_file(page: DataPage, faq: DatasetInfo) -> None:
    page.rows.table.show_row(2)
    assert page.rows.detail.toPlainText().startswith("Row 3\n")


def test_rows_are_split_by_a_group_and_another_seed(qtbot: QtBot, page: DataPage) -> None:
    rows: list[dict[str, object]] = [
        {"question": f"Q{n}?", "answer": f"A long answer, number {n}.", "patient": f"p{n % 7}"} for n in range(40)
    ]
    choose(page, made("patients", rows))
    options = page.options
    options.by.setCurrentIndex(options.by.findData("group"))
    options._on_by_chosen()
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        options.column.setCurrentIndex(options.column.findData("patient"))
        options._on_column_chosen()
    assert page.workplace.dataset is not None
    assert page.workplace.dataset.split.by == "group"
    assert "in groups by patient" in options.summary.text()
    page.desk.close()
    options.seed.setValue(5)
    assert read_info(Path(page.workplace.dataset.folder)).split.seed == 5
    assert "seed 5" in options.summary.text()
    page.desk.close()


# --- what can be dropped -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_of_file_is_taken(tmp_path: Path, suffix: str) -> None:
    assert drop_routing.route(tmp_path / f"rows{suffix}").kind == "dataset"


def test_a_folder_of_rows_and_several_files_are_datasets_and_a_mixture_is_none(tmp_path: Path) -> None:
    (tmp_path / "inside" / "deeper").mkdir(parents=True)
    assert drop_routing.route(tmp_path).kind == "none"
    (tmp_path / "inside" / "deeper" / "rows.csv").touch()
    assert drop_routing.route(tmp_path).kind == "dataset"
    several = drop_routing.route_all([tmp_path / "a.csv", tmp_path / "b.xlsx"])
    assert (several.kind, several.more) == ("dataset", (tmp_path / "b.xlsx",))
    assert drop_routing.route_all([tmp_path / "a.csv", tmp_path / "photo.png"]).kind == "none"
    (tmp_path / "config.json").touch()
    assert drop_routing.route_all([tmp_path / "a.csv", tmp_path]).kind == "none"


def test_a_checked_dataset_is_not_checked_again_unasked(page: DataPage, faq: DatasetInfo) -> None:
    check(Path(faq.folder))
    page.on_shown()
    assert not page.desk.checkup.going


def test_the_first_line_of_a_table_can_be_said_to_be_a_row(qtbot: QtBot, own_home: Path, tmp_path: Path) -> None:
    source = tmp_path / "words.csv"
    source.write_text("dog,Hund\ncat,Katze\nhouse,Haus\n", "utf-8")
    work = ImportJob(source=str(source), destination=str(own_home / "datasets" / "words"), name="words")
    import_dataset(work, lambda event: None, Going())
    info = read_info(own_home / "datasets" / "words")
    options = ImportOptions()
    qtbot.addWidget(options)
    options.show_info(info, origin_of(info), 0.1)
    options.heading.setChecked(True)
    options.show()
    assert options.first_line.isVisible()
    assert options.first_line.currentText() == "names the columns"
    asked: list[ImportJob] = []
    options.import_wanted.connect(asked.append)
    options.first_line.setCurrentIndex(options.first_line.findData("row"))
    options.first_line.activated.emit(options.first_line.currentIndex())
    (anew,) = asked
    assert anew.reading == Reading(first_line="row")
    assert anew.mapping is None
