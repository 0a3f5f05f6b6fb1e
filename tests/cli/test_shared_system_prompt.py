"""`apprentice chat` with a run sends what the run learned with, and says so."""

from pathlib import Path

import pytest

from studio.cli import main, talking
from studio.contract import commands, events, job
from studio.contract.run_folder import RunFolder, runs_folder, starter_folder
from tests.data.files import run_import, write_jsonl
from tests.data.test_system_prompt import PROMPT, talk


class Listener:
    """Stands in for the model: keeps what it is asked."""

    asked: list[commands.Generate] = []

    def __init__(self, *_: object) -> None:
        pass

    def add(self, *_: object) -> None:
        """Nothing to load."""

    def answer(self, command: commands.Generate, replies: talking._Replies) -> None:
        """Keep the question, answer nothing."""
        self.asked.append(command)
        replies(events.ReplyDone(request=1, side="adapter", text="", tokens=0, seconds=0.1, ended="end"))


@pytest.mark.parametrize(
    ("words", "sent"), [((), PROMPT), (("--system", ""), ""), (("--system", "Be kind."), "Be kind.")]
)
def test_a_run_is_asked_with_the_system_prompt_of_its_examples_unless_another_is_given(
    tmp_path: Path,
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    sent: str,
) -> None:
    run_import(write_jsonl(tmp_path / "a.jsonl", [talk(n, PROMPT) for n in range(6)]), tmp_path / "data")
    run = RunFolder.create(runs_folder(), "run")
    model = str(starter_folder())
    work = job.TrainJob(name="desk", model=model, model_name="m", dataset=str(tmp_path / "data"), dataset_name="d")
    job.save(work, run.job)
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_text("{}")
    run.events.write_bytes(
        events.encode(events.Finished(adapter=str(run.adapter), reason="done", steps=1, seconds=1.0))
    )
    monkeypatch.setattr(talking, "Talker", Listener)
    monkeypatch.setattr(Listener, "asked", [])
    assert main(["chat", "--adapter", "desk", "--prompt", "When do you open?", *words]) == 0
    (asked,) = Listener.asked
    assert [turn.content for turn in asked.messages] == [sent, "When do you open?"][not sent :]
    assert ("all its examples share" in capsys.readouterr().err) == (not words)
