"""Files for tests, written in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.contract.control import Going
from studio.contract.errors import Problem, StudioError
from studio.contract.events import Event, Imported
from studio.contract.job import ImportJob, Mapping
from studio.data.importing import import_dataset
from studio.data.rows import read

QA = [{"question": f"What is {n} plus one?", "answer": f"It is {n + 1}."} for n in range(20)]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def refused(action: Callable[[], object]) -> Problem:
    """The problem that the action ends with; all of its words can cross the wire."""
    with pytest.raises(StudioError) as caught:
        action()
    problem = caught.value.problem
    problem.sentence().encode("utf-8")
    assert problem.what
    return problem


def reading_refused(path: Path) -> Problem:
    return refused(lambda: list(read(path)))


def run_import(
    source: Path,
    destination: Path,
    mapping: Mapping | None = None,
    held_back: Path | None = None,
    skip_damaged: bool = False,
    events: list[Event] | None = None,
) -> Imported:
    work = ImportJob(
        source=str(source),
        destination=str(destination),
        name="Mine",
        mapping=mapping,
        held_back=str(held_back) if held_back else "",
        skip_damaged=skip_damaged,
    )
    return import_dataset(work, (events if events is not None else []).append, Going())
