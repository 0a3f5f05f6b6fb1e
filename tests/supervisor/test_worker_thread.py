"""The thread that owns a worker. A fake worker (a script in its place) replays what is rare."""

import os
import stat
import sys
import time
from pathlib import Path

import psutil
import pytest
from pytestqt.qtbot import QtBot

from studio.contract import commands, events, job
from studio.contract.run_folder import RunFolder
from studio.data import run_history
from studio.data.run_history import summarise
from studio.data.worker_lock import write_lock
from studio.supervisor import processes
from studio.supervisor.worker_thread import TrainerThread
from tests.helpers.recorder import Recorder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "run")


@pytest.fixture
def fake_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a script in the worker's place: it gets `folder`, `say(event)` and the real command file."""

    def put(body: str) -> None:
        script = tmp_path / "fake_worker"
        script.write_text(
            f"#!{sys.executable}\n"
            "import os, sys, time\n"
            f"sys.path.insert(0, {str(Path(processes.__file__).parents[2])!r})\n"
            "from studio.contract import events\n"
            "from studio.contract.errors import Problem\n"
            "folder = sys.argv[-1]\n"
            "def say(event):\n"
            "    sys.stdout.buffer.write(events.encode(event)); sys.stdout.flush()\n"
            "say(events.Hello(protocol=events.PROTOCOL, pid=os.getpid(), versions={}))\n" + body
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("APPRENTICE_WORKER_PYTHON", str(script))

    return put


def watch(thread: TrainerThread) -> Recorder:
    recorder = Recorder()
    thread.event_received.connect(recorder.take)
    return recorder


def wait_for_end(qtbot: QtBot, thread: TrainerThread, recorder: Recorder) -> list[object]:
    qtbot.waitUntil(thread.isFinished, timeout=20_000)
    qtbot.waitUntil(lambda: any(isinstance(event, events.FINAL) for event in recorder.seen), timeout=5_000)
    return recorder.seen


def run_to_end(qtbot: QtBot, thread: TrainerThread) -> list[object]:
    recorder = watch(thread)
    thread.start()
    return wait_for_end(qtbot, thread, recorder)


WORK = job.TrainJob(name="run-1", model="m", model_name="M", dataset="d", dataset_name="D")


def test_a_real_worker_s_events_arrive_in_order_and_end_with_one_final_event(qtbot: QtBot, folder: RunFolder) -> None:
    seen = run_to_end(qtbot, TrainerThread(folder, job.DeviceJob()))
    assert isinstance(seen[0], events.Hello)
    assert isinstance(seen[-1], events.DeviceReport)
    assert sum(isinstance(event, events.FINAL) for event in seen) == 1


def test_a_killed_worker_becomes_a_failure_in_words(qtbot: QtBot, folder: RunFolder, fake_worker) -> None:
    fake_worker("print('CUDA error: the last words', file=sys.stderr)\nsys.stderr.flush()\nos.kill(os.getpid(), 9)\n")
    *_, last = run_to_end(qtbot, TrainerThread(folder, WORK))
    assert isinstance(last, events.Failed)
    assert last.problem.code == "worker.died"
    assert "signal 9" in last.problem.what
    assert last.problem.why.startswith("Another program or a person ended it. Memory was not the reason: ")
    assert "the last words" in last.problem.details
    assert last in run_history.read_events(folder)  # known after the next start, too


def test_what_an_earlier_worker_wrote_into_the_log_is_no_cause(qtbot: QtBot, folder: RunFolder, fake_worker) -> None:
    fake_worker("print('std::bad_alloc', file=sys.stderr)\nsys.stderr.flush()\nos.abort()\n")
    *_, first = run_to_end(qtbot, TrainerThread(folder, WORK))
    fake_worker("os.abort()\n")
    *_, second = run_to_end(qtbot, TrainerThread(folder, WORK))
    assert isinstance(first, events.Failed)
    assert isinstance(second, events.Failed)
    assert (first.problem.code, second.problem.code) == ("memory.host", "worker.died")
    assert "signal 6" in second.problem.what


def test_a_card_that_takes_the_worker_with_it_is_lost(qtbot: QtBot, folder: RunFolder, fake_worker) -> None:
    fake_worker("print('CUDA error: device lost', file=sys.stderr)\nsys.stderr.flush()\nos.abort()\n")
    *_, last = run_to_end(qtbot, TrainerThread(folder, WORK))
    assert isinstance(last, events.Failed)
    assert last.problem.code == "gpu.lost"


def own_group() -> Path | None:
    """A control group for memory that this user may make (root's, in a container); None elsewhere."""
    for top, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(top, f"apprentice-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / limit).exists():
            (group / limit).write_text(str(160 << 20), encoding="ascii")
            return group
        group.rmdir()
    return None


def test_a_worker_that_the_system_ends_for_want_of_memory_is_told_so(
    qtbot: QtBot, folder: RunFolder, fake_worker
) -> None:
    group = own_group()
    if group is None:
        pytest.skip("needs a control group of its own")
    fake_worker(
        f"open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
        "say(events.Progress(stage='inside')); time.sleep(1.2)\n"
        "held = []\n"
        "while True: held.append(bytearray(os.urandom(1 << 20)))\n"
    )
    began = time.monotonic()
    *_, last = run_to_end(qtbot, TrainerThread(folder, WORK))
    group.rmdir()
    assert isinstance(last, events.Failed)
    assert last.problem.code == "memory.host_killed"
    assert last.problem.what == "The computer's memory ran out, and the system ended the trainer."
    assert time.monotonic() - began < 20


def test_a_worker_that_ends_without_a_word_is_a_failure(qtbot: QtBot, folder: RunFolder, fake_worker) -> None:
    fake_worker("sys.exit(3)\n")
    *_, last = run_to_end(qtbot, TrainerThread(folder, WORK))
    assert isinstance(last, events.Failed)
    assert "Exit code 3" in last.problem.why


def test_a_worker_of_another_protocol_is_refused_with_a_fix(qtbot: QtBot, folder: RunFolder, fake_worker) -> None:
    fake_worker("say(events.Hello(protocol=99, pid=os.getpid(), versions={}))\ntime.sleep(60)\n")
    seen = run_to_end(qtbot, TrainerThread(folder, WORK))
    final = [event for event in seen if isinstance(event, events.FINAL)]
    assert len(final) == 1
    assert isinstance(final[0], events.Failed)
    assert final[0].problem.code == "worker.other_protocol"


def test_an_unreadable_line_is_told_and_passed_over(qtbot: QtBot, folder: RunFolder, fake_worker) -> None:
    fake_worker(
        "sys.stdout.buffer.write(b'no json\\n'); sys.stdout.flush()\n"
        "say(events.Finished(adapter='', reason='discarded', steps=1, seconds=1.0))\n"
    )
    seen = run_to_end(qtbot, TrainerThread(folder, WORK))
    assert [type(event) for event in seen[1:]] == [events.Notice, events.Finished]


def test_an_interpreter_that_is_missing_is_a_failure_in_words(
    qtbot: QtBot, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPRENTICE_WORKER_PYTHON", str(folder.path / "gone"))
    (last,) = run_to_end(qtbot, TrainerThread(folder, WORK))
    assert isinstance(last, events.Failed)
    assert last.problem.code == "worker.cannot_start"


def test_forcing_ends_the_whole_process_tree(qtbot: QtBot, folder: RunFolder, fake_worker) -> None:
    fake_worker(
        "import subprocess\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "say(events.Progress(stage='child', done=child.pid))\n"
        "time.sleep(300)\n"
    )
    thread = TrainerThread(folder, WORK)
    recorder = watch(thread)
    thread.start()
    qtbot.waitUntil(lambda: recorder.has(events.Progress), timeout=20_000)
    child = next(event.done for event in recorder.seen if isinstance(event, events.Progress))
    thread.force_stop()
    *_, last = wait_for_end(qtbot, thread, recorder)
    assert last.problem.code == "worker.forced"
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert isinstance(last, events.Failed)


def test_a_service_that_was_told_to_end_is_no_failure(qtbot: QtBot, folder: RunFolder, fake_worker) -> None:
    fake_worker(
        "say(events.Ready())\n"
        "path = os.path.join(folder, 'commands.jsonl')\n"
        "while not os.path.exists(path): time.sleep(0.02)\n"
    )
    thread = TrainerThread(folder, WORK)
    recorder = watch(thread)
    thread.start()
    qtbot.waitUntil(lambda: recorder.has(events.Ready), timeout=20_000)
    thread.close()
    assert thread.isFinished()
    qtbot.wait(0)
    assert not recorder.has(events.Failed)


def test_a_window_lets_go_and_another_takes_the_run_up_again(qtbot: QtBot, folder: RunFolder, fake_worker) -> None:
    """The worker goes on alone; the second thread replays its file, follows it and can stop it."""
    fake_worker(
        "file = open(os.path.join(folder, 'events.jsonl'), 'ab', buffering=0)\n"
        "def both(event):\n"
        "    file.write(events.encode(event))\n"
        "    try: say(event)\n"
        "    except OSError: pass\n"
        "both(events.Progress(stage='one'))\n"
        "path = os.path.join(folder, 'commands.jsonl')\n"
        "while not os.path.exists(path): time.sleep(0.02)\n"
        "both(events.Finished(adapter='', reason='stopped', steps=5, seconds=1.0))\n"
    )
    first = TrainerThread(folder, WORK)
    recorder = watch(first)
    first.start()
    qtbot.waitUntil(lambda: recorder.has(events.Progress), timeout=20_000)
    first.let_go()
    qtbot.waitUntil(first.isFinished)
    assert not recorder.has(events.Finished)
    assert not recorder.has(events.Failed)
    summary = summarise(folder)
    assert summary is not None
    assert summary.state == "running"

    second = TrainerThread(folder, attach=True)
    again = watch(second)
    second.start()
    qtbot.waitUntil(lambda: again.has(events.Progress), timeout=20_000)
    second.send(commands.Stop())
    seen = wait_for_end(qtbot, second, again)
    assert [type(event) for event in seen] == [events.Progress, events.Finished]
    worker = first._process
    assert worker is not None
    worker.wait(timeout=10)


def test_a_followed_worker_that_dies_is_a_failure(qtbot: QtBot, folder: RunFolder) -> None:
    job.save(WORK, folder.job)
    folder.lock.write_bytes(b'{"pid": 1, "started": 5.0}')
    folder.events.write_bytes(events.encode(events.Progress(stage="one")))
    seen = run_to_end(qtbot, TrainerThread(folder, attach=True))
    assert [type(event) for event in seen] == [events.Progress, events.Failed]


def test_a_followed_worker_that_stands_still_falls_silent_whatever_the_clock_says(
    qtbot: QtBot, folder: RunFolder
) -> None:
    """The clock was set back by an hour: the last heartbeat seems to lie in the future."""
    job.save(WORK, folder.job)
    write_lock(folder, os.getpid())
    os.utime(folder.lock, (time.time() + 3600, time.time() + 3600))
    thread = TrainerThread(folder, attach=True)
    recorder = watch(thread)
    folder.events.write_bytes(events.encode(events.Progress(stage="one")))
    thread.start()
    qtbot.waitUntil(lambda: recorder.has(events.Progress), timeout=20_000)
    thread._last_sign -= 50
    qtbot.wait(300)
    assert thread.silent_seconds > 50
    os.utime(folder.lock)
    qtbot.waitUntil(lambda: thread.silent_seconds < 5, timeout=5_000)
    thread.let_go()
    qtbot.waitUntil(thread.isFinished)


def test_a_run_whose_worker_is_gone_is_interrupted_and_can_be_resumed(folder: RunFolder) -> None:
    job.save(WORK, folder.job)
    summary = summarise(folder)
    assert summary is not None
    assert summary.state == "interrupted"
    assert summary.can_resume


def test_commands_of_an_earlier_worker_do_not_reach_the_next(qtbot: QtBot, folder: RunFolder, fake_worker) -> None:
    commands.append(folder.commands, commands.Stop())
    fake_worker(
        "left = os.path.exists(os.path.join(folder, 'commands.jsonl'))\n"
        "say(events.Finished(adapter='', reason='stopped' if left else 'done', steps=0, seconds=0.0))\n"
    )
    *_, last = run_to_end(qtbot, TrainerThread(folder, WORK))
    assert isinstance(last, events.Finished)
    assert last.reason == "done"


def test_workers_start_offline_and_without_a_shell(folder: RunFolder) -> None:
    environment = processes.worker_environment()
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert processes.worker_command(folder)[-1] == os.fspath(folder.path)
