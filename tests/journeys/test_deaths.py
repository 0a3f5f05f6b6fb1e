"""What is killed: the worker, and the window."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PySide6.QtWidgets import QAbstractButton, QApplication
from pytestqt.qtbot import QtBot

from studio.contract import commands, events, job
from studio.contract.control import Going
from studio.contract.fields import build
from studio.contract.presets import load_preset
from studio.contract.run_folder import RunFolder, datasets_folder, runs_folder, sample_folder, starter_folder
from studio.contract.settings import TrainSettings
from studio.data import run_history
from studio.data.importing import import_dataset
from studio.supervisor import memory_witness
from studio.ui.main_window import MainWindow
from studio.ui.pages import PAGES
from tests.helpers.recorder import Recorder
from tests.journeys.conftest import close_window, open_window
from tests.journeys.person import Person
from tests.ui.seen import seen_words


def long_run() -> job.TrainJob:
    """The sample with far more steps than the test waits for."""
    folder = datasets_folder() / "sample"
    import_dataset(
        job.ImportJob(source=str(sample_folder() / "sample.jsonl"), destination=str(folder), name="Sample"),
        lambda event: None,
        Going(),
    )
    values = {"max_steps": 100_000, "evaluations": 0, "held_back_share": 0.0, "save_every_minutes": 0.02}
    return job.TrainJob(
        name="long",
        model=str(starter_folder()),
        model_name="Starter",
        dataset=str(folder),
        dataset_name="Sample",
        settings=build(TrainSettings, values, load_preset("sample").settings()),
    )


def wait_for_steps(qtbot: QtBot, seen: Recorder, count: int) -> None:
    qtbot.waitUntil(lambda: sum(isinstance(e, events.Step) for e in seen.seen) >= count, timeout=120_000)


@pytest.mark.timeout(400)
def test_a_killed_worker_is_told_within_five_seconds_and_the_window_goes_on(
    qtbot: QtBot, window: MainWindow, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another test, run beside this one, may have the system end a process for want of memory in these seconds.
    monkeypatch.setattr(memory_witness, "_count", lambda path: None)
    workplace = window.workplace
    seen, imports = Recorder(), Recorder()
    workplace.run_event.connect(seen.take)
    workplace.import_ended.connect(imports.take)
    window.show_page("train")
    page = window.page("train")
    folder = workplace.start_training(long_run())
    assert folder is not None
    wait_for_steps(qtbot, seen, 3)
    qtbot.waitUntil(lambda: seen.has(events.CheckpointSaved), timeout=120_000)
    qtbot.waitUntil(lambda: "Learning" in seen_words(page), timeout=10_000)
    worker = workplace.active.worker()
    assert worker is not None

    killed = time.monotonic()
    worker.send_signal(signal.SIGKILL)
    # What a person sees within five seconds: cause and way out on the page, the cause in the run bar.
    qtbot.waitUntil(lambda: "The trainer was killed (signal 9)." in seen_words(page), timeout=5_000)
    qtbot.waitUntil(lambda: "The trainer was killed (signal 9)." in window.run_bar.text(), timeout=5_000)
    assert time.monotonic() - killed < 5
    words = seen_words(page)
    assert "Failed" in words
    assert "Another program or a person ended it. Memory was not the reason: " in words
    assert "What was saved is kept: go on from the last checkpoint." in words
    assert window.run_bar.state == "failed"
    assert person.find_button("Go on from the last checkpoint") is not None
    assert person.find_button("Stop the run") is None
    qtbot.waitUntil(lambda: workplace.active is None, timeout=5_000)
    (run,) = run_history.list_runs()
    assert run.can_resume
    assert run.failed is not None, "after the next start nobody would know why"
    assert run.failed.problem.code == "worker.died"

    # The window goes on working: every page opens, other data is imported, and the run is taken up by its button.
    for name in PAGES:
        window.show_page(name)
        assert window.current_page == name
    other = tmp_path / "other.csv"
    other.write_text("question,answer\n" + "".join(f"What is {n}?,It is {n}.\n" for n in range(30)))
    person.drop(str(other))
    qtbot.waitUntil(lambda: len(imports.seen) == 1, timeout=60_000)
    assert "30 rows" in seen_words(window.page("data"))
    window.show_page("train")
    count = sum(isinstance(event, events.Step) for event in seen.seen)
    person.click("Go on from the last checkpoint")
    wait_for_steps(qtbot, seen, count + 1)
    qtbot.waitUntil(lambda: "Learning" in seen_words(page), timeout=10_000)
    assert "killed" not in seen_words(page)
    resumed = [event for event in seen.seen if isinstance(event, events.Started)][-1]
    assert resumed.first_step > 1, "the run began anew instead of going on from its checkpoint"
    workplace.stop(save=False)
    qtbot.waitUntil(lambda: workplace.active is None, timeout=60_000)


WINDOW = """
import sys
from PySide6.QtWidgets import QAbstractButton, QApplication
from studio.contract import events, job
from studio.contract.run_folder import RunFolder
from studio.supervisor.workplace import Workplace
from studio.ui import theme
from studio.ui.main_window import MainWindow
from pathlib import Path

application = QApplication([])
theme.apply(application, "light", 100)
workplace = Workplace()
window = MainWindow(workplace)
window.show()
work = job.load(Path(sys.argv[1]))
steps = 0
def count(event):
    global steps
    if isinstance(event, events.Step):
        steps += 1
        if steps == 3:
            print("three steps", flush=True)
workplace.run_event.connect(count)
workplace.start_training(work)
application.exec()
"""


@pytest.mark.timeout(400)
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is meant")
def test_a_killed_window_leaves_the_run_going_and_the_next_start_takes_it_up(
    qtbot: QtBot, qapp: QApplication, own_home: Path, tmp_path: Path
) -> None:
    job.save(long_run(), tmp_path / "job.json")
    script = tmp_path / "window.py"
    script.write_text(WINDOW)
    root = str(Path(job.__file__).parents[2])
    first = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "job.json")],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PYTHONPATH=root),
    )
    assert first.stdout is not None
    with first, first.stdout:
        assert first.stdout.readline().strip() == "three steps"
        first.send_signal(signal.SIGKILL)
    (path,) = runs_folder().iterdir()
    folder = RunFolder(path)
    worker = run_history.living_worker(folder)
    assert worker is not None, "the run died with its window"

    window = open_window(qtbot, qapp)
    opened = time.monotonic()
    try:
        workplace = window.workplace
        seen = Recorder()
        workplace.run_event.connect(seen.take)
        assert workplace.active is not None
        assert workplace.active.folder == folder
        # Seen without a click: the run bar of the first page bears the run, with what it can do.
        qtbot.waitUntil(lambda: "Loss" in window.run_bar.text(), timeout=60_000)
        assert time.monotonic() - opened < 5, "the run is to be taken up within five seconds"
        assert window.current_page == "home"
        assert window.run_bar.text().startswith("long · ")
        assert window.run_bar.can_pause
        assert "Watch the run that is going on" in [button.text() for button in window.findChildren(QAbstractButton)]
        qtbot.waitUntil(lambda: _last_step(seen) > 3, timeout=60_000)
        before = _last_step(seen)
        qtbot.waitUntil(lambda: _last_step(seen) > before, timeout=60_000)
        workplace.pause()
        qtbot.waitUntil(lambda: seen.has(events.Paused), timeout=60_000)
        assert "Paused at step" in window.run_bar.text()
        workplace.resume()
        qtbot.waitUntil(lambda: seen.has(events.Resumed), timeout=60_000)
        workplace.stop(save=True)
        qtbot.waitUntil(lambda: workplace.active is None, timeout=120_000)
        finished = next(event for event in seen.seen if isinstance(event, events.Finished))
        assert finished.reason == "stopped"
        assert "Stopped and saved at step" in window.run_bar.text()
        assert Path(finished.adapter, "adapter_model.safetensors").is_file()
    finally:
        commands.append(folder.commands, commands.Stop(save=False))
        close_window(qtbot, window)
    worker.wait(timeout=30)


def _last_step(seen: Recorder) -> int:
    return max((event.step for event in seen.seen if isinstance(event, events.Step)), default=0)
