"""What the worker says, and how it hears."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from studio.contract import commands, events, job
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder
from studio.data.run_history import living_worker, read_events
from studio.data.worker_lock import Lock
from studio.worker import failures, wire
from studio.worker.commands import CommandReader


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "job")


def read_lines(folder: RunFolder) -> list[events.AnyEvent]:
    return [events.decode(line) for line in folder.iter_lines()]


def test_an_event_goes_to_the_pipe_and_to_the_file(folder: RunFolder) -> None:
    reading, writing = os.pipe()
    with wire.Wire(folder, writing) as line:
        line.emit(events.Progress(stage="Loading the model", done=1, total=4))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        live = [events.decode(one) for one in pipe]
    assert live == read_lines(folder)
    assert isinstance(live[0], events.Progress)
    assert live[0].at > 0


def test_a_window_that_is_gone_does_not_end_the_run(folder: RunFolder) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    gone = threading.Event()
    with wire.Wire(folder, writing) as line:
        line.on_window_gone = gone.set
        line.emit(events.Resumed(step=1))
        line.emit(events.Resumed(step=2))
        assert line.window_gone
    os.close(writing)
    assert gone.is_set()
    assert [event.step for event in read_lines(folder) if isinstance(event, events.Resumed)] == [1, 2]


def test_what_a_full_disk_does_not_take_is_written_when_there_is_room_again(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, room = os.write, [5]

    def write(descriptor: int, data: bytes) -> int:
        if descriptor != line._record:
            return real(descriptor, data)
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = bytes(data)[: room[0]]
        room[0] -= len(part)
        return real(descriptor, part)

    reading, writing = os.pipe()
    with wire.Wire(folder, writing) as line:
        monkeypatch.setattr(os, "write", write)
        line.emit(events.Resumed(step=1))
        line.emit(events.Paused(step=1))
        assert folder.events.read_bytes().count(b"\n") == 0
        room[0] = 10_000
        line.emit(events.Resumed(step=2))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        live = [events.decode(one) for one in pipe]
    assert [type(event).__name__ for event in live] == ["Resumed", "Paused", "Resumed"]
    assert read_lines(folder) == live


def test_the_lock_names_the_living_process_and_goes_with_it(folder: RunFolder) -> None:
    with wire.Wire(folder, None):
        process = living_worker(folder)
        assert process is not None
        assert process.pid == os.getpid()
    assert living_worker(folder) is None


def test_a_lock_of_a_process_that_started_at_another_time_is_not_alive(folder: RunFolder) -> None:
    folder.lock.write_bytes(msgspec.json.encode({"pid": os.getpid(), "started": 1.0}))
    assert living_worker(folder) is None


@pytest.mark.parametrize("cured", [True, False])
def test_an_end_that_the_disk_refuses_is_tried_once_more_and_else_not_passed_over(
    cured: bool, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    line = wire.Wire(folder, None)
    with line:
        monkeypatch.setattr(wire.os, "write", full)
        line.emit(events.Finished(adapter="a", reason="done", steps=1, seconds=1.0))
        if cured:
            monkeypatch.setattr(wire.os, "write", write)
    monkeypatch.setattr(wire.os, "write", write)
    assert line.is_recorded is cured
    assert [type(event) for event in read_lines(folder)] == [events.Finished] * cured


def test_heartbeats_and_reply_pieces_are_live_only(folder: RunFolder) -> None:
    with wire.Wire(folder, None) as line:
        line.emit(events.Heartbeat())
        line.emit(events.ReplyPiece(request=1, side="", text="a"))
        line.emit(events.Resumed(step=1))
    assert [type(event) for event in read_lines(folder)] == [events.Resumed]


def test_what_a_library_prints_cannot_corrupt_the_wire(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "job")
    script = (
        "import os\n"
        "from pathlib import Path\n"
        "from studio.contract import events\n"
        "from studio.contract.run_folder import RunFolder\n"
        "from studio.worker import wire\n"
        "descriptor = wire.take_standard_output()\n"
        f"with wire.Wire(RunFolder(Path({str(folder.path)!r})), descriptor) as line:\n"
        "    print('a library prints')\n"
        "    os.system('echo a child prints')\n"
        "    line.emit(events.Resumed(step=7))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    lines = [events.decode(one) for one in done.stdout.splitlines()]
    assert [event.step for event in lines if isinstance(event, events.Resumed)] == [7]
    assert b"a library prints" in done.stderr
    assert b"a child prints" in done.stderr


class Heard:
    """A command reader and what it told."""

    def __init__(self, folder: RunFolder) -> None:
        self.told: list[events.Event] = []
        self.reader = CommandReader(folder, self.told.append, tell_wishes=True)

    def wait_for(self, wish: str) -> None:
        for _ in range(200):
            if self.reader.poll() == wish:
                return
            self.reader.wait(0.05)
        raise AssertionError(f"never heard {wish}")


@pytest.fixture
def heard(folder: RunFolder):
    listener = Heard(folder)
    yield listener
    listener.reader.end()


def test_pause_resume_and_stop_become_wishes_and_are_told(folder: RunFolder, heard: Heard) -> None:
    commands.append(folder.commands, commands.Pause())
    heard.wait_for("pause")
    commands.append(folder.commands, commands.Resume())
    heard.wait_for("go")
    commands.append(folder.commands, commands.Stop(save=False))
    heard.wait_for("discard")
    heard.reader.end()
    assert [type(event) for event in heard.told] == [events.Pausing, events.Stopping]


def test_a_damaged_line_is_passed_over(folder: RunFolder, heard: Heard) -> None:
    folder.commands.write_bytes(b'{"command": "fly"}\n{half\n')
    commands.append(folder.commands, commands.Stop())
    heard.wait_for("stop")


def test_other_commands_wait_in_line_until_stop(folder: RunFolder, heard: Heard) -> None:
    for request in (1, 2):
        commands.append(folder.commands, commands.ShowRows(request=request, rows=(request,)))
    coming = heard.reader.each()
    assert [next(coming), next(coming)] == [
        commands.ShowRows(request=1, rows=(1,)),
        commands.ShowRows(request=2, rows=(2,)),
    ]
    commands.append(folder.commands, commands.Stop())
    assert list(coming) == []


def test_a_stopped_reply_is_known_while_it_is_written(folder: RunFolder, heard: Heard) -> None:
    assert not heard.reader.reply_stopped(3)
    commands.append(folder.commands, commands.StopReply(request=3))
    commands.append(folder.commands, commands.Pause())
    heard.wait_for("pause")
    assert heard.reader.reply_stopped(3)
    assert not heard.reader.reply_stopped(4)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StudioError("data.empty", "Nothing."), "data.empty"),
        (MemoryError(), "memory.host"),
        (OSError(12, "Cannot allocate memory"), "memory.host"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: 8 b"),
            "memory.host",
        ),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2 GiB."), "memory.gpu"),
        (RuntimeError("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA`"), "memory.gpu"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "memory.gpu"),
        (RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be"), "gpu.lost"),
        (RuntimeError("No CUDA GPUs are available"), "gpu.lost"),
        (RuntimeError("CUDA error: device-side assert triggered"), "gpu.refused"),
        (OSError(28, "No space left on device"), "disk.full"),
        (OSError(122, "Disk quota exceeded"), "disk.full"),
        (OSError(5, "Input/output error"), "disk.failing"),
        (PermissionError(13, "Permission denied", "/out"), "disk.not_writable"),
        (ZeroDivisionError("division by zero"), "unexpected"),
    ],
)
def test_every_exception_becomes_words(error: Exception, code: str) -> None:
    problem = failures.failed(error).problem
    assert problem.code == code
    assert "Traceback" not in problem.sentence()
    assert problem.fix or code.startswith("data.")


def test_a_cut_last_line_spoils_no_line_after_it(folder: RunFolder) -> None:
    folder.events.write_bytes(events.encode(events.Resumed(step=1)) + b'{"event": "res')
    with wire.Wire(folder, None) as line:
        line.emit(events.Resumed(step=2))
    assert [event.step for event in read_events(folder) if isinstance(event, events.Resumed)] == [1, 2]


def test_times_grow_even_where_the_clock_is_set_back(folder: RunFolder) -> None:
    """The window knows by them which events it has seen; with smaller ones it would show a run that stands still."""
    ahead = time.time() + 3600
    folder.events.write_bytes(events.encode(events.Resumed(at=ahead, step=1)))
    with wire.Wire(folder, None) as line:
        line.emit(events.Resumed(step=2))
        line.emit(events.Resumed(step=3))
    first, second, third = (event.at for event in read_lines(folder))
    assert first < second < third < ahead + 1


def test_a_worker_lives_on_where_the_clock_is_set(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library tells a process's start by the clock of today; the lock was written by that of yesterday."""
    with wire.Wire(folder, None):
        lock = msgspec.json.decode(folder.lock.read_bytes(), type=Lock)
        if not lock.ticks:
            pytest.skip("only Linux tells more than the clock")
        folder.lock.write_bytes(msgspec.json.encode(msgspec.structs.replace(lock, started=lock.started + 3600)))
        assert living_worker(folder) is not None
        folder.lock.write_bytes(msgspec.json.encode(msgspec.structs.replace(lock, ticks=lock.ticks + 1)))
        assert living_worker(folder) is None
        folder.lock.write_bytes(msgspec.json.encode(msgspec.structs.replace(lock, boot="another start")))
        assert living_worker(folder) is None


def test_a_worker_without_a_readable_job_says_so_and_ends_with_one(folder: RunFolder) -> None:
    folder.job.write_text('{"kind": "dance"}')
    done = subprocess.run([sys.executable, "-m", "studio.worker", str(folder.path)], capture_output=True, check=False)
    first, last = (events.decode(line) for line in (done.stdout.splitlines()[0], done.stdout.splitlines()[-1]))
    assert isinstance(first, events.Hello)
    assert first.protocol == events.PROTOCOL
    assert isinstance(last, events.Failed)
    assert last.problem.code == "job.invalid"
    assert done.returncode == 1


@pytest.mark.parametrize("work", [job.DeviceJob(), job.CheckModelJob(path="nowhere"), job.DoctorJob(dataset="nowhere")])
def test_jobs_that_need_no_torch_do_not_load_it(folder: RunFolder, work: job.Job) -> None:
    job.save(work, folder.job)
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from studio.contract.run_folder import RunFolder\n"
        "from studio.worker.__main__ import work_on\n"
        f"work_on(RunFolder(Path({str(folder.path)!r})), None)\n"
        "print([name for name in ('torch', 'transformers', 'datasets') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
