"""The run bar tells what the run told, and its buttons reach the run."""

from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from studio.contract import commands, events
from studio.contract.errors import Problem
from studio.supervisor.workplace import Workplace
from studio.ui import run_bar as run_bar_module
from studio.ui.run_bar import RunBar
from tests.ui.attached_run import AttachedRun


@pytest.fixture
def bar(qtbot: QtBot, workplace: Workplace) -> RunBar:
    made = RunBar(workplace)
    qtbot.addWidget(made)
    made.resize(1100, 32)
    made.show()
    return made


def _take_up(workplace: Workplace, run: AttachedRun) -> None:
    workplace._follow(run.folder, run.work, attach=True)


def test_without_a_run_it_says_so_and_offers_nothing(bar: RunBar) -> None:
    assert bar.text() == "No run is going on."
    assert not bar._pause.isVisible()
    assert not bar._stop.isVisible()
    assert not bar._force.isVisible()


def test_a_running_run_shows_name_share_time_loss_and_memory(bar: RunBar, workplace: Workplace, qtbot: QtBot) -> None:
    with AttachedRun("run-12") as run:
        _take_up(workplace, run)
        run.start()
        run.step(41, loss=1.21)
        qtbot.waitUntil(lambda: "41 %" in bar.text())
        assert bar.state == "running"
        for words in ("run-12", "41 %", "about 3 min left", "Loss 1.21", "3.0 GB"):
            assert words in bar.text()
        run.finish()
        qtbot.waitUntil(lambda: bar.state == "done")
        assert "Done after 41 steps." in bar.text()
        assert not bar._stop.isVisible()
        qtbot.waitUntil(lambda: workplace.active is None)


def test_preparation_names_its_stage(bar: RunBar, workplace: Workplace, qtbot: QtBot) -> None:
    with AttachedRun() as run:
        _take_up(workplace, run)
        run.say(events.Progress(stage="Loading the model", done=2, total=4))
        qtbot.waitUntil(lambda: "Loading the model 2/4" in bar.text())
        assert bar.state == "preparing"
        assert not bar._pause.isVisible()
        assert bar._stop.isVisible()


def test_pause_and_resume_reach_the_run(bar: RunBar, workplace: Workplace, qtbot: QtBot) -> None:
    with AttachedRun() as run:
        _take_up(workplace, run)
        run.start()
        run.step(10)
        qtbot.waitUntil(lambda: bar.state == "running")
        bar._pause.click()
        assert bar.state == "pausing"
        assert "Finishing this step" in bar.text()
        assert not bar._pause.isEnabled()
        assert run.commands() == [commands.Pause()]
        run.say(events.Pausing(), events.Paused(step=11))
        run.step(11)
        qtbot.waitUntil(lambda: bar.state == "paused")
        assert bar._pause.text() == "Resume"
        bar._pause.click()
        assert run.commands()[-1] == commands.Resume()
        run.say(events.Resumed(step=11))
        qtbot.waitUntil(lambda: bar.state == "running")


def test_a_run_that_pauses_by_itself_says_why(bar: RunBar, workplace: Workplace, qtbot: QtBot) -> None:
    with AttachedRun() as run:
        _take_up(workplace, run)
        run.start()
        run.step(5)
        run.say(events.Paused(step=5, problem=Problem(code="train.loss", what="The loss is no number any more.")))
        qtbot.waitUntil(lambda: bar.state == "paused")
        assert "The loss is no number any more." in bar.text()


@pytest.mark.parametrize("save", [True, False])
def test_stopping_offers_to_save_or_to_discard(bar: RunBar, workplace: Workplace, qtbot: QtBot, save: bool) -> None:
    with AttachedRun() as run:
        _take_up(workplace, run)
        run.start()
        run.step(10)
        qtbot.waitUntil(lambda: bar.state == "running")
        (bar.save_action if save else bar.discard_action).trigger()
        assert run.commands() == [commands.Stop(save=save)]
        assert bar.state == "stopping"
        assert not bar._stop.isEnabled()
        run.finish("stopped" if save else "discarded")
        qtbot.waitUntil(lambda: bar.state == ("stopped" if save else "discarded"))


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ({"reason": "early"}, "Done after 10 steps: the loss on unseen examples had stopped getting better."),
        ({"reason": "time"}, "Done after 10 steps: its time was up."),
        ({"reason": "stopped", "adapter": "adapter"}, "Stopped and saved at step 10."),
        ({"reason": "stopped", "steps": 0}, "The run was stopped before its first step, so nothing was learned."),
        (
            {"reason": "stopped", "adapter": "adapter", "steps": 7, "went_back": True},
            "What came after step 7 was thrown away; the run is as it was saved at step 7.",
        ),
        ({"reason": "discarded"}, "Thrown away; nothing was kept."),
    ],
)
def test_the_bar_says_how_a_run_ended(
    end: dict[str, Any], words: str, bar: RunBar, workplace: Workplace, qtbot: QtBot
) -> None:
    with AttachedRun() as run:
        _take_up(workplace, run)
        run.start()
        run.step(10)
        run.finish(**end)
        qtbot.waitUntil(lambda: words in bar.text())


def test_force_is_offered_late_and_only_used_when_pressed(
    bar: RunBar, workplace: Workplace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_bar_module, "FORCE_AFTER_SECONDS", 1)
    with AttachedRun() as run:
        _take_up(workplace, run)
        run.start()
        run.step(10)
        qtbot.waitUntil(lambda: bar.state == "running")
        bar.stop(save=True)
        assert not bar._force.isVisible()
        qtbot.waitUntil(lambda: bar._force.isVisible(), timeout=5000)
        assert run._process.poll() is None
        bar._force.click()
        qtbot.waitUntil(lambda: bar.state == "failed", timeout=10_000)
        assert "ended by force" in bar.text()


def test_a_silent_worker_is_told_and_can_be_ended(bar: RunBar, workplace: Workplace, qtbot: QtBot) -> None:
    with AttachedRun() as run:
        _take_up(workplace, run)
        run.start()
        run.step(10)
        qtbot.waitUntil(lambda: bar.state == "running")
        workplace.run_silent.emit(75)
        assert "has not answered for 1 min 15 s" in bar.text()
        assert bar._force.isVisible()
        run.step(11)
        qtbot.waitUntil(lambda: not bar._force.isVisible())
        assert "not answered" not in bar.text()


def test_a_killed_worker_is_told(bar: RunBar, workplace: Workplace, qtbot: QtBot) -> None:
    with AttachedRun() as run:
        _take_up(workplace, run)
        run.start()
        run.step(10)
        qtbot.waitUntil(lambda: bar.state == "running")
        run.die()
        qtbot.waitUntil(lambda: bar.state == "failed", timeout=5000)
        assert "trainer" in bar.text()


def test_a_hundred_steps_at_once_are_drawn_a_few_times(bar: RunBar, workplace: Workplace, qtbot: QtBot) -> None:
    drawn = []
    original = bar._show_figures
    bar._redraw.timeout.connect(lambda: drawn.append(1))
    with AttachedRun() as run:
        _take_up(workplace, run)
        run.start()
        for number in range(1, 101):
            run.step(number)
        qtbot.waitUntil(lambda: "100 %" in bar.text())
        assert original is not None
        assert len(drawn) < 20
