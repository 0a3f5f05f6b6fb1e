"""`apprentice runs queue`: runs that wait for the device; and how `train --queue` puts one in line."""

import argparse
import sys

from studio.cli import output
from studio.contract import job
from studio.contract.errors import StudioError
from studio.data import run_queue
from studio.data.run_queue import Waiting


def runs_queue(arguments: argparse.Namespace) -> int:
    """Show the line, its head first; or take a run out of it.

    Raises:
        StudioError: There is no such run in line, or the line cannot be changed.
    """
    _tell_damage()
    if arguments.remove:
        run_queue.remove(_find(arguments.remove).id)
    line = run_queue.waiting()
    if arguments.json:
        output.print_json([_row(place, one) for place, one in enumerate(line, 1)])
        return 0
    for place, one in enumerate(line, 1):
        words = " (goes on)" if one.run else ""
        output.say(f"{place}. {one.work.name}{words}  {one.work.model_name} on {one.work.dataset_name}")
    output.say("An open window starts them in this order." if line else "No run waits in line.")
    return 0


def put_in_line(work: job.TrainJob, as_json: bool) -> int:
    """Put a run at the end of the line.

    Raises:
        StudioError: The line cannot be changed.
    """
    _tell_damage()
    run_queue.add(work)
    line = run_queue.waiting()
    if as_json:
        output.print_json(_row(len(line), line[-1]))
    else:
        output.say(f"{work.name} waits in line, at place {len(line)}. An open window starts it when it is its turn.")
    return 0


def _tell_damage() -> None:
    for problem in (run_queue.mend(), run_queue.unread()):
        if problem is not None:
            print(problem.sentence(), file=sys.stderr)


def _find(name: str) -> Waiting:
    found = next((one for one in run_queue.waiting() if name in (one.work.name, one.id)), None)
    if found is None:
        raise StudioError("queue.no_run", f"There is no run {name} in line.", fix="`apprentice runs queue` lists them.")
    return found


def _row(place: int, one: Waiting) -> dict[str, object]:
    work = one.work
    return {"place": place, "name": work.name, "model": work.model_name, "dataset": work.dataset_name, "run": one.run}
