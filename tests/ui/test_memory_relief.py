"""The memory ran out: what is proposed, in words with costs, and what one click or the autopilot does."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox
from pytestqt.qtbot import QtBot

from studio.contract import events, job
from studio.contract.errors import Problem, StudioError
from studio.contract.presets import load_preset
from studio.contract.run_folder import RunFolder, starter_folder
from studio.data.run_history import read_events, summarise
from studio.data.run_settings import change_settings
from studio.supervisor.workplace import Workplace
from studio.ui.autopilot import Autopilot
from studio.ui.pages.runs import RunsPage
from studio.ui.pages.train import TrainPage
from studio.ui.preferences import Preferences
from tests.ui import run_stream
from tests.ui.attached_run import AttachedRun
from tests.ui.seen import seen_words

RAN_OUT = Problem(code="memory.gpu", what="The graphics card's memory ran out.", why="Too much.", fix="Choose less.")


def failed_run(number: int = 1, saved: bool = True, problem: Problem = RAN_OUT) -> RunFolder:
    """A run on the starter whose memory ran out after its checkpoint."""
    stream = [*list(run_stream.run())[:80], events.Failed(at=3000.0, problem=problem)]
    folder = run_stream.write_run(f"run-{number}", stream, seed=number)
    work = job.load(folder.job)
    assert isinstance(work, job.TrainJob)
    settings = msgspec.structs.replace(load_preset("quick").settings(), batch_size=8, accumulation=1)
    job.save(msgspec.structs.replace(work, model=str(starter_folder()), settings=settings), folder.job)
    if saved:
        (folder.checkpoints / "step-000000050").mkdir(parents=True)
        (folder.checkpoints / "step-000000050" / "manifest.json").touch()
    return folder


def job_of(folder: RunFolder) -> job.TrainJob:
    work = job.load(folder.job)
    assert isinstance(work, job.TrainJob)
    return work


@pytest.fixture
def runs(workplace: Workplace, qtbot: QtBot) -> Iterator[RunsPage]:
    failed_run()
    made = RunsPage(workplace)
    made.resize(1100, 760)
    made.show()
    made.on_shown()
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def resumed(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> list[RunFolder]:
    found: list[RunFolder] = []
    monkeypatch.setattr(workplace, "resume_run", found.append)
    return found


def test_the_proposals_say_what_they_save_and_cost_and_one_click_makes_them_and_goes_on(
    runs: RunsPage, resumed: list[RunFolder], qtbot: QtBot
) -> None:
    card = runs.detail.relief
    assert card.isVisible()
    words = seen_words(card)
    first = card.findChildren(QCheckBox)[0]
    assert re.match(r"Read \d instead of 8 examples at once, and gather \d times – saves about ", first.text())
    assert first.isChecked()
    assert "each correction is made of as many examples as before, so the result stays the same" in words
    folder = RunFolder(runs.list.selected()[0].folder)
    assert card.go_on.text() == "Change this and go on from the last checkpoint"
    qtbot.mouseClick(card.go_on, Qt.MouseButton.LeftButton)
    assert resumed == [folder]
    settings = job_of(folder).settings
    assert settings.batch_size * settings.accumulation == 8
    assert settings.batch_size < 8
    noted = [event for event in read_events(folder) if isinstance(event, events.Notice)][-1]
    assert noted.problem.what.startswith("Settings were changed on the way: Read ")


def test_what_is_not_ticked_is_not_changed(runs: RunsPage, resumed: list[RunFolder], qtbot: QtBot) -> None:
    card = runs.detail.relief
    folder = RunFolder(runs.list.selected()[0].folder)
    for box in card.boxes:
        box.setChecked(card.boxes[box].kind == "checkpointing")
    card.go_on.click()
    settings = job_of(folder).settings
    assert (settings.batch_size, settings.gradient_checkpointing) == (8, "on")
    for box in card.boxes:
        box.setChecked(False)
    assert not card.go_on.isEnabled()


def test_it_can_go_on_as_it_was(runs: RunsPage, resumed: list[RunFolder]) -> None:
    folder = RunFolder(runs.list.selected()[0].folder)
    before = job_of(folder)
    runs.detail.relief.unchanged.click()
    assert resumed == [folder]
    assert job_of(folder) == before


def test_another_failure_proposes_nothing(runs: RunsPage) -> None:
    other = failed_run(2, problem=run_stream.PROBLEM)
    runs.show_run(other)
    assert not runs.detail.relief.isVisible()
    assert runs.detail.message.isVisible()


def test_the_train_page_proposes_as_soon_as_the_memory_ran_out(workplace: Workplace, qtbot: QtBot) -> None:
    page = TrainPage(workplace)
    page.resize(1100, 760)
    page.show()
    with AttachedRun() as run:
        job.save(msgspec.structs.replace(run.work, model=str(starter_folder())), run.folder.job)
        workplace.open()
        run.start()
        run.step(3)
        qtbot.waitUntil(lambda: page.feed.progress.step is not None, timeout=10_000)
        assert not page.header.relief.isVisible()
        run.say(events.Failed(problem=RAN_OUT))
    qtbot.waitUntil(page.header.relief.isVisible, timeout=5_000)
    assert page.header.message.text().startswith("The graphics card's memory ran out.")
    assert page.header.relief.go_on.text() == "Change this and start it again"
    qtbot.waitUntil(lambda: workplace.active is None, timeout=5_000)
    page.new_run()
    page.close()
    page.deleteLater()


@pytest.mark.parametrize("answer", ["ask", "go_on"])
def test_it_goes_on_by_itself_only_where_that_was_asked_for(
    workplace: Workplace, resumed: list[RunFolder], qtbot: QtBot, answer: str
) -> None:
    preferences = Preferences()
    preferences.when_memory_ends = answer  # type: ignore[assignment]
    pilot = Autopilot(workplace, preferences)
    folder = failed_run()
    with qtbot.waitSignal(workplace.told, raising=False, timeout=1_500 if answer == "ask" else 10_000) as told:
        workplace.run_ended.emit(folder)
    assert resumed == ([folder] if answer == "go_on" else [])
    assert (job_of(folder).settings.batch_size < 8) is (answer == "go_on")
    assert bool(told.args) is (answer == "go_on")
    pilot.deleteLater()


def test_a_run_that_was_told_to_stop_does_not_go_on_by_itself(
    workplace: Workplace, resumed: list[RunFolder], qtbot: QtBot
) -> None:
    preferences = Preferences()
    preferences.when_memory_ends = "go_on"
    pilot = Autopilot(workplace, preferences)
    folder = failed_run()
    workplace.run_event.emit(events.Stopping(save=True))
    workplace.run_ended.emit(folder)
    assert not pilot._later.isActive()
    workplace.run_started.emit(folder)  # the next one is another matter
    with qtbot.waitSignal(workplace.told, timeout=10_000):
        workplace.run_ended.emit(folder)
    assert resumed == [folder]
    pilot.deleteLater()


def test_a_run_that_ended_well_is_left_alone(workplace: Workplace, resumed: list[RunFolder], qtbot: QtBot) -> None:
    preferences = Preferences()
    preferences.when_memory_ends = "go_on"
    pilot = Autopilot(workplace, preferences)
    workplace.run_ended.emit(run_stream.write_run("run-9", list(run_stream.run()), seed=9))
    qtbot.waitUntil(lambda: not pilot._later.isActive())
    assert resumed == []
    pilot.deleteLater()


def test_a_change_that_the_checkpoint_does_not_bear_is_refused(own_home: Path) -> None:
    folder = failed_run()
    with pytest.raises(StudioError, match="cannot go on with these settings"):
        change_settings(folder, {"seed": 5}, "Another seed.")
    fresh = failed_run(2, saved=False)
    assert change_settings(fresh, {"seed": 5}, "Another seed.").settings.seed == 5
    summary = summarise(fresh)
    assert summary is not None
    assert summary.failed is not None, "a note is no end"
