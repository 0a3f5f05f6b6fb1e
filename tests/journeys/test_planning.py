"""Make it fit, and find a learning speed: with the real worker, by clicks alone, up to a run that has started."""

import pytest
from pytestqt.qtbot import QtBot

from studio.contract import events
from studio.contract.fields import replace_at
from studio.contract.sample import SAMPLE
from studio.data.host_memory import LIMIT
from studio.ui.main_window import MainWindow
from studio.ui.pages.train import TrainPage
from studio.ui.pages.train_before import BeforeRun
from tests.helpers.recorder import Recorder
from tests.journeys.person import Person


def open_train(qtbot: QtBot, window: MainWindow) -> BeforeRun:
    """The sample is imported, the Train page shown."""
    workplace = window.workplace
    qtbot.waitUntil(lambda: workplace.model is not None and workplace.device is not None, timeout=60_000)
    workplace.import_sample()
    qtbot.waitUntil(lambda: workplace.dataset is not None, timeout=120_000)
    window.show_page("train")
    page = window.page("train")
    assert isinstance(page, TrainPage)
    qtbot.waitUntil(lambda: page.before is not None and page.before.isVisible(), timeout=10_000)
    assert page.before is not None
    return page.before


@pytest.mark.timeout(600)
def test_what_does_not_fit_is_measured_made_to_fit_and_trained(
    monkeypatch: pytest.MonkeyPatch, qtbot: QtBot, window: MainWindow, person: Person
) -> None:
    monkeypatch.setenv(LIMIT, "1.2")
    workplace, seen = window.workplace, Recorder()
    workplace.run_event.connect(seen.take)
    before = open_train(qtbot, window)
    settings = before.setup.form.settings()
    assert settings is not None
    settings = replace_at(settings, "gradient_checkpointing", "off")
    before.setup.form.set_settings(replace_at(settings, "batch_size", 256))
    memory = before.setup.memory
    assert "not fit" in memory.words.text()

    # Started as it is, it is refused in words, with the way out.
    person.click("Start training")
    qtbot.waitUntil(lambda: seen.has(events.Failed), timeout=120_000)
    failed = next(event for event in seen.seen if isinstance(event, events.Failed))
    assert failed.problem.code == "memory.cannot_fit"
    assert "at once, and gather" in failed.problem.fix
    qtbot.waitUntil(lambda: workplace.active is None, timeout=60_000)
    page = window.page("train")
    assert isinstance(page, TrainPage)
    page.new_run()
    seen.seen.clear()

    person.click("Make it fit")
    person.click("Change these settings")
    chosen = before.setup.form.settings()
    assert chosen is not None
    assert chosen.batch_size < 256
    assert chosen.batch_size * chosen.accumulation == 256
    person.click("Measure it")
    qtbot.waitUntil(lambda: "Measured with the longest examples." in memory.words.text(), timeout=240_000)
    assert "It fits" in memory.words.text()

    person.click("Start training")
    qtbot.waitUntil(lambda: seen.has(events.Step), timeout=240_000)
    planned = next(event for event in seen.seen if isinstance(event, events.MemoryPlanned))
    assert planned.plan.estimate.high <= 1.2 * 2**30
    person.choose("Stop", window.run_bar.save_action, window.run_bar.save_action.parent())
    qtbot.waitUntil(lambda: seen.has(events.Finished), timeout=240_000)
    finished = next(event for event in seen.seen if isinstance(event, events.Finished))
    assert 0.85 < planned.plan.estimate.total / finished.peak_bytes < 1.15
    qtbot.waitUntil(lambda: "Taken at its peak" in page.view.memory.words.text(), timeout=10_000)
    assert person.keys == 0


@pytest.mark.timeout(600)
def test_a_learning_speed_is_found_and_used_by_two_clicks(qtbot: QtBot, window: MainWindow, person: Person) -> None:
    before = open_train(qtbot, window)
    window.workplace.choose_dataset(next(info for info in window.workplace.datasets() if info.id == SAMPLE))
    person.clicks = 0
    person.click("Find a learning speed")
    qtbot.waitUntil(lambda: before.setup.advice.progress.maximum() > 0, timeout=120_000)
    qtbot.waitUntil(before.setup.advice.found.isVisible, timeout=300_000)
    assert "The loss fell fastest around" in before.setup.advice.found_words.text()
    person.click("as learning speed")
    settings = before.setup.form.settings()
    assert settings is not None
    assert 3e-4 < settings.learning_rate < 2e-2
    assert (person.clicks, person.keys) == (2, 0)
    assert window.workplace.runs() == []  # nothing was trained
