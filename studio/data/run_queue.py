"""Runs that wait for the device: a file in the program's home, the same for all windows and the command line."""

import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from studio.contract import job
from studio.contract.errors import Problem, StudioError
from studio.contract.run_folder import RunFolder, home_folder, runs_folder
from studio.contract.whole_file import put_aside, write_whole
from studio.data.file_lock import FileLock
from studio.data.run_history import summarise
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


class _Line(msgspec.Struct):
    """What the file holds: runs, rows that this version cannot read, and whether the file itself is damaged."""

    runs: list[Waiting] = []
    others: list[dict[str, Any]] = []
    damaged: bool = False


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
    """The line, its head first. What this version cannot read is passed over, and stays in the file.

    Of a damaged file the runs that can still be read count; `mend` says so.
    """
    try:
        return _line().runs
    except OSError:
        return []


def mend() -> Problem | None:
    """Put a damaged file aside and keep what can be read of it; None where it is whole.

    Raises:
        StudioError: The line cannot be changed.
    """
    try:
        if not _line().damaged:
            return None
        with _held():
            line = _line()
            if not line.damaged:
                return None  # another window was quicker, and tells it
            aside = _write(line.runs)
    except OSError as error:
        raise _unchanged(f"{error.strerror or error}.") from error
    return Problem(
        code="queue.damaged",
        what="The line of waiting runs was damaged.",
        why=f"Runs that could be read of its file, and still wait: {len(line.runs)}.",
        fix="See whether a run is missing, and put it in line again; the damaged file is kept as "
        f"{aside.name if aside else 'it was'} in the program's folder.",
    )


def unread() -> Problem | None:
    """What is said of rows that this version cannot read; they stay in line for the version that made them."""
    try:
        others = _line().others
    except OSError:
        return None
    if not others:
        return None
    works = [row.get("work") for row in others]
    names = [str(work.get("name") or "?")[:40] if isinstance(work, dict) else "?" for work in works]
    return Problem(
        code="queue.unread",
        what=f"There are runs in line that this version cannot read: {', '.join(names[:5])}.",
        why="They were put there by another version of the program, or changed by hand.",
        fix="They stay in line; open the version that put them there.",
    )


def _line() -> _Line:
    """The file as it is.

    Raises:
        OSError: It is there and cannot be read.
    """
    try:
        data = queue_file().read_bytes()
    except FileNotFoundError:
        return _Line()
    try:
        rows, damaged = msgspec.json.decode(data, type=_File).waiting, False
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        rows, damaged = list(_salvaged(data.decode("utf-8", errors="replace"))), True
    found = _Line(damaged=damaged)
    for row in rows:
        one = _read(row)
        if one is not None:
            found.runs.append(one)
        elif not damaged:
            found.others.append(row)
    return found


def _salvaged(text: str) -> Iterator[dict[str, Any]]:
    """Rows of a damaged file that are whole."""
    decoder = json.JSONDecoder()
    for place in re.finditer(r'\{"id":', text):
        try:
            row, _ = decoder.raw_decode(text, place.start())
        except (ValueError, RecursionError):
            continue
        yield row


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
        StudioError: The run's folder or job cannot be read or made, or the run has ended meanwhile, so that there is
            nothing to go on with; it is out of the line.
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
    run = summarise(folder)
    if run is not None and not run.can_resume:  # gone on with by hand, and to its end
        raise StudioError(
            "queue.ended",
            f"The run {work.name if isinstance(work, job.TrainJob) else folder.id} waited in line to go on, "
            "but it has ended meanwhile.",
            "There is nothing to go on with; it was taken out of the line.",
            "Nothing to do: the next run in line has its turn.",
        )
    return (folder, work) if isinstance(work, job.TrainJob) else None


@contextmanager
def _changing() -> Iterator[list[Waiting]]:
    try:
        with _held():
            line = _line().runs
            before = list(line)
            yield line
            if line != before:
                _write(line)
    except OSError as error:
        raise _unchanged(f"{error.strerror or error}.") from error


@contextmanager
def _held() -> Iterator[None]:
    lock = start_lock()
    try:
        if not lock.take(WAIT_SECONDS):
            raise _unchanged("Another window is busy with it.")
        yield
    finally:
        lock.release()


def _write(line: list[Waiting]) -> Path | None:
    """Complete or not at all, and on the disk before it counts; rows of other versions stay, at its end.

    Returns:
        Where a damaged file that was there was put.

    Raises:
        OSError: It cannot be written; the line is as it was.
    """
    there = _line()
    aside = put_aside(queue_file()) if there.damaged else None
    rows = [*(msgspec.to_builtins(one) for one in line), *there.others]
    write_whole(queue_file(), msgspec.json.encode(_File(waiting=rows)))
    return aside


def _unchanged(why: str) -> StudioError:
    return StudioError("queue.unchanged", "The line of waiting runs could not be changed.", why, "Try it again.")
