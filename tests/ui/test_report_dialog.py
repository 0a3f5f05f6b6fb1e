"""A report for support: read in the window before it is saved."""

import zipfile
from pathlib import Path

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from studio.data.support_report import Piece
from studio.ui.main_window import MainWindow
from studio.ui.report_dialog import ReportDialog

REPORT = (Piece("README.txt", "this list", "what is in it\n"), Piece("log.txt", "lines", "<b>line</b>\n"))


@pytest.fixture
def dialog(qtbot: QtBot) -> ReportDialog:
    made = ReportDialog(REPORT)
    qtbot.addWidget(made)
    made.show()
    return made


def test_every_part_can_be_read_as_plain_text_before_anything_is_saved(dialog: ReportDialog) -> None:
    assert [dialog.list.item(row).text() for row in range(dialog.list.count())] == ["README.txt", "log.txt"]
    assert dialog.text.toPlainText() == REPORT[0].text
    dialog.list.setCurrentRow(1)
    assert dialog.text.toPlainText() == REPORT[1].text
    assert "lines" in dialog.purpose.text()
    assert dialog.text.isReadOnly()


def test_the_saved_zip_holds_what_was_shown(dialog: ReportDialog, qtbot: QtBot, tmp_path: Path) -> None:
    with qtbot.waitSignal(dialog.saved):
        dialog.save_to(tmp_path / "report.zip")
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        assert archive.read("log.txt").decode() == REPORT[1].text
    assert dialog.isHidden()


def test_a_place_that_refuses_is_said_in_the_dialog(dialog: ReportDialog, tmp_path: Path) -> None:
    dialog.save_to(tmp_path / "nowhere" / "report.zip")
    assert dialog.isVisible()
    assert "cannot be saved as report.zip" in dialog.problem.text()


def test_settings_offers_the_report_and_the_keyboard_reaches_it(window: MainWindow, qtbot: QtBot) -> None:
    window.show_page("settings")
    page = window.page("settings")
    button = next(b for b in page.findChildren(QPushButton) if "report" in b.text())
    button.click()
    (dialog,) = page.findChildren(ReportDialog)
    qtbot.waitUntil(dialog.isVisible)
    names = [dialog.list.item(row).text() for row in range(dialog.list.count())]
    assert names[:2] == ["README.txt", "versions.txt"]
    assert dialog.list.hasFocus() or dialog.focusWidget() is dialog.list
    dialog.reject()
