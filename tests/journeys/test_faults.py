"""Rare faults in the real worker, as a person sees them: the cause in words, and one button that goes on."""

import time

import pytest
from pytestqt.qtbot import QtBot

from studio.contract import events
from studio.contract.run_folder import RunFolder
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

    def goes_on(self, person: Person) -> None:
        """One click, and the run goes on from what it had saved."""
        assert self.seen.has(events.CheckpointSaved)
        self.qtbot.waitUntil(lambda: self.workplace.active is None, timeout=10_000)
        person.click(GO_ON)
        starts = sum(isinstance(event, events.Started) for event in self.seen.seen)
        more = starts + 1
        self.qtbot.waitUntil(
            lambda: sum(isinstance(event, events.Started) for event in self.seen.seen) == more, timeout=120_000
        )
        assert self.last_start().first_step > 1, "the run began anew"
        self.sees("Learning", 20_000)
        self.workplace.stop(save=False)
        self.qtbot.waitUntil(lambda: self.workplace.active is None, timeout=60_000)


@pytest.mark.timeout(400)
def test_a_lost_graphics_card_is_told_and_the_run_goes_on_by_one_click(
    qtbot: QtBot, window: MainWindow, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "gpu_lost@60")
    watched = Watched(qtbot, window)
    failed = Recorder()
    watched.workplace.run_event.connect(lambda event: failed.take(event) if isinstance(event, events.Failed) else None)
    qtbot.waitUntil(lambda: bool(failed.seen), timeout=200_000)
    watched.sees("The graphics card was lost.")
    watched.sees("as after a suspend, a reset of its driver or too much heat: CUDA error: unspecified launch failure.")
    assert "The graphics card was lost." in window.run_bar.text()
    watched.goes_on(person)


@pytest.mark.timeout(400)
def test_a_worker_that_hangs_is_told_and_can_be_ended_and_gone_on_with(
    qtbot: QtBot, window: MainWindow, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "hung@60")
    monkeypatch.setattr(workplaces, "SILENCE_SECONDS", 3)  # 55 outside of tests: within a minute of the last sign
    watched = Watched(qtbot, window)
    qtbot.waitUntil(lambda: watched.seen.has(events.CheckpointSaved), timeout=120_000)
    watched.sees("The trainer has not answered for about a minute.", 200_000)
    assert "Not answering" in seen_words(window.page("train"))
    monkeypatch.setattr(workplaces, "SILENCE_SECONDS", 55)  # loading the model again may take longer than 3
    ended = time.monotonic()
    person.click("End the trainer")
    watched.sees("The trainer was ended by force.")
    assert time.monotonic() - ended < 5
    watched.goes_on(person)
