"""The system prompt that all rows share is found, and only that."""

from pathlib import Path

import pytest

from studio.contract import job
from studio.contract.run_folder import RunFolder, make_folder
from studio.data.card_use import use
from studio.data.run_history import summarise
from studio.data.system_prompt import learned_with, shared_by
from tests.data.files import run_import, write_jsonl

PROMPT = "You are the clinic's desk. Answer briefly."


def talk(number: int, system: str) -> dict[str, object]:
    turns = [
        {"role": "user", "content": f"When does ward {number} open?"},
        {"role": "assistant", "content": f"At {number}."},
    ]
    return {"messages": [{"role": "system", "content": system}, *turns] if system else turns}


@pytest.mark.parametrize(
    ("prompts", "shared"),
    [
        ([PROMPT] * 6, PROMPT),
        ([PROMPT] * 5 + ["Another one."], ""),
        ([PROMPT] * 5 + [""], ""),
        ([""] + [PROMPT] * 5, ""),
        ([""] * 6, ""),
    ],
)
def test_only_a_prompt_of_all_rows_is_shared(tmp_path: Path, prompts: list[str], shared: str) -> None:
    run_import(write_jsonl(tmp_path / "a.jsonl", [talk(n, one) for n, one in enumerate(prompts)]), tmp_path / "data")
    assert shared_by(tmp_path / "data") == shared


def test_a_run_whose_dataset_or_job_is_gone_has_none(tmp_path: Path) -> None:
    run = RunFolder(make_folder(tmp_path / "run"))
    assert learned_with(run.path) == ""
    job.save(
        job.TrainJob(name="a", model="m", model_name="m", dataset=str(tmp_path / "gone"), dataset_name="d"), run.job
    )
    assert learned_with(run.path) == ""
    run_import(write_jsonl(tmp_path / "a.jsonl", [talk(n, PROMPT) for n in range(6)]), tmp_path / "gone")
    assert learned_with(run.path) == PROMPT


def trained_on(folder: Path, prompt: str) -> RunFolder:
    """A run whose examples all begin with a prompt."""
    run_import(write_jsonl(folder / "a.jsonl", [talk(n, prompt) for n in range(6)]), folder / "data")
    run = RunFolder(make_folder(folder / "run"))
    work = job.TrainJob(name="a", model="m", model_name="m", dataset=str(folder / "data"), dataset_name="d")
    job.save(work, run.job)
    return run


@pytest.mark.parametrize("form", ["adapter", "merged", "gguf", "ollama"])
def test_a_card_repeats_the_prompt_that_answers_need_where_the_export_does_not_bring_it(
    tmp_path: Path, form: str
) -> None:
    told = use(summarise(trained_on(tmp_path, f"{PROMPT}\n# No heading")), form)
    assert (f"    {PROMPT}\n    # No heading" in told) == (form != "ollama")
    assert "Modelfile does not" not in told


@pytest.mark.parametrize("prompt", ['Quote with """ and go on.', 'You are "the desk"'])
def test_the_card_of_a_folder_for_ollama_tells_the_prompt_that_its_modelfile_cannot_hold(
    tmp_path: Path, prompt: str
) -> None:
    told = use(summarise(trained_on(tmp_path, prompt)), "ollama")
    assert "The Modelfile does not send it" in told
    assert told.endswith(f"of the role system:\n\n    {prompt}")
