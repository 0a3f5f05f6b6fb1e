"""Workers that are ended by force, again and again, and what their locks say of them afterwards (promise P10)."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from studio.contract import job as jobs
from studio.contract.events import Failed
from studio.contract.run_folder import RunFolder, runs_folder
from studio.data import run_history
from studio.data.worker_lock import Lock, lock_of
from studio.supervisor import processes
from studio.supervisor.worker_thread import TrainerThread
from tests.faults.supervised import Seen, wait_until

WORKER = """
import sys, time
from pathlib import Path
from studio.contract import events
from studio.contract.run_folder import RunFolder
from studio.worker import wire
with wire.Wire(RunFolder(Path(sys.argv[1])), None) as line:
    line.emit(events.Hello(protocol=events.PROTOCOL, pid=0, versions={}))
    line.emit(events.Progress(stage="Loading the model"))
    time.sleep(300)
"""
"""The real worker's record, lock and heartbeat, without a model: what a lock says does not hang on that."""

WORK = jobs.TrainJob(name="run", model="m", model_name="M", dataset="d", dataset_name="D")


class Restarts(msgspec.Struct, kw_only=True):
    """What was told of the runs.

    Attributes:
        restarts: Workers that were ended by force.
        wrongly_running: Runs that were told as running although their worker was dead.
        wrongly_dead: Runs that were not told as running although their worker lived.
    """

    restarts: int = 0
    wrongly_running: int = 0
    wrongly_dead: int = 0
    faults: list[str] = msgspec.field(default_factory=list)


# --- what may become of a dead worker's lock -----------------------------------------------------------------------


def leave(lock: Path) -> None:
    """As it was when the worker died."""


def give_number_away(lock: Path) -> None:
    """Another process bears the number by now: this one, which began at another time."""
    mine = lock_of(os.getpid())
    earlier = msgspec.structs.replace(mine, started=mine.started - 100, ticks=max(1, mine.ticks - 100))
    lock.write_bytes(msgspec.json.encode(earlier))


def give_number_away_after_restart(lock: Path) -> None:
    """The computer was started anew since, and another process bears the number and began as long after that."""
    mine = lock_of(os.getpid())
    lock.write_bytes(msgspec.json.encode(msgspec.structs.replace(mine, boot="another", started=mine.started - 9999)))


def give_number_away_before(lock: Path) -> None:
    """As an earlier version wrote it, without what tells starts apart."""
    lock.write_bytes(msgspec.json.encode(Lock(pid=os.getpid(), started=psutil.Process().create_time() - 60)))


def cut(lock: Path) -> None:
    """Written in half."""
    lock.write_bytes(lock.read_bytes()[:9])


def empty(lock: Path) -> None:
    """Nothing of it reached the disk."""
    lock.write_bytes(b"")


def put_odd_numbers(lock: Path) -> None:
    """No process has such a number."""
    lock.write_bytes(msgspec.json.encode(Lock(pid=2**31 - 1, started=time.time())))


def put_text(lock: Path) -> None:
    """Something else altogether."""
    lock.write_bytes(b'{"pid": "all", "started": null}')


FATES: tuple[Callable[[Path], None], ...] = (
    leave, give_number_away, give_number_away_after_restart, give_number_away_before, cut, empty, put_odd_numbers,
    put_text,
)  # fmt: skip


# --- the proof ----------------------------------------------------------------------------------------------------


def restart_many(count: int) -> Restarts:
    """End so many workers by force; every run's state is asked for anew each time."""
    told, dice = Restarts(), random.Random(10)
    folder = RunFolder.create(runs_folder(), "run")
    jobs.save(WORK, folder.job)
    for number in range(count):
        _restart(folder, FATES[number % len(FATES)], dice, told)
        told.restarts += 1
    return told


def _restart(folder: RunFolder, fate: Callable[[Path], None], dice: random.Random, told: Restarts) -> None:
    folder.lock.unlink(missing_ok=True)
    size = folder.events.stat().st_size if folder.events.exists() else 0
    command = [sys.executable, "-P", "-c", WORKER, str(folder.path)]
    worker = subprocess.Popen(command, env=processes.worker_environment(), start_new_session=True)
    try:
        if not wait_until(lambda: folder.lock.exists() and folder.events.stat().st_size > size, 60):
            told.faults.append("the worker did not begin")
        wait_until(lambda: False, dice.uniform(0, 0.03))
        if _state(folder) != "running":
            told.wrongly_dead += 1
            told.faults.append(f"a run whose worker lives is told as {_state(folder)}")
        worker.kill()
        if dice.random() < 0.5:
            # Dead, but nobody has asked for its end yet: its number is still taken.
            wait_until(lambda: psutil.Process(worker.pid).status() == psutil.STATUS_ZOMBIE, 10)
            _require_dead(folder, "not buried yet", told)
    finally:
        worker.kill()
        worker.wait()
    fate(folder.lock)
    name = fate.__name__.replace("_", " ")
    _require_dead(folder, name, told)
    # The window of the next start, in case it believed the run to be going on.
    thread = TrainerThread(folder, attach=True)
    seen = Seen(thread)  # the record also holds how earlier workers ended
    thread.start()
    if not wait_until(lambda: thread.isFinished() and seen.ends_with(Failed), 5):
        told.faults.append(f"{name}: a window that follows the run does not see its end in 5 s")
        thread.let_go()
        thread.wait()


def _require_dead(folder: RunFolder, name: str, told: Restarts) -> None:
    state = _state(folder)
    listed = {run.state for run in run_history.list_runs() if run.folder == folder.path}
    if state == "running" or "running" in listed:
        told.wrongly_running += 1
        told.faults.append(f"{name}: told as running")


def _state(folder: RunFolder) -> str:
    run_history._known.clear()
    summary = run_history.summarise(folder)
    return summary.state if summary is not None else "no run"
