"""Runs that failed, spare checkpoints, and which adapter is used, on the Runs page."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from studio.contract import events
from studio.contract.errors import Problem
from studio.contract.run_folder import MARKER, RunFolder, make_folder
from studio.contract.taking_up import NONE_WHOLE
from studio.data import run_history, run_record, run_room
from studio.supervisor.workplace import Workplace
from studio.ui.pages.runs import RunsPage
from tests.ui import run_stream
from tests.ui.test_runs_page import page as page
from tests.ui.test_runs_page import three as three


def checkpoint_of(folder: RunFolder, size: int) -> None:
    make_folder(folder.checkpoints)
    step = make_folder(folder.checkpoints / "step-000000050")
    (step / "adapter.safetensors").write_bytes(bytes(size))


def test_a_failed_run_says_why_and_goes_on_from_its_last_checkpoint(
    page: RunsPage, three: list[RunFolder], workplace: Workplace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = three[1].checkpoints / "step-000000050"
    saved.mkdir(parents=True)
    (saved / "manifest.json").touch()
    page.show_run(three[1])
    message = page.detail.message
    assert message.text() == "The trainer was killed (signal 9).\nMemory ran out.\nResume it."
    assert not page.detail.said.isVisible()
    resumed: list[RunFolder] = []
    monkeypatch.setattr(workplace, "resume_run", resumed.append)
    words = "Go on from the last checkpoint"
    go_on = next(one for one in message.findChildren(QPushButton) if one.text() == words)
    with qtbot.waitSignal(page.page_wanted) as asked:
        qtbot.mouseClick(go_on, Qt.MouseButton.LeftButton)
    assert (asked.args, resumed) == (["train"], [three[1]])
    page.show_run(three[0])
    assert not message.isVisible()


def test_a_failed_run_without_a_whole_checkpoint_starts_over_by_a_click(
    page: RunsPage, three: list[RunFolder], workplace: Workplace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint_of(three[1], 100)
    lost = Problem(code=NONE_WHOLE, what="No whole checkpoint is left: starting over loses 50 steps.")
    run_record.append(three[1], events.Failed(problem=lost))
    page.refill()
    page.show_run(three[1])
    resumed: list[RunFolder] = []
    monkeypatch.setattr(workplace, "resume_run", resumed.append)
    buttons = [one for one in page.detail.message.findChildren(QPushButton) if one.text() == "Start it again"]
    again = buttons[-1]  # those of the run that was shown before are not yet gone
    with qtbot.waitSignal(page.page_wanted):
        qtbot.mouseClick(again, Qt.MouseButton.LeftButton)
    assert resumed == [three[1]]
    assert not three[1].checkpoints.exists()


def test_cleaning_up_says_what_it_frees_and_leaves_what_can_be_resumed(
    page: RunsPage, three: list[RunFolder], qtbot: QtBot
) -> None:
    for folder in three:
        checkpoint_of(folder, 3_000_000)
    page.on_shown()
    qtbot.waitUntil(lambda: page.room.words.text() == "3 runs, 9.1 MB on the disk")
    assert page.room.clean.text() == "Clean up: frees 3.0 MB…"
    assert page.room.question().endswith("\n\nrun-1: 3.0 MB")
    page.clean_up()
    assert [folder.checkpoints.is_dir() for folder in three] == [False, True, True]
    assert three[0].adapter.is_dir()
    qtbot.waitUntil(lambda: page.room.clean.isHidden())


def test_cleaning_up_follows_no_link_and_touches_no_folder_of_others(three: list[RunFolder], tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x" * 1000)
    three[0].checkpoints.symlink_to(mine)
    summaries = run_history.list_runs()
    assert run_room.spare(summaries) == []
    three[0].checkpoints.unlink()
    three[0].checkpoints.mkdir()  # without our marker
    (three[0].checkpoints / "thesis.txt").write_text("x" * 1000)
    assert run_room.clean(run_room.spare(summaries)) == 0
    assert (three[0].checkpoints / "thesis.txt").is_file()


def test_a_run_that_was_best_before_its_end_lets_its_best_adapter_be_used_and_the_last_again(
    page: RunsPage, three: list[RunFolder], qtbot: QtBot
) -> None:
    run = three[0]
    page.show_run(run)
    assert not page.detail.adapter.isVisible()
    run_stream.give_best(run, 25)
    page.refill()
    assert page.detail.adapter.text() == "Use step 25"
    assert "better on unseen examples at step 25: that adapter is kept, too" in page.detail.said.text()
    qtbot.mouseClick(page.detail.adapter, Qt.MouseButton.LeftButton)
    assert "adapter-best" in (run.adapter / "adapter_config.json").read_text()
    assert page.detail.adapter.text() == "Use step 100"
    assert "Used is the adapter of step 25" in page.detail.said.text()
    qtbot.mouseClick(page.detail.adapter, Qt.MouseButton.LeftButton)
    assert "adapter-best" not in (run.adapter / "adapter_config.json").read_text()
    assert page.detail.adapter.text() == "Use step 25"
    (run.path / "adapter-best" / MARKER).unlink()
    qtbot.mouseClick(page.detail.adapter, Qt.MouseButton.LeftButton)
    assert "has but one adapter" in page.message.text()
