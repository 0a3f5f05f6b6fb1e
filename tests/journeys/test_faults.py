"""Rare faults in the real worker, as a person sees them: the cause in words, and one button that goes on."""

from collections.abc import Callable, Iterator

import pytest
from pytestqt.qtbot import QtBot

from studio.contract import events, job
from studio.contract.run_folder import RunFolder
from studio.contract.settings import TrainSettings
from studio.data import run_history
from studio.supervisor import workplace as workplaces
from studio.ui.main_window import MainWindow
from studio.worker.fault_hook import VARIABLE
from tests.helpers.recorder import Recorder
from tests.journeys.person import Person
from tests.journeys.test_deaths import long_run
from tests.ui.seen import seen_words

GO_ON = "Go on from the last checkpoint"


class Watched:
    """A long run that is being watched on the Train page."""

    def __init__(self, qtbot: QtBot, window: MainWindow) -> None:
        self.qtbot, self.window, self.workplace = qtbot, window, window.workplace
        self.seen = Recorder()
        self.workplace.run_event.connect(self.seen.take)
        window.show_page("train")
        self.folder: RunFolder | None = self.workplace.start_training(long_run())
        assert self.folder is not None

    def sees(self, words: str, within_ms: int = 5_000) -> None:
        self.qtbot.waitUntil(lambda: words in seen_words(self.window.page("train")), timeout=within_ms)

    def last_start(self) -> events.Started:
        return [event for event in self.seen.seen if isinstance(event, events.Started)][-1]

    def goes_on(self, person: Person, button: str = GO_ON) -> None:
        """One click, and the run goes on from what it had saved."""
        assert self.seen.has(events.CheckpointSaved)
        self.qtbot.waitUntil(lambda: self.workplace.active is None, timeout=10_000)
        starts = sum(isinstance(event, events.Started) for event in self.seen.seen)
        person.click(button)
        more = starts + 1
        self.qtbot.waitUntil(
            lambda: sum(isinstance(event, events.Started) for event in self.seen.seen) == more, timeout=120_000
        )
        assert self.last_start().first_step > 1, "the run began anew"
        self.sees("Learning", 20_000)
        self.workplace.stop(save=False)
        self.qtbot.waitUntil(lambda: self.workplace.active is None, timeout=60_000)


Watch = Callable[[], Watched]


@pytest.fixture
def watch(qtbot: QtBot, window: MainWindow) -> Iterator[Watch]:
    """Starts a run when it is called; ends it with the test, however that ends."""
    yield lambda: Watched(qtbot, window)
    workplace = window.workplace
    if workplace.active is not None:
        workplace.active.force_stop()
        qtbot.waitUntil(lambda: workplace.active is None, timeout=30_000)


@pytest.mark.timeout(400)
def test_a_lost_graphics_card_is_told_and_the_run_goes_on_by_one_click(
    qtbot: QtBot, window: MainWindow, person: Person, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "gpu_lost@40")
    watched = watch()
    failed = Recorder()
    watched.workplace.run_event.connect(lambda event: failed.take(event) if isinstance(event, events.Failed) else None)
    qtbot.waitUntil(lambda: bool(failed.seen), timeout=200_000)
    watched.sees("The graphics card was lost.")
    watched.sees("as after a suspend, a reset of its driver or too much heat: CUDA error: unspecified launch failure.")
    assert "The graphics card was lost." in window.run_bar.text()
    watched.goes_on(person)


@pytest.mark.timeout(400)
def test_a_run_whose_memory_ran_out_goes_on_by_one_click_with_settings_that_need_less(
    qtbot: QtBot, window: MainWindow, person: Person, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "gpu_memory@40")
    watched = watch()
    assert watched.folder is not None
    before = settings_of(watched.folder)
    qtbot.waitUntil(lambda: watched.seen.has(events.Failed), timeout=200_000)
    watched.sees("The graphics card's memory ran out.")
    watched.sees("What would need less memory")
    watched.goes_on(person, "Change this and go on from the last checkpoint")
    after = settings_of(watched.folder)
    assert after != before
    assert after.batch_size * after.accumulation == before.batch_size * before.accumulation
    assert "Settings were changed on the way" in " ".join(
        event.problem.what for event in run_history.read_events(watched.folder) if isinstance(event, events.Notice)
    )


@pytest.mark.timeout(400)
def test_a_run_whose_memory_ran_out_goes_on_by_itself_where_that_was_chosen(
    qtbot: QtBot, window: MainWindow, person: Person, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "host_memory@40")
    window.show_page("settings")
    person.click("When memory runs out during a run: Change what is needed and go on by itself")
    assert window.preferences.when_memory_ends == "go_on"
    watched = watch()
    assert watched.folder is not None
    before = settings_of(watched.folder)
    qtbot.waitUntil(lambda: sum(isinstance(e, events.Started) for e in watched.seen.seen) == 2, timeout=300_000)
    assert watched.seen.has(events.Failed)
    assert watched.last_start().first_step > 1
    assert settings_of(watched.folder) != before
    watched.sees("Learning", 20_000)
    watched.workplace.stop(save=False)
    qtbot.waitUntil(lambda: watched.workplace.active is None, timeout=60_000)


def settings_of(folder: RunFolder) -> TrainSettings:
    work = job.load(folder.job)
    assert isinstance(work, job.TrainJob)
    return work.settings


@pytest.mark.timeout(400)
def test_a_worker_that_hangs_is_told_and_can_be_ended_and_gone_on_with(
    qtbot: QtBot, window: MainWindow, person: Person, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "hung@40")
    monkeypatch.setattr(workplaces, "SILENCE_SECONDS", 3)  # 55 outside of tests: within a minute of the last sign
    watched = watch()
    qtbot.waitUntil(lambda: watched.seen.has(events.CheckpointSaved), timeout=120_000)
    watched.sees("The trainer has not answered for about a minute.", 200_000)
    assert "Not answering" in seen_words(window.page("train"))
    monkeypatch.setattr(workplaces, "SILENCE_SECONDS", 55)  # loading the model again may take longer than 3
    person.click("End the trainer")
    watched.sees("The trainer was ended by force.")
    watched.goes_on(person)
