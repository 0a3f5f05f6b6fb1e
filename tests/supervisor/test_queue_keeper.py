"""The line as a window keeps it: a second run waits, and starts by itself when the device is free."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from studio.contract import events, job
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder, runs_folder
from studio.data import run_history, run_queue
from studio.data.worker_lock import write_lock
from studio.supervisor import processes
from studio.supervisor.workplace import Workplace
from tests.helpers.recorder import Recorder


def work(name: str) -> job.TrainJob:
    return job.TrainJob(name=name, model="m", model_name="M", dataset="d", dataset_name="D")


@pytest.fixture
def fake_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the worker's place: says hello and one step, and ends when it is told to."""
    script = tmp_path / "fake_worker"
    script.write_text(
        f"#!{sys.executable}\n"
        "import os, sys, time\n"
        f"sys.path.insert(0, {str(Path(processes.__file__).parents[2])!r})\n"
        "from studio.contract import events\n"
        "from studio.data.run_record import append\n"
        "from studio.contract.run_folder import RunFolder\n"
        "from pathlib import Path\n"
        "folder = RunFolder(Path(sys.argv[-1]))\n"
        "def say(event):\n"
        "    sys.stdout.buffer.write(events.encode(event)); sys.stdout.flush()\n"
        "    append(folder, event)\n"
        "say(events.Hello(protocol=events.PROTOCOL, pid=os.getpid(), versions={}))\n"
        "while not folder.commands.exists(): time.sleep(0.02)\n"
        "say(events.Finished(adapter='', reason='discarded', steps=1, seconds=1.0))\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("APPRENTICE_WORKER_PYTHON", str(script))


@pytest.fixture
def workplace(qapp: object, fake_worker: None) -> Iterator[Workplace]:
    made = Workplace()
    made.queue.open()
    yield made
    if made.active is not None:
        made.active.force_stop()
        made.active.wait()
    made.close()
    made.deleteLater()


def running(qtbot: QtBot, workplace: Workplace, name: str) -> None:
    """Waits until the run of this name is the active one and its worker lives."""
    qtbot.waitUntil(
        lambda: (
            workplace.active_job is not None
            and workplace.active_job.name == name
            and workplace.active is not None
            and run_history.living_worker(workplace.active.folder) is not None
        ),
        timeout=20_000,
    )


def test_a_second_run_waits_and_starts_by_itself_in_the_order_that_was_chosen(
    qtbot: QtBot, workplace: Workplace
) -> None:
    queued = Recorder()
    workplace.run_queued.connect(queued.take)
    assert workplace.start_training(work("one")) is not None
    running(qtbot, workplace, "one")
    for name in ("two", "three"):
        assert workplace.start_training(work(name)) is None
    assert queued.seen == [work("two"), work("three")]
    assert workplace.next_run_name() == "run-1"
    workplace.queue.move(workplace.queue.waiting()[1].id, -1)
    assert [one.work.name for one in workplace.queue.waiting()] == ["three", "two"]
    for name in ("three", "two"):
        workplace.stop()
        running(qtbot, workplace, name)
    workplace.stop()
    qtbot.waitUntil(lambda: workplace.active is None, timeout=20_000)
    assert workplace.queue.waiting() == []
    assert len(run_history.list_runs()) == 3


def test_names_in_line_are_taken(workplace: Workplace) -> None:
    run_queue.add(work("run-7"))
    workplace.queue.close()
    assert workplace.next_run_name() == "run-8"


def test_a_run_of_another_window_makes_the_device_busy(qtbot: QtBot, workplace: Workplace) -> None:
    other = RunFolder.create(runs_folder(), "run")
    job.save(work("elsewhere"), other.job)
    write_lock(other, os.getpid())
    assert workplace.start_training(work("mine")) is None
    qtbot.wait(1_500)
    assert workplace.active is None
    assert [one.work.name for one in workplace.queue.waiting()] == ["mine"]
    other.lock.unlink()
    running(qtbot, workplace, "mine")


def test_a_line_of_an_earlier_window_is_begun_by_the_next(qtbot: QtBot, workplace: Workplace) -> None:
    workplace.queue.close()
    run_queue.add(work("left over"))
    workplace.queue.open()
    running(qtbot, workplace, "left over")


def test_a_failed_run_that_is_to_go_on_waits_like_any_other(qtbot: QtBot, workplace: Workplace) -> None:
    failed = RunFolder.create(runs_folder(), "run")
    job.save(work("failed"), failed.job)
    workplace.start_training(work("one"))
    running(qtbot, workplace, "one")
    workplace.resume_run(failed)
    assert [(one.work.name, one.run) for one in workplace.queue.waiting()] == [("failed", failed.id)]
    workplace.stop()
    running(qtbot, workplace, "failed")
    assert workplace.active is not None
    assert workplace.active.folder == failed


def test_a_run_that_another_window_took_up_is_followed_and_not_started_twice(
    qtbot: QtBot, workplace: Workplace
) -> None:
    other = RunFolder.create(runs_folder(), "run")
    job.save(work("elsewhere"), other.job)
    write_lock(other, os.getpid())
    workplace.resume_run(other)
    assert workplace.active is not None
    assert workplace.active.worker() is not None
    assert workplace.queue.waiting() == []
    workplace.active.let_go()
    qtbot.waitUntil(lambda: workplace.active is None, timeout=10_000)
    other.lock.unlink()


def test_a_head_that_cannot_be_begun_is_told_and_the_next_has_its_turn(qtbot: QtBot, workplace: Workplace) -> None:
    told = Recorder()
    workplace.problem_raised.connect(told.take)
    workplace.queue.close()
    run_queue.add(work("gone"), "run-that-is-gone")
    run_queue.add(work("next"))
    workplace.queue.open()
    running(qtbot, workplace, "next")
    assert len(told.seen) == 1


def test_a_line_that_cannot_move_says_so_once(
    qtbot: QtBot, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StudioError("disk.not_writable", "The program's folder cannot be made.")

    told = Recorder()
    workplace.problem_raised.connect(told.take)
    monkeypatch.setattr(RunFolder, "create", refuse)
    run_queue.add(work("one"))
    qtbot.waitUntil(lambda: len(told.seen) == 1, timeout=10_000)
    qtbot.wait(1_500)
    assert len(told.seen) == 1
    assert [one.work.name for one in run_queue.waiting()] == ["one"]


def test_an_interpreter_that_is_missing_lets_go_of_the_device(
    qtbot: QtBot, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPRENTICE_WORKER_PYTHON", str(runs_folder() / "gone"))
    seen = Recorder()
    workplace.run_event.connect(seen.take)
    workplace.start_training(work("one"))
    qtbot.waitUntil(lambda: workplace.active is None, timeout=10_000)
    assert seen.has(events.Failed)
    lock = workplace.queue.claim()
    assert lock is not None
    lock.release()
