"""Updates on the Settings page: a note is opened, nothing is fetched."""

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from studio.ui import drop_routing
from studio.ui.main_window import MainWindow
from studio.ui.widgets.update_section import UpdateSection
from tests.packaging.notes import CONTENT, NAME, key, note_file

__all__ = ["key", "note_file"]


@pytest.fixture
def section(qtbot: QtBot) -> UpdateSection:
    made = UpdateSection()
    qtbot.addWidget(made)
    made.show()
    return made


def test_a_newer_version_is_told_with_what_is_new(
    section: UpdateSection, note_file: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(note_file), ""))
    section.open_button.click()
    qtbot.waitUntil(lambda: not section.reading)
    assert "Version 9.0.0 of 2027-01-31 is newer" in section.message.text()
    assert f"{NAME} beside it is genuine" in section.message.text()
    assert section.changes.text() == "• It is better."


def test_an_exchanged_installer_is_told(section: UpdateSection, note_file: Path, qtbot: QtBot) -> None:
    (note_file.parent / NAME).write_bytes(CONTENT[::-1])
    section.check(note_file)
    qtbot.waitUntil(lambda: not section.reading)
    assert section.message.problem is not None
    assert section.message.problem.code == "update.damaged_installer"
    assert section.changes.isHidden()


def test_a_wrong_signature_is_told(section: UpdateSection, note_file: Path) -> None:
    note_file.write_text(note_file.read_text().replace("9.0.0", "9.9.9"))
    section.check(note_file)
    assert section.message.problem is not None
    assert section.message.problem.code == "update.wrong_signature"
    assert not section.reading


def test_without_an_installer_beside_it_the_right_one_is_named(section: UpdateSection, note_file: Path) -> None:
    (note_file.parent / NAME).unlink()
    section.check(note_file)
    assert f"The file for this computer: {NAME}" in section.message.text()


def test_a_dropped_note_is_checked_in_the_settings(window: MainWindow, note_file: Path, qtbot: QtBot) -> None:
    route = drop_routing.route(note_file)
    assert (route.kind, route.page) == ("update", "settings")
    window.take(route)
    assert window.current_page == "settings"
    section = window.page("settings").findChild(UpdateSection)
    qtbot.waitUntil(lambda: "9.0.0" in section.message.text() and not section.reading)
