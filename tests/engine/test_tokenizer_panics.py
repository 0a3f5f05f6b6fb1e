"""A tokenizer that breaks down over a text: Rust's panic is no `Exception`, and yet it is told in words."""

import json
import shutil
from pathlib import Path

import pytest

from studio.cli import main, running
from studio.contract import events, job
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder, jobs_folder, starter_folder
from studio.engine import tokenizer, tokens
from studio.engine.examples import read_examples
from studio.engine.model_folder import check
from studio.worker import jobs, working
from tests.engine.ground import Person, make_dataset, make_job

BAD = "a" * 46 + "b"
"""The pattern below tries all ways to divide it, until its library gives up."""


class PanicException(BaseException):
    """What a library in Rust raises."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The starter with a hostile pattern in its tokenizer."""
    folder = Path(shutil.copytree(starter_folder(), tmp_path / "hostile"))
    path = folder / "tokenizer.json"
    path.chmod(0o600)
    told = json.loads(path.read_text(encoding="utf-8"))
    pattern = {"type": "Split", "pattern": {"Regex": "(a|aa|a?)+$"}, "behavior": "Isolated", "invert": False}
    told["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [pattern, told["pre_tokenizer"]]}
    path.write_text(json.dumps(told), encoding="utf-8")
    return folder


def rows(bad: int) -> list[dict[str, str]]:
    return [{"question": f"Is it {n}?", "answer": BAD if n == bad else f"Yes, {n}."} for n in range(20)]


def test_the_row_and_the_tokenizer_are_named(model: Path, tmp_path: Path) -> None:
    assert check(model).usable
    work = make_job(model, make_dataset(tmp_path / "data", rows(bad=7)))
    person = Person()
    with pytest.raises(StudioError) as caught:
        read_examples(work, tokens.load_tokenizer(model), person, person)
    problem = caught.value.problem
    assert problem.code == "model.tokenizer_failed"
    assert problem.where == "row 8"
    assert "hostile" in problem.why
    assert "aaaa" in problem.why


def test_the_chat_says_it_in_one_message(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "--model", str(model), "--prompt", BAD, "--max-new-tokens", "3"]) == 2
    said = capfd.readouterr().err
    assert "The model's tokenizer cannot read this text." in said
    assert "Traceback" not in said


def test_other_texts_are_read_as_before(model: Path) -> None:
    loaded = tokens.load_tokenizer(model)
    assert tokenizer.tokenise(loaded, "Is it so?")[0]


def test_an_interruption_is_no_breakdown_of_the_tokenizer() -> None:
    class Interrupted:
        def encode(self, text: str, add_special_tokens: bool) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tokenizer._encoded(Interrupted(), "a", None)


def panic(*_: object) -> None:
    raise PanicException("called `Result::unwrap()` on an `Err` value")


def ended_with(folder: RunFolder) -> events.AnyEvent:
    return [events.decode(line) for line in folder.iter_lines()][-1]


def test_a_panic_anywhere_else_ends_a_worker_with_its_cause(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jobs, "run_job", panic)
    folder = RunFolder.create(jobs_folder(), "job")
    job.save(job.CheckModelJob(path=str(tmp_path)), folder.job)
    assert working.work_on(folder, None) == 1
    last = ended_with(folder)
    assert isinstance(last, events.Failed)
    assert "PanicException" in last.problem.why


def test_a_panic_anywhere_else_ends_a_job_of_the_command_line_with_its_cause(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jobs, "run_job", panic)
    folder = RunFolder.create(jobs_folder(), "job")
    with pytest.raises(StudioError, match="PanicException"):
        running.run(job.CheckModelJob(path=str(tmp_path)), folder, lambda event: None)
    assert isinstance(ended_with(folder), events.Failed)


def test_a_panic_in_a_command_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("studio.cli.data.data_list", panic)
    assert main(["data", "list"]) == 1
    said = capsys.readouterr().err
    assert "PanicException" in said
    assert "Traceback" not in said
