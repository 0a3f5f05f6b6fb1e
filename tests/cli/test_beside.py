"""A second run on the command line: refused while one goes on, put in line, or started beside it on request."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.cli import main, running
from studio.contract import events, job
from studio.contract.run_folder import RunFolder, runs_folder
from studio.data import run_queue
from studio.data.file_lock import FileLock
from studio.data.worker_lock import write_lock
from tests.ui import run_stream


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"What is {n}?", "completion": f"{n}."}) + "\n" for n in range(6)))
    return path


@pytest.fixture
def going_on() -> RunFolder:
    """A run that this very process works on."""
    folder = run_stream.write_run("night-1", list(run_stream.run())[:30], seed=1)
    write_lock(folder, os.getpid())
    return folder


@pytest.fixture
def interrupted() -> RunFolder:
    return run_stream.write_run("broken off", list(run_stream.run())[:30], seed=2)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, bool]]:
    """In the trainer's place: notes whether others could start a run before and after it has begun."""
    seen: list[tuple[bool, bool]] = []

    def could_start() -> bool:
        other = run_queue.start_lock()
        taken = other.take()
        other.release()
        return taken

    def run(folder: RunFolder, work: job.Job, show: object, told: Callable[[], None]) -> events.Event:
        before = could_start()
        told()
        seen.append((before, could_start()))
        return events.Finished(adapter="", reason="done", steps=1, seconds=1.0)

    monkeypatch.setattr(running, "resume", run)
    return seen


def problem_of(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, str]:
    assert main([*words, "--json"]) == 2
    problem = json.loads(capsys.readouterr().out)["error"]
    assert isinstance(problem, dict)
    return problem


def test_a_second_run_is_refused_by_the_name_of_the_first_and_leaves_nothing(
    rows: Path, going_on: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = problem_of(capsys, "train", str(rows), "--max-steps", "3")
    assert problem["code"] == "train.busy"
    assert problem["what"] == "The run night-1 is going on."
    assert "--queue" in problem["fix"]
    assert "--beside" in problem["fix"]
    assert [path.name for path in runs_folder().iterdir()] == [going_on.id]
    assert problem_of(capsys, "demo")["code"] == "train.busy"


def test_it_is_put_in_line_instead(rows: Path, going_on: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(rows), "--max-steps", "3", "--name", "night-2", "--queue"]) == 0
    assert [one.work.name for one in run_queue.waiting()] == ["night-2"]
    capsys.readouterr()
    assert problem_of(capsys, "train", str(rows), "--queue", "--beside")["code"] == "train.options"


def test_whoever_insists_trains_beside_it_and_others_may_start_once_it_has_begun(
    rows: Path, going_on: RunFolder, begun: list[tuple[bool, bool]]
) -> None:
    assert main(["train", str(rows), "--max-steps", "3", "--beside"]) == 0
    assert begun == [(False, True)]


def test_a_run_is_taken_up_in_one_step(
    interrupted: RunFolder,
    begun: list[tuple[bool, bool]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", "--resume", interrupted.id]) == 0
    assert begun == [(False, True)]
    capsys.readouterr()

    class Late(FileLock):
        """Who held it before has taken up the same run."""

        def take(self, wait_seconds: float = 0.0) -> bool:
            write_lock(interrupted, os.getpid())
            return super().take(wait_seconds)

    monkeypatch.setattr(run_queue, "start_lock", lambda: Late(run_queue.queue_file().with_suffix(".lock")))
    assert problem_of(capsys, "train", "--resume", interrupted.id)["code"] == "run.busy"
    assert len(begun) == 1


def test_a_run_is_not_taken_up_beside_another(
    interrupted: RunFolder, going_on: RunFolder, begun: list[tuple[bool, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    problem = problem_of(capsys, "train", "--resume", interrupted.id)
    assert (problem["code"], problem["what"]) == ("train.busy", "The run night-1 is going on.")
    assert "Add --queue" in problem["fix"]
    assert main(["train", "--resume", interrupted.id, "--beside"]) == 0
    assert len(begun) == 1


def test_while_somebody_starts_a_run_nobody_else_does(
    rows: Path, begun: list[tuple[bool, bool]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_queue, "WAIT_SECONDS", 0.05)
    other = run_queue.start_lock()
    assert other.take()
    assert problem_of(capsys, "train", str(rows), "--max-steps", "3")["code"] == "train.starting"
    other.release()
    assert begun == []
