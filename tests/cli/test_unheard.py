"""Commands whose output nobody reads any more, as after `| head`: the work goes on, and ends as it would."""

import subprocess
import sys
from pathlib import Path

import pytest

from studio.cli import running
from studio.contract import events, job
from studio.contract.run_folder import RunFolder, jobs_folder
from tests.data.files import QA, write_jsonl

APPRENTICE = [sys.executable, "-m", "studio.cli"]


def refuse(event: events.Event) -> None:
    """A terminal that has gone."""
    raise BrokenPipeError(32, "Broken pipe")


def test_a_job_goes_on_when_its_events_cannot_be_shown(tmp_path: Path) -> None:
    folder = RunFolder.create(jobs_folder(), "job")
    source = write_jsonl(tmp_path / "faq.jsonl", QA)
    work = job.ImportJob(source=str(source), destination=str(tmp_path / "out"), name="x")
    final = running.run(work, folder, refuse)
    assert isinstance(final, events.Imported)
    assert final.usable == 20
    told = [events.decode(line) for line in folder.iter_lines()]
    assert isinstance(told[-1], events.Imported)


def test_what_is_shown_is_counted_although_nobody_reads_it(tmp_path: Path) -> None:
    """`train` judges by what it was shown whether there is a run to keep."""
    seen: list[events.Event] = []

    def watch(event: events.Event) -> None:
        seen.append(event)
        refuse(event)

    work = job.ImportJob(
        source=str(write_jsonl(tmp_path / "faq.jsonl", QA)), destination=str(tmp_path / "out"), name="x"
    )
    running.run(work, RunFolder.create(jobs_folder(), "job"), watch)
    assert {events.Hello, events.Inspected, events.Imported} <= {type(event) for event in seen}


def unheard(*words: str) -> int:
    """Run a command whose output goes into a pipe that nobody reads; gives its exit code."""
    child = subprocess.Popen([*APPRENTICE, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert child.stdout is not None
    child.stdout.close()
    return child.wait()


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_the_exit_code_is_what_it_would_be(tmp_path: Path, more: tuple[str, ...]) -> None:
    source = write_jsonl(tmp_path / "faq.jsonl", QA)
    assert unheard("data", "import", str(source), "--to", "kept", *more) == 0
    assert unheard("data", "import", str(tmp_path / "gone.jsonl"), "--to", "none", *more) == 2
    listed = subprocess.run([*APPRENTICE, "data", "list"], capture_output=True, text=True, check=True)
    assert "kept" in listed.stdout
