"""A failure stays in sight when the next run in line starts by itself, until someone deals with it."""

import shutil
from collections.abc import Iterator

import msgspec
import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from studio.contract import events, job
from studio.contract.errors import GO_ON, Problem
from studio.contract.run_folder import RunFolder
from studio.supervisor.workplace import Workplace
from studio.ui.main_window import MainWindow
from studio.ui.pages.train import TrainPage
from studio.ui.run_bar import RunBar
from tests.ui import run_stream
from tests.ui.attached_run import AttachedRun


@pytest.fixture
def page(qtbot: QtBot, workplace: Workplace) -> Iterator[TrainPage]:
    made = TrainPage(workplace)
    made.resize(950, 620)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close()
    made.deleteLater()


def start(workplace: Workplace, name: str, seed: int) -> RunFolder:
    """A run of the line begins."""
    folder = run_stream.write_run(name, [], seed=seed)
    folder.events.unlink()
    work = job.load(folder.job)
    assert isinstance(work, job.TrainJob)
    workplace.active_job = work
    workplace.run_started.emit(folder)
    return folder


def fail(workplace: Workplace, name: str, seed: int, code: str = "worker.died") -> RunFolder:
    """A run of the line begins and fails."""
    folder = start(workplace, name, seed)
    problem = msgspec.structs.replace(run_stream.PROBLEM, code=code, details=name)
    for event in [*list(run_stream.run())[:40], events.Failed(at=3000.0, problem=problem)]:
        workplace.run_event.emit(event)
    workplace.active_job = None
    workplace.run_ended.emit(folder)
    return folder


def save(folder: RunFolder) -> None:
    checkpoint = folder.checkpoints / "step-30"
    checkpoint.mkdir(parents=True)
    (checkpoint / "manifest.json").write_text("{}")


def buttons(page: TrainPage) -> dict[str, QPushButton]:
    return {one.text(): one for one in page.earlier.findChildren(QPushButton) if one.isVisible()}


def test_a_failure_is_told_in_full_and_only_once_while_its_run_is_shown(page: TrainPage, workplace: Workplace) -> None:
    fail(workplace, "night-1", 1)
    assert page.header.message.isVisible()
    assert not page.earlier.isVisible()


def test_the_next_run_of_the_line_leaves_the_failure_before_it_in_sight(
    page: TrainPage, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = fail(workplace, "night-1", 1)
    save(failed)
    start(workplace, "night-2", 2)
    assert page.header.state.text() == "Starting the trainer…"
    assert page.earlier.text() == "night-1 failed: The trainer was killed (signal 9).\nMemory ran out."
    assert list(buttons(page)) == ["Go on from the last checkpoint", "Show it"]
    resumed: list[RunFolder] = []
    monkeypatch.setattr(workplace, "resume_run", resumed.append)
    buttons(page)["Go on from the last checkpoint"].click()
    assert resumed == [failed]
    assert not page.earlier.isVisible()


def test_what_saved_nothing_is_started_again(page: TrainPage, workplace: Workplace) -> None:
    fail(workplace, "night-1", 1)
    start(workplace, "night-2", 2)
    assert list(buttons(page)) == ["Start it again", "Show it"]


def test_a_failure_for_want_of_memory_leads_to_what_would_need_less(
    page: TrainPage, workplace: Workplace, qtbot: QtBot
) -> None:
    failed = fail(workplace, "night-1", 1, code="memory.host")
    start(workplace, "night-2", 2)
    with qtbot.waitSignal(page.run_wanted) as wanted:
        buttons(page)["What would need less memory"].click()
    assert wanted.args == [failed]


def test_of_several_failures_the_newest_is_told_and_the_others_are_counted(
    page: TrainPage, workplace: Workplace
) -> None:
    for number in (1, 2, 3):
        fail(workplace, f"night-{number}", number)
    start(workplace, "night-4", 4)
    assert page.earlier.text().startswith("night-3 failed: ")
    assert page.earlier.text().endswith("2 more failed: they are on Runs.")
    assert page.escape()
    assert not page.earlier.isVisible()
    assert workplace.failed_runs.newest_first() == []


def test_the_run_bar_tells_of_them_on_every_page(qtbot: QtBot, workplace: Workplace) -> None:
    bar = RunBar(workplace)
    qtbot.addWidget(bar)
    bar.show()
    fail(workplace, "night-1", 1)
    assert bar.text().count("night-1") == 1  # its own line says it
    start(workplace, "night-2", 2)
    assert bar.text().endswith("night-1 failed")
    fail(workplace, "night-2", 2)
    start(workplace, "night-3", 3)
    assert bar.text().endswith("2 runs failed")
    with qtbot.waitSignal(bar.opened):
        bar._failed.click()
    workplace.failed_runs.drop(*[one.folder for one in workplace.failed_runs.newest_first()])
    assert "failed" not in bar.text()


def test_a_run_that_is_gone_or_goes_on_again_is_no_failure_any_more(workplace: Workplace) -> None:
    gone, again = fail(workplace, "night-1", 1), fail(workplace, "night-2", 2)
    shutil.rmtree(gone.path)
    workplace.runs_changed.emit()
    assert [one.folder for one in workplace.failed_runs.newest_first()] == [again]
    workplace.run_started.emit(again)
    assert workplace.failed_runs.newest_first() == []


def test_whoever_sets_up_the_next_run_sees_the_failure_there(page: TrainPage, workplace: Workplace) -> None:
    start(workplace, "night-1", 1)
    page.new_run()
    assert page.stack.currentWidget() is not page.live
    workplace.run_event.emit(events.Failed(problem=Problem(code="gpu.lost", what="The graphics card was lost.")))
    assert page.earlier.text() == "night-1 failed: The graphics card was lost."


def test_a_new_run_is_set_up_without_the_failure_that_was_just_seen(page: TrainPage, workplace: Workplace) -> None:
    fail(workplace, "night-1", 1)
    page.new_run()
    assert not page.earlier.isVisible()


def test_showing_the_run_on_runs_deals_with_it(window: MainWindow, workplace: Workplace) -> None:
    failed = fail(workplace, "night-1", 1)
    window.show_run(failed)
    assert window.current_page == "runs"
    assert workplace.failed_runs.newest_first() == []


def test_what_the_window_told_on_another_page_is_not_told_twice_on_train(
    window: MainWindow, workplace: Workplace, qtbot: QtBot
) -> None:
    with AttachedRun("night-1") as run:
        workplace._follow(run.folder, run.work, attach=True)
        run.start()
        problem = Problem(code="gpu.lost", what="The graphics card was lost.", fix=GO_ON)
        run.say(events.Failed(problem=problem))
        qtbot.waitUntil(window.message.isVisible)
        assert window.message.text() == "The graphics card was lost.\nNothing was saved yet: start it again."
        qtbot.waitUntil(lambda: workplace.active is None)
    window.show_page("train")
    assert not window.message.isVisible()
