"""A child process that imports what it is told, and says how it ended, how long it took and how much memory.

Lines of JSON go in ({"job": ..., "append_to": path or ""}) and come out ({"codes", "text", "seconds", "extra_bytes"}).
"""

import json
import sys
import time
import traceback
from pathlib import Path

from studio.contract.control import Going
from studio.contract.errors import Problem, StudioError
from studio.contract.events import Event, Inspected, encode
from studio.contract.job import ImportJob
from studio.data.importing import import_dataset

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def peak_bytes(start: bool) -> int:
    """The most memory since it was asked last with `start`; 0 where the system does not tell."""
    if not _CLEAR.exists():
        return 0
    if start:
        _CLEAR.write_text("5")  # the peak begins anew
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def outcome(job: ImportJob, append_to: str) -> tuple[bool, list[Problem]]:
    """Whether a dataset was made; its notes, or the error. Every word must be able to cross the wire."""

    def emit(event: Event) -> None:
        encode(event)
        if append_to and isinstance(event, Inspected):
            with open(append_to, "a", encoding="utf-8") as file:
                file.write('{"question": "New?", "answer": "Yes."}\n')

    try:
        imported = import_dataset(job, emit, Going())
    except StudioError as error:
        error.problem.sentence().encode("utf-8")
        return False, [error.problem]
    encode(imported)
    return True, list(imported.problems)


def main() -> None:
    """Serve until the input ends; anything but a StudioError is a traceback in the answer."""
    for line in sys.stdin:
        asked = json.loads(line)
        before = peak_bytes(start=True)
        began = time.monotonic()
        try:
            made, problems = outcome(ImportJob(**asked["job"]), asked["append_to"])
            answer = {
                "made": made,
                "problems": [{"code": problem.code, "text": problem.sentence()} for problem in problems],
            }
        except Exception:  # noqa: BLE001 - whatever it is, the test must see it
            answer = {"made": False, "problems": [{"code": "traceback", "text": traceback.format_exc()}]}
        answer["seconds"] = time.monotonic() - began
        answer["extra_bytes"] = peak_bytes(start=False) - before
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
