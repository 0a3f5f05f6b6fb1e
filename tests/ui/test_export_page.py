"""The Export page with the real export worker."""

from pathlib import Path

import pytest
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from studio.contract.exports import EXPORTS
from studio.supervisor.workplace import Workplace
from studio.ui.pages.export import ExportPage, folder_name
from tests.ui.finished_run import finished_run, model_and_adapter

WAIT = 60_000


@pytest.fixture
def page(qtbot: QtBot, workplace: Workplace) -> ExportPage:
    page = ExportPage(workplace)
    qtbot.addWidget(page)
    page.resize(960, 640)
    page.show()
    return page


def export(qtbot: QtBot, page: ExportPage) -> None:
    assert page.start()
    assert not page.export_button.isEnabled()
    qtbot.waitUntil(lambda: not page.job.going and not page.workplace._tasks, timeout=WAIT)


def press(page: ExportPage, text: str) -> None:
    next(found for found in page.message.findChildren(QPushButton) if found.text() == text).click()


def test_without_an_adapter_the_page_says_how_one_comes_to_be(qtbot: QtBot, page: ExportPage) -> None:
    page.on_shown()
    assert page.empty.isVisible()
    with qtbot.waitSignal(page.page_wanted) as wanted:
        page.empty.action.click()
    assert wanted.args == ["train"]


def test_every_export_of_the_table_is_offered_with_its_help(page: ExportPage) -> None:
    assert [button.text() for button in page.forms.buttons.buttons()] == [form.label for form in EXPORTS.values()]
    assert page.forms.buttons.checkedButton() is not None


def test_the_card_that_is_shown_is_the_card_that_is_written(
    qtbot: QtBot, page: ExportPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_run(model_and_adapter())
    page.on_shown()
    page.set_folder(tmp_path / "out")
    shown = page.card.toPlainText()
    assert "# run" in shown
    assert "## Limits" in shown
    export(qtbot, page)
    target = tmp_path / "out" / "run-1-tiny"
    assert (target / "README.md").read_text(encoding="utf-8") == shown
    assert "Exported to run-1-tiny." in page.message.text()
    assert all(file.name in page.message.text() for file in target.iterdir())
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    press(page, "Open folder")
    assert opened == [str(target)]
    # A second export overwrites nothing and offers another name.
    export(qtbot, page)
    assert "exists already" in page.message.text()
    press(page, "Export under another name")
    qtbot.waitUntil(lambda: not page.job.going and not page.workplace._tasks, timeout=WAIT)
    assert (tmp_path / "out" / "run-1-tiny-2" / "adapter_model.safetensors").is_file()


def test_a_place_that_cannot_be_written_is_told_in_words(qtbot: QtBot, page: ExportPage, tmp_path: Path) -> None:
    finished_run(model_and_adapter())
    page.on_shown()
    (tmp_path / "file").write_text("no folder")
    page.set_folder(tmp_path / "file")
    export(qtbot, page)
    assert "could not be written" in page.message.text()
    assert page.export_button.isEnabled()
    assert (tmp_path / "file").read_text() == "no folder"


@pytest.mark.parametrize("name", ["", "a/b", "..", "a\\b"])
def test_a_name_that_is_no_new_folder_is_refused_before_the_start(page: ExportPage, name: str) -> None:
    finished_run(model_and_adapter())
    page.on_shown()
    page.name.setText(name)
    assert not page.export_button.isEnabled()
    assert not page.start()


@pytest.mark.parametrize(("text", "name"), [("run-1-Qwen/Qwen3 4B", "run-1-Qwen-Qwen3-4B"), ("../..", "adapter")])
def test_a_folders_name_is_made_from_the_names_that_people_gave(text: str, name: str) -> None:
    assert folder_name(text) == name
