"""The system prompt that all rows share is found, and only that."""

from pathlib import Path

import pytest

from studio.contract import job
from studio.contract.run_folder import RunFolder, make_folder
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
