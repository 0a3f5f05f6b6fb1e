"""What is killed: the worker, and the window."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.contract import commands, events, job
from studio.contract.control import Going
from studio.contract.fields import build
from studio.contract.presets import load_preset
from studio.contract.run_folder import RunFolder, datasets_folder, runs_folder, sample_folder, starter_folder
from studio.contract.settings import TrainSettings
from studio.data import run_history
from studio.data.importing import import_dataset
from studio.ui.main_window import MainWindow
from tests.helpers.recorder import Recorder
from tests.journeys.conftest import close_window, open_window


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
def test_a_killed_worker_is_told_within_five_seconds_and_the_window_goes_on(qtbot: QtBot, window: MainWindow) -> None:
    workplace = window.workplace
    seen = Recorder()
    workplace.run_event.connect(seen.take)
    folder = workplace.start_training(long_run())
    assert folder is not None
    wait_for_steps(qtbot, seen, 3)
    qtbot.waitUntil(lambda: seen.has(events.CheckpointSaved), timeout=120_000)
    worker = workplace.active.worker()
    assert worker is not None

    killed = time.monotonic()
    worker.send_signal(signal.SIGKILL)
    qtbot.waitUntil(lambda: seen.has(events.Failed), timeout=5_000)
    assert time.monotonic() - killed < 5
    failed = next(event for event in seen.seen if isinstance(event, events.Failed))
    assert "signal 9" in failed.problem.what
    qtbot.waitUntil(lambda: workplace.active is None, timeout=5_000)
    (run,) = run_history.list_runs()
    assert run.can_resume

    for name in ("home", "data", "runs", "train"):
        window.show_page(name)
    workplace.resume_run(folder)
    count = sum(isinstance(event, events.Step) for event in seen.seen)
    wait_for_steps(qtbot, seen, count + 1)
    resumed = [event for event in seen.seen if isinstance(event, events.Started)][-1]
    assert resumed.first_step > 1, "the run began anew instead of going on from its checkpoint"
    workplace.stop(save=False)
    qtbot.waitUntil(lambda: workplace.active is None, timeout=60_000)


WINDOW = """
import sys
from PySide6.QtWidgets import QApplication
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
    try:
        workplace = window.workplace
        seen = Recorder()
        workplace.run_event.connect(seen.take)
        assert workplace.active is not None
        assert workplace.active.folder == folder
        qtbot.waitUntil(lambda: _last_step(seen) > 3, timeout=60_000)
        before = _last_step(seen)
        qtbot.waitUntil(lambda: _last_step(seen) > before, timeout=60_000)
        workplace.pause()
        qtbot.waitUntil(lambda: seen.has(events.Paused), timeout=60_000)
        workplace.resume()
        qtbot.waitUntil(lambda: seen.has(events.Resumed), timeout=60_000)
        workplace.stop(save=True)
        qtbot.waitUntil(lambda: workplace.active is None, timeout=120_000)
        finished = next(event for event in seen.seen if isinstance(event, events.Finished))
        assert finished.reason == "stopped"
        assert Path(finished.adapter, "adapter_model.safetensors").is_file()
    finally:
        commands.append(folder.commands, commands.Stop(save=False))
        close_window(qtbot, window)
    worker.wait(timeout=30)


def _last_step(seen: Recorder) -> int:
    return max((event.step for event in seen.seen if isinstance(event, events.Step)), default=0)
