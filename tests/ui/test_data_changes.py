"""Rows changed, left out and mended on the Data page, each step with its way back."""

from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QPlainTextEdit
from pytestqt.qtbot import QtBot

from studio.data.dataset import DatasetInfo, open_dataset
from studio.data.edits import Cell, Exclude, Replace
from studio.ui.pages.data import DataPage
from tests.ui.seen import seen_button
from tests.ui.test_data_workshop import WAIT, column
from tests.ui.test_data_workshop import faq as faq
from tests.ui.test_data_workshop import page as page
from tests.ui.workshop import FAQ


def test_a_cell_is_typed_over_and_the_change_can_be_undone(qtbot: QtBot, page: DataPage, faq: DatasetInfo) -> None:
    table = page.rows.table
    place = table.records.index(2, table.records.column("answer"))
    table.setCurrentIndex(place)
    table.edit(place)
    editor = table.findChild(QPlainTextEdit)
    assert isinstance(editor, QPlainTextEdit)
    assert editor.toPlainText() == FAQ[2]["answer"]
    editor.setPlainText("Lunch is over.\nGo home.")
    QTest.keyClick(editor, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert place.data() == "Lunch is over. Go home."
    assert open_dataset(Path(faq.folder)).record(2).messages[-1].content == "Lunch is over.\nGo home."
    assert "1 changed by you" in page.rows.state.text()
    page.rows.tools.undo.click()
    assert place.data() == FAQ[2]["answer"]
    assert not open_dataset(Path(faq.folder)).edits
    page.rows.tools.redo.click()
    assert place.data() == "Lunch is over. Go home."


def test_a_text_that_was_changed_in_an_earlier_session_gets_its_imported_words_back(
    page: DataPage, faq: DatasetInfo
) -> None:
    page.desk.history.do(Replace((Cell(2, 1, "Other words."), Cell(4, 0, "Asked otherwise?"))), "x")
    page.desk.history.stack.clear()  # as after a new start
    assert page.rows.tools.restore.isHidden()
    page.rows.table.show_row(2)
    assert page.rows.tools.restore.isVisible()
    page.rows.tools.restore.click()
    rows = open_dataset(Path(faq.folder))
    assert rows.record(2).messages[-1].content == FAQ[2]["answer"]
    assert rows.record(4).messages[0].content == "Asked otherwise?"
    assert page.rows.tools.restore.isHidden()
    page.rows.tools.undo.click()
    assert open_dataset(Path(faq.folder)).record(2).messages[-1].content == "Other words."


def test_rows_are_left_out_and_taken_in_again_and_stay_in_sight(page: DataPage, faq: DatasetInfo) -> None:
    table = page.rows.table
    table.show_row(1)
    QTest.keyClick(table, Qt.Key.Key_Delete)
    assert column(page, "state")[1] == "left out"
    assert len(column(page, "row")) == 8
    assert len(open_dataset(Path(faq.folder))) == 7
    seen_button(page, "Take in again").click()
    assert column(page, "state")[1] == ""
    assert len(open_dataset(Path(faq.folder))) == 8


def test_ctrl_z_and_ctrl_y_undo_and_redo(qtbot: QtBot, page: DataPage, faq: DatasetInfo) -> None:
    qtbot.waitExposed(page)
    page.activateWindow()
    page.rows.table.setFocus()
    page.desk.history.do(Exclude((0,)), "leave out one row")
    assert page.rows.tools.undo.accessibleName() == "Undo: leave out one row"
    window = page.windowHandle()
    assert window is not None
    QTest.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert column(page, "state")[0] == ""
    QTest.keyClick(window, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert column(page, "state")[0] == "left out"


def test_a_change_that_cannot_be_kept_is_told_and_leaves_no_step_to_undo(page: DataPage, faq: DatasetInfo) -> None:
    assert not page.desk.history.do(Exclude((99,)), "x")
    assert "There is no row 100" in page.message.text()
    assert not page.desk.history.stack.canUndo()


@pytest.mark.parametrize("code", ["exact_duplicates", "mojibake"])
def test_every_fix_is_one_step_that_can_be_undone(page: DataPage, faq: DatasetInfo, code: str) -> None:
    page.desk.history.do(Exclude((6,)), "before")
    before = list(open_dataset(Path(faq.folder)).records())
    (card,) = [card for card in page.problems.findings if card.finding.code == f"doctor.{code}"]
    card.fix_button.click()
    after = list(open_dataset(Path(faq.folder)).records())
    assert after != before
    page.desk.history.stack.undo()
    assert list(open_dataset(Path(faq.folder)).records()) == before
    assert page.desk.history.stack.count() == 2


def test_a_fix_of_before_takes_no_row_away_that_was_rewritten_since(
    qtbot: QtBot, page: DataPage, faq: DatasetInfo
) -> None:
    (card,) = [card for card in page.problems.findings if card.finding.code == "doctor.exact_duplicates"]
    page.desk.history.do(Replace((Cell(3, 1, "Olga has kept them since May."),)), "x")
    with qtbot.waitSignal(page.workplace.told) as told:
        card.fix_button.click()
    assert told.args == ["One row stays, because it was changed since: check the rows again."]
    assert not open_dataset(Path(faq.folder)).edits.excluded


def test_importing_anew_asks_before_it_drops_changes(
    qtbot: QtBot, page: DataPage, faq: DatasetInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.desk.history.do(Exclude((0,)), "x")
    page.importing.change(weights=())
    assert not page.workplace.importing
    assert "drops the changes" in page.message.text()
    seen_button(page, "Keep the changes").click()
    assert len(open_dataset(Path(faq.folder))) == 7
    page.importing.change(weights=())
    with qtbot.waitSignal(page.workplace.import_ended, timeout=WAIT):
        seen_button(page, "Import anew").click()
    assert len(open_dataset(Path(faq.folder))) == 8


@pytest.mark.parametrize("answer", ["keep", "close", "escape", "another message"])
def test_while_it_is_asked_whether_changes_may_go_nothing_leads_on_and_afterwards_the_columns_are_those_in_use(
    page: DataPage, faq: DatasetInfo, answer: str
) -> None:
    page.desk.history.do(Exclude((0,)), "x")
    assert page.continue_button.isEnabled()
    used = faq.mapping
    swapped = msgspec.structs.replace(used, prompt=used.completion, completion=used.prompt)
    page.mapping_form.show_mapping(faq.columns, swapped)  # as if it were chosen there
    page.importing.change(mapping=swapped)
    assert not page.continue_button.isEnabled()
    assert "question" in page.continue_button.toolTip()
    assert not page.start()
    if answer == "keep":
        seen_button(page, "Keep the changes").click()
    elif answer == "close":
        page.message.dismiss()
    elif answer == "escape":
        assert page.escape()
    else:
        page.message.show_text("info", "Something else.")
    assert page.continue_button.isEnabled()
    chosen = page.mapping_form.chosen()
    assert (chosen.prompt, chosen.completion) == (used.prompt, used.completion)
    assert not page.workplace.importing


def test_the_rows_as_they_read_now_are_exported(
    qtbot: QtBot, page: DataPage, faq: DatasetInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.jsonl"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    page.desk.history.do(Exclude((0, 3)), "x")
    with qtbot.waitSignal(page.workplace.told, timeout=WAIT) as told:
        page.rows.tools.export.click()
    assert told.args == ["6 rows were written to mine.jsonl."]
    rows = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert rows[0]["messages"][0]["content"] == FAQ[1]["question"]
    qtbot.waitUntil(lambda: not page.workplace._tasks, timeout=WAIT)
