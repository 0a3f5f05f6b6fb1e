"""Runs that wait for the device: a file in the program's home, the same for all windows and the command line."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from studio.contract import job
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder, home_folder, runs_folder
from studio.data.file_lock import FileLock
from studio.data.worker_lock import living_worker

WAIT_SECONDS = 2.0
"""Others hold the lock for a moment only: to change the file, or to start one worker."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """One run in line.

    Attributes:
        id: Names it in the file.
        work: What it will do.
        run: Folder name of the run that is to go on; empty: a new one.
        since: Unix time at which it was put in line.
    """

    id: str
    work: job.TrainJob
    run: str = ""
    since: float = 0.0


class _File(msgspec.Struct):
    waiting: list[dict[str, Any]]
    version: int = 1


def queue_file() -> Path:
    """Where the line is kept."""
    return home_folder() / "queue.json"


def start_lock() -> FileLock:
    """Held while a worker is being started, and while the line is changed: so no two windows start the same run."""
    return FileLock(home_folder() / "queue.lock")


def working_runs() -> list[RunFolder]:
    """Training runs that a worker works on now, of whatever window."""
    folders = [RunFolder(path.parent) for path in runs_folder().glob("*/worker.lock")]
    return [folder for folder in folders if living_worker(folder) is not None]


def waiting() -> list[Waiting]:
    """The line, its head first. What this version cannot read is passed over, and stays in the file until it changes.

    A file that is no queue at all counts as an empty line.
    """
    try:
        table = msgspec.json.decode(queue_file().read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [one for row in table.waiting if (one := _read(row)) is not None]


def _read(row: dict[str, Any]) -> Waiting | None:
    try:
        work = job.convert(row.get("work"), "queue.json")
        if isinstance(work, job.TrainJob):
            return Waiting(
                id=str(row["id"]), work=work, run=str(row.get("run", "")), since=float(row.get("since", 0.0))
            )
    except (StudioError, KeyError, TypeError, ValueError):
        pass
    return None


def add(work: job.TrainJob, run: str = "") -> Waiting:
    """Put a run at the end of the line; a run that is to go on stands there once.

    Raises:
        StudioError: The line cannot be changed.
    """
    made = Waiting(id=secrets.token_hex(4), work=work, run=run, since=round(time.time(), 3))
    with _changing() as line:
        known = next((one for one in line if run and one.run == run), None)
        if known is not None:
            return known
        line.append(made)
    return made


def move(identity: str, by: int) -> None:
    """Move a run in the line: by -1 one place towards the head.

    Raises:
        StudioError: The line cannot be changed.
    """
    with _changing() as line:
        at = next((place for place, one in enumerate(line) if one.id == identity), None)
        if at is not None:
            line.insert(max(0, at + by), line.pop(at))


def remove(identity: str) -> None:
    """Take a run out of the line.

    Raises:
        StudioError: The line cannot be changed.
    """
    with _changing() as line:
        line[:] = [one for one in line if one.id != identity]


def take_first() -> tuple[RunFolder, job.TrainJob] | None:
    """Take the head out of the line and give the folder that it is to be started in; with the start lock held.

    A new run gets its folder first, and stands in line with it until it is taken out: whoever is killed between the two
    leaves a run that is begun once, in that folder, and never twice or not at all.

    Raises:
        StudioError: The run's folder or job cannot be read or made; it is out of the line.
        OSError: The disk refuses; the line is as it was.
    """
    line = waiting()
    if not line:
        return None
    first, rest = line[0], line[1:]
    if not first.run:
        folder = RunFolder.create(runs_folder(), "run")
        job.save(first.work, folder.job)
        _write([msgspec.structs.replace(first, run=folder.id), *rest])
    else:
        folder = RunFolder(runs_folder() / Path(first.run).name)
    _write(rest)
    if living_worker(folder) is not None:
        return None
    work = job.load(folder.job)
    return (folder, work) if isinstance(work, job.TrainJob) else None


@contextmanager
def _changing() -> Iterator[list[Waiting]]:
    lock = start_lock()
    try:
        if not lock.take(WAIT_SECONDS):
            raise _unchanged("Another window is busy with it.")
        line = waiting()
        before = list(line)
        yield line
        if line != before:
            _write(line)
    except OSError as error:
        raise _unchanged(f"{error.strerror or error}.") from error
    finally:
        lock.release()


def _write(line: list[Waiting]) -> None:
    """Complete or not at all, and on the disk before it counts."""
    path = queue_file()
    partial = path.with_suffix(".tmp")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(_File(waiting=[msgspec.to_builtins(one) for one in line])))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _unchanged(why: str) -> StudioError:
    return StudioError("queue.unchanged", "The line of waiting runs could not be changed.", why, "Try it again.")
