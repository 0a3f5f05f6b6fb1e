"""`apprentice runs queue`: runs that wait for the device; how `train --queue` puts one in line; who may start now."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from studio.cli import output
from studio.contract import job
from studio.contract.errors import StudioError
from studio.contract.plain_text import one_line
from studio.data import run_queue
from studio.data.file_lock import FileLock
from studio.data.run_history import summarise
from studio.data.run_queue import Waiting
from studio.worker.failures import explain


def runs_queue(arguments: argparse.Namespace) -> int:
    """Show the line, its head first; or change it.

    Raises:
        StudioError: There is no such run in line, or the line cannot be changed.
    """
    _tell_damage()
    if arguments.remove:
        run_queue.remove(_find(arguments.remove).id)
    if arguments.first:
        run_queue.move(_find(arguments.first).id, -len(run_queue.waiting()))
    line = run_queue.waiting()
    if arguments.json:
        output.print_json([_row(place, one) for place, one in enumerate(line, 1)])
        return 0
    for place, one in enumerate(line, 1):
        words = " (goes on)" if one.run else ""
        about = f"{one_line(one.work.model_name)} on {one_line(one.work.dataset_name)}"
        output.say(f"{place}. {one_line(one.work.name)}{words}  {about}")
    output.say("An open window starts them in this order." if line else "No run waits in line.")
    return 0


def put_in_line(work: job.TrainJob, as_json: bool, run: str = "") -> int:
    """Put a run at the end of the line.

    Args:
        work: What it will do.
        as_json: Tell it as one JSON object.
        run: Id of the run that is to go on; empty: a new one.

    Raises:
        StudioError: The line cannot be changed.
    """
    _tell_damage()
    added = run_queue.add(work, run)
    line = [one.id for one in run_queue.waiting()]
    place = line.index(added.id) + 1 if added.id in line else 1  # a window may have taken it out already
    if as_json:
        output.print_json(_row(place, added))
    else:
        output.say(f"{one_line(work.name)} waits in line, at place {place}. An open window starts it in its turn.")
    return 0


def _tell_damage() -> None:
    for problem in (run_queue.mend(), run_queue.unread()):
        if problem is not None:
            print(problem.sentence(), file=sys.stderr)


@contextmanager
def starting() -> Iterator[FileLock]:
    """While it lasts nobody else starts a run in this home; release the lock as soon as the run's own is there.

    Raises:
        StudioError: Another is busy with it, or the program's folder cannot be written.
    """
    lock = run_queue.start_lock()
    try:
        taken = lock.take(run_queue.WAIT_SECONDS)
    except OSError as error:
        raise StudioError.of(explain(error)) from error
    if not taken:
        raise StudioError("train.starting", "Another run is being started just now.", fix="Try it again in a moment.")
    try:
        yield lock
    finally:
        lock.release()


def require_free(fix: str) -> None:
    """See that no run goes on in this home, of whatever window or terminal.

    Raises:
        StudioError: One does; it is named.
    """
    for folder in run_queue.working_runs():
        run = summarise(folder)
        raise StudioError(
            "train.busy",
            f"The run {run.job.name if run is not None else folder.id} is going on.",
            "Two at once make each other slow, and may want more memory than there is.",
            fix,
        )


def _find(name: str) -> Waiting:
    found = next((one for one in run_queue.waiting() if name in (one.work.name, one.id)), None)
    if found is None:
        raise StudioError("queue.no_run", f"There is no run {name} in line.", fix="`apprentice runs queue` lists them.")
    return found


def _row(place: int, one: Waiting) -> dict[str, object]:
    work = one.work
    return {"place": place, "name": work.name, "model": work.model_name, "dataset": work.dataset_name, "run": one.run}
