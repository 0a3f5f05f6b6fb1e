"""Runs that wait: one line for all windows, never lost, never begun twice."""

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from studio.contract import events, job
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder, runs_folder
from studio.data import run_queue
from studio.data.file_lock import FileLock
from studio.data.worker_lock import write_lock
from tests.helpers.shared_data import PROJECT


def work(name: str) -> job.TrainJob:
    return job.TrainJob(name=name, model="m", model_name="M", dataset="d", dataset_name="D")


def names() -> list[str]:
    return [one.work.name for one in run_queue.waiting()]


def take() -> tuple[RunFolder, job.TrainJob] | None:
    lock = run_queue.start_lock()
    assert lock.take()
    try:
        return run_queue.take_first()
    finally:
        lock.release()


def test_the_order_can_be_changed_and_runs_can_be_taken_out() -> None:
    one, two, three = (run_queue.add(work(name)) for name in ("one", "two", "three"))
    assert names() == ["one", "two", "three"]
    run_queue.move(three.id, -1)
    assert names() == ["one", "three", "two"]
    run_queue.move(one.id, -1)  # it is the head already
    run_queue.move(two.id, 1)  # and this the last
    assert names() == ["one", "three", "two"]
    run_queue.move(one.id, 1)
    run_queue.remove(two.id)
    run_queue.remove("gone")
    assert names() == ["three", "one"]


def aside() -> list[bytes]:
    return [path.read_bytes() for path in run_queue.queue_file().parent.glob("queue.json.*.aside")]


@pytest.mark.parametrize("damage", ["cut", "empty", "no list", "middle"])
def test_a_damaged_line_is_told_once_put_aside_and_what_can_be_read_still_waits(damage: str) -> None:
    for name in ("one", "two", "three"):
        run_queue.add(work(name))
    whole = run_queue.queue_file().read_bytes()
    broken, left = {
        "cut": (whole[: whole.index(b'"three"')], ["one", "two"]),
        "empty": (b"", []),
        "no list": (b'{"waiting": 7}', []),
        "middle": (whole.replace(b'"two"', b'"tw\xff'), ["one", "three"]),
    }[damage]
    run_queue.queue_file().write_bytes(broken)
    assert names() == left
    problem = run_queue.mend()
    assert problem is not None
    assert problem.code == "queue.damaged"
    assert problem.why.endswith(f"still wait: {len(left)}.")
    assert aside() == [broken]
    assert run_queue.mend() is None
    assert names() == left


def test_putting_a_run_in_a_damaged_line_loses_nothing() -> None:
    run_queue.add(work("one"))
    broken = run_queue.queue_file().read_bytes()[:-9]
    run_queue.queue_file().write_bytes(broken)
    run_queue.add(work("two"))
    assert names()[-1] == "two"
    assert aside() == [broken]


def test_runs_of_another_version_stay_in_line_and_are_told() -> None:
    run_queue.add(work("one"))
    table = msgspec.json.decode(run_queue.queue_file().read_bytes())
    table["waiting"].append({"id": "x", "work": {"kind": "train", "name": "new", "version": 99}})
    run_queue.queue_file().write_bytes(msgspec.json.encode(table))
    assert names() == ["one"]
    run_queue.add(work("two"))
    assert take() is not None
    assert names() == ["two"]
    assert msgspec.json.decode(run_queue.queue_file().read_bytes())["waiting"][-1]["id"] == "x"
    problem = run_queue.unread()
    assert problem is not None
    assert "new" in problem.what
    assert (run_queue.mend(), aside()) == (None, [])


def test_the_head_gets_a_folder_and_leaves_the_line() -> None:
    run_queue.add(work("one"))
    run_queue.add(work("two"))
    taken = take()
    assert taken is not None
    folder, found = taken
    assert found.name == "one"
    assert job.load(folder.job) == found
    assert names() == ["two"]


def test_whoever_is_killed_while_the_head_is_taken_leaves_it_in_line_with_its_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_queue.add(work("one"))
    real, written = run_queue._write, [0]

    def die_at_the_second(line: list[run_queue.Waiting]) -> None:
        written[0] += 1
        if written[0] == 2:
            raise KeyboardInterrupt
        real(line)

    with monkeypatch.context() as patched:
        patched.setattr(run_queue, "_write", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            take()
    assert names() == ["one"]
    assert len(list(runs_folder().iterdir())) == 1
    again = take()
    assert again is not None
    assert [path.name for path in runs_folder().iterdir()] == [again[0].id]
    assert names() == []


def test_a_run_that_goes_on_already_is_not_begun_a_second_time() -> None:
    folder = RunFolder.create(runs_folder(), "run")
    job.save(work("one"), folder.job)
    run_queue.add(work("one"), folder.id)
    assert run_queue.add(work("one"), folder.id).run == folder.id
    assert len(run_queue.waiting()) == 1
    write_lock(folder, os.getpid())
    assert [one.id for one in run_queue.working_runs()] == [folder.id]
    assert take() is None
    assert names() == []


def test_a_run_that_was_deleted_meanwhile_is_told_and_leaves_the_line() -> None:
    run_queue.add(work("one"), "run-that-is-gone")
    run_queue.add(work("two"))
    with pytest.raises(StudioError):
        take()
    assert names() == ["two"]


def test_a_run_goes_on_with_the_settings_that_its_folder_has_by_then() -> None:
    folder = RunFolder.create(runs_folder(), "run")
    job.save(work("later"), folder.job)
    run_queue.add(work("earlier"), folder.id)
    taken = take()
    assert taken is not None
    assert taken[1].name == "later"


@pytest.mark.parametrize("content", [b"", b"no json", b'{"waiting": 5}', b'{"waiting": [{"id": "a"}, 7]}', b"\xff\xfe"])
def test_a_damaged_line_is_an_empty_one_and_can_be_used_again(content: bytes) -> None:
    run_queue.queue_file().write_bytes(content)
    assert run_queue.waiting() == []
    run_queue.add(work("one"))
    assert names() == ["one"]


def test_what_cannot_be_read_of_a_line_costs_nothing_else() -> None:
    run_queue.add(work("one"))
    table = msgspec.json.decode(run_queue.queue_file().read_bytes())
    table["waiting"].insert(0, {"id": "x", "work": {"kind": "train", "from_the_future": True}})
    run_queue.queue_file().write_bytes(msgspec.json.encode(table))
    assert names() == ["one"]


def test_while_another_process_holds_the_lock_the_line_is_not_changed(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import sys\n"
        "from studio.data import run_queue\n"
        "lock = run_queue.start_lock()\n"
        "print(lock.take(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    monkeypatch.setattr(run_queue, "WAIT_SECONDS", 0.1)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with pytest.raises(StudioError, match="could not be changed"):
            run_queue.add(work("one"))
        assert not run_queue.start_lock().take()
        other.kill()  # the system lets go of what it held
        other.wait()
    run_queue.add(work("one"))
    assert names() == ["one"]


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.take()
    began = time.monotonic()
    assert not second.take(0.1)
    assert time.monotonic() - began >= 0.05
    first.release()
    first.release()
    assert second.take()
    second.release()


STARTER = """
import sys, time
from studio.data import run_queue
from studio.data.worker_lock import write_lock
print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + 20
while run_queue.waiting() and time.monotonic() < end:
    lock = run_queue.start_lock()
    if not lock.take():
        continue
    try:
        taken = run_queue.take_first()
    finally:
        lock.release()
    if taken is not None:
        print(taken[1].name, flush=True)
"""


def test_two_windows_never_begin_the_same_run(own_home: Path) -> None:
    for number in range(40):
        run_queue.add(work(f"run-{number}"))
    command = [sys.executable, "-c", STARTER]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT, text=True) as one,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT, text=True) as two,
    ):
        for window in (one, two):
            assert window.stdout is not None
            assert window.stdout.readline() == "ready\n"
        for window in (one, two):
            assert window.stdin is not None
            window.stdin.write("go\n")
            window.stdin.flush()
        begun = [line.strip() for window in (one, two) for line in window.stdout or ()]
    assert sorted(begun) == sorted(f"run-{number}" for number in range(40))
    assert len(list(runs_folder().iterdir())) == 40


def test_a_run_that_ended_meanwhile_is_not_begun_again_and_the_next_has_its_turn() -> None:
    folder = RunFolder.create(runs_folder(), "run")
    job.save(work("ended"), folder.job)
    run_queue.add(work("ended"), folder.id)
    run_queue.add(work("next"))
    folder.events.write_bytes(events.encode(events.Finished(reason="done", adapter="", steps=3, seconds=1.0, at=1.0)))
    with pytest.raises(StudioError) as caught:
        take()
    assert caught.value.problem.code == "queue.ended"
    assert "ended" in caught.value.problem.what
    assert names() == ["next"]
    taken = take()
    assert taken is not None
    assert taken[1].name == "next"


@pytest.mark.parametrize("was_stopped", [True, False])
def test_a_run_that_was_stopped_or_cut_off_is_gone_on_with(was_stopped: bool) -> None:
    folder = RunFolder.create(runs_folder(), "run")
    job.save(work("stopped"), folder.job)
    if was_stopped:
        folder.events.write_bytes(
            events.encode(events.Finished(reason="stopped", adapter="", steps=3, seconds=1.0, at=1.0))
        )
    run_queue.add(work("stopped"), folder.id)
    taken = take()
    assert taken is not None
    assert taken[0].path == folder.path
