"""The Train page while a run goes on, and at its end."""

import time

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from studio.contract import events, job
from studio.contract.errors import GO_ON, Problem
from studio.contract.run_folder import RunFolder, make_folder
from studio.contract.taking_up import NONE_WHOLE
from studio.data.starting_over import ASIDE
from studio.supervisor.workplace import Workplace
from studio.ui.pages.train import TrainPage
from tests.ui import run_stream
from tests.ui.attached_run import AttachedRun
from tests.ui.test_train_page import Follow
from tests.ui.test_train_page import follow as follow
from tests.ui.test_train_page import page as page


def test_preparation_names_its_stage_with_a_determinate_bar(page: TrainPage, follow: Follow) -> None:
    assert page.stack.currentWidget() is page.live
    assert page.header.state.text() == "Starting the trainer…"
    assert page.header.bar.maximum() == 0
    follow.tell(*run_stream.preparation()[:2])
    page.feed.changed.emit()
    assert page.header.state.text() == "Reading the examples: 120 / 300"
    assert (page.header.bar.value(), page.header.bar.maximum()) == (400, 1000)
    assert page.header.what.text() == "run-12: Starter learns Sample"


def test_a_running_run_shows_step_pass_time_and_notes(page: TrainPage, follow: Follow, qtbot: QtBot) -> None:
    page.view.load_plot()
    follow.tell(*list(run_stream.run())[:60])
    qtbot.waitUntil(lambda: "step 4" in page.header.figures.text() or "step 5" in page.header.figures.text())
    assert page.header.state.text() == "Learning"
    assert "about 10 s left" in page.header.figures.text()
    assert page.view.note_list.texts() == ["Still improving on unseen examples."]
    assert page.view.answers.answer.text() == "Marta Quill keeps them."
    assert page.view.report.sentences[0] == (
        True,
        "300 examples to learn from, 58 held back; 75 of 400 general ones are mixed into each pass",
    )
    qtbot.waitUntil(lambda: page.view.plot is not None and page.view.plot.main.drawn_points > 20)
    follow.tell(run_stream.finished())


def test_before_a_few_steps_no_time_is_made_up(page: TrainPage, follow: Follow) -> None:
    follow.tell(*run_stream.preparation(), run_stream.step(1, 3.0))
    page.feed.changed.emit()
    assert "left: after a few steps" in page.header.figures.text()


def test_the_end_says_what_was_learned_and_compare_is_first(
    page: TrainPage, follow: Follow, workplace: Workplace, qtbot: QtBot
) -> None:
    follow.tell(*run_stream.run())
    follow.end()
    assert page.verdict.isVisible()
    assert page.verdict.text().splitlines()[:2] == [
        "Answers 55 of 58 new questions right, word for word; before: 0.",
        "Still answers 174 of 180 that it could before.",
    ]
    compare = page.verdict.compare
    assert compare.property("role") == "primary"
    assert page.visibleRegion().contains(compare.mapTo(page, compare.rect().center()))
    with qtbot.waitSignal(workplace.chat_requested) as wanted:
        qtbot.mouseClick(compare, Qt.MouseButton.LeftButton)
    assert wanted.args == [follow.folder]
    assert page.verdict.isVisible()  # still there when one comes back
    with qtbot.waitSignal(page.page_wanted) as asked:
        qtbot.mouseClick(page.verdict.export, Qt.MouseButton.LeftButton)
    assert (asked.args, workplace.export_run) == (["export"], follow.folder)
    qtbot.mouseClick(page.verdict.new_run, Qt.MouseButton.LeftButton)
    assert page.stack.currentWidget() is not page.live


def ways_out(page: TrainPage) -> list[QPushButton]:
    """The buttons of the message that can be seen."""
    return [one for one in page.header.message.findChildren(QPushButton) if one.isVisible() and one.text() != "Details"]


@pytest.mark.parametrize("saved", [True, False])
def test_a_failure_shows_what_why_and_the_way_on(
    page: TrainPage, follow: Follow, workplace: Workplace, monkeypatch: pytest.MonkeyPatch, saved: bool
) -> None:
    told = list(run_stream.run())
    told = told[:80] if saved else told[:40]
    problem = msgspec.structs.replace(run_stream.PROBLEM, fix=GO_ON)
    assert any(isinstance(event, events.CheckpointSaved) for event in told) is saved
    follow.tell(*told, events.Failed(at=3000.0, problem=problem))
    follow.end()
    assert page.header.state.text() == "Failed"
    fix = GO_ON if saved else "Nothing was saved yet: start it again."
    assert page.header.message.text() == f"The trainer was killed (signal 9).\nMemory ran out.\n{fix}"
    resumed: list[RunFolder] = []
    monkeypatch.setattr(workplace, "resume_run", resumed.append)
    assert [one.text() for one in ways_out(page)] == [
        "Go on from the last checkpoint" if saved else "Start it again",
        "New run",
    ]
    ways_out(page)[0].click()
    assert resumed == [follow.folder]


def test_a_run_without_a_whole_checkpoint_starts_over_only_by_a_click_that_says_so(
    page: TrainPage, follow: Follow, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Problem(code=NONE_WHOLE, what="No whole checkpoint is left: starting over loses 60 steps.")
    follow.tell(*list(run_stream.run())[:80], events.Failed(at=3000.0, problem=lost))
    follow.end()
    saved = make_folder(follow.folder.checkpoints) / "step-000000060"
    saved.mkdir()
    resumed: list[RunFolder] = []
    monkeypatch.setattr(workplace, "resume_run", resumed.append)
    assert [one.text() for one in ways_out(page)] == ["Start it again", "New run"]
    ways_out(page)[0].click()
    assert resumed == [follow.folder]
    assert not follow.folder.checkpoints.exists()
    assert (follow.folder.path / ASIDE / saved.name).is_dir()


def test_a_pause_by_itself_says_why_and_offers_resume(
    page: TrainPage, follow: Follow, workplace: Workplace, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    follow.tell(*list(run_stream.run())[:40], events.Paused(at=2500.0, step=30, problem=run_stream.PROBLEM))
    assert page.header.state.text().startswith("Paused at step")
    assert "The trainer was killed" in page.header.message.text()
    assert [one.text() for one in ways_out(page)] == ["Resume", "Stop and save"]
    follow.tell(events.Resumed(at=2501.0, step=30))
    assert not page.header.message.isVisible()
    assert page.header.state.text() == "Learning"


def test_stopping_counts_up_and_offers_force_after_fifteen_seconds(
    page: TrainPage, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow.tell(*list(run_stream.run())[:40], events.Stopping(at=2500.0, save=True))
    assert page.header.state.text().startswith("Stopping: finishing this step and saving…")
    assert not page.header.message.isVisible()
    now = time.monotonic()
    monkeypatch.setattr("studio.ui.widgets.run_header.time.monotonic", lambda: now + 16)
    page.header._second.timeout.emit()
    assert page.header.message.text().startswith("Stopping takes long.")
    follow.tell(run_stream.finished())


def test_silence_is_told_with_a_way_to_end_it(page: TrainPage, follow: Follow, workplace: Workplace) -> None:
    follow.tell(*list(run_stream.run())[:40])
    workplace.run_silent.emit(61)
    assert page.header.state.text() == "Not answering"
    assert "End the trainer" in [button.text() for button in page.header.message.findChildren(type(page.empty.action))]
    follow.tell(run_stream.step(60, 1.0))
    assert page.header.state.text() == "Learning"
    assert not page.header.message.isVisible()


def test_risky_but_allowed_is_shown_until_it_is_closed(page: TrainPage, follow: Follow) -> None:
    follow.tell(*run_stream.preparation(), events.Notice(at=1001.0, problem=run_stream.PROBLEM))
    page.feed.changed.emit()
    assert page.header.notices.isVisible()
    page.header.notices.dismiss()
    follow.tell(run_stream.step(1, 1.0))
    page.feed.changed.emit()
    assert not page.header.notices.isVisible()


def test_a_page_made_in_mid_run_knows_what_came_before(workplace: Workplace, qtbot: QtBot) -> None:
    with AttachedRun("run-3") as run:
        run.start()
        for number in range(1, 31):
            run.step(number)
        workplace._follow(run.folder, run.work, attach=True)
        qtbot.waitUntil(lambda: workplace.active is not None)
        page = TrainPage(workplace)
        page.show()
        qtbot.waitUntil(lambda: page.feed.curves.last_step == 30 and not page.feed.replaying)
        run.step(31)
        qtbot.waitUntil(lambda: page.feed.curves.last_step == 31)
        assert page.feed.curves.series["loss"].steps.tolist() == list(range(1, 32))
        assert page.feed.progress.state == "running"
        run.finish(adapter="x")
        qtbot.waitUntil(lambda: page.verdict.isVisible())
        qtbot.waitUntil(lambda: workplace.active is None)
        page.close()
        page.deleteLater()


def test_a_resumed_run_is_preparing_until_its_new_worker_says_more(page: TrainPage, workplace: Workplace) -> None:
    folder = run_stream.write_run("run-4", list(run_stream.run())[:40], seed=4)
    loaded = job.load(folder.job)
    assert isinstance(loaded, job.TrainJob)
    workplace.active_job = loaded
    workplace.run_started.emit(folder)
    while page.feed.replaying:
        page.feed._replay_slice()
    assert page.header.state.text() == "Starting the trainer…"
    assert page.feed.curves.last_step > 20
    workplace.run_event.emit(run_stream.started(first_step=11, at=5000.0))
    assert page.feed.curves.last_step == 10
    assert page.header.state.text() == "Learning"


def test_an_import_that_a_run_waits_for_is_shown_as_its_preparation(page: TrainPage, workplace: Workplace) -> None:
    workplace._after_import = run_stream.summary_of(run_stream.write_run("run-1", [])).job
    page.on_shown()
    assert page.stack.currentWidget() is page.live
    workplace.import_progressed.emit(events.Progress(stage="Reading the rows", done=5, total=10, unit="rows"))
    assert page.header.state.text() == "Reading the rows: 5 / 10"
    workplace._after_import = None
    workplace.import_ended.emit(events.Failed(problem=run_stream.PROBLEM))
    assert page.stack.currentWidget() is page.empty
