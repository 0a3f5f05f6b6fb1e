"""Answers that a file asks not to learn (OpenAI's `"weight": 0`) are learned here: that is said."""

from pathlib import Path

from studio.data.remarks import first_of_all
from tests.data.files import run_import, write_jsonl


def chat(n: int, weight: object = None) -> dict[str, object]:
    answer = {"role": "assistant", "content": f"It is {n}."} | ({} if weight is None else {"weight": weight})
    return {"messages": [{"role": "user", "content": f"What is {n}?"}, answer]}


def test_rows_with_answers_of_weight_nought_are_counted_and_named(tmp_path: Path) -> None:
    rows = [chat(n, 0 if n in (3, 7) else 1 if n == 5 else None) for n in range(20)]
    imported = run_import(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "out")
    (problem,) = imported.problems
    assert (problem.code, imported.usable) == ("data.weights_unread", 20)
    assert problem.what.startswith('2 rows of the first 20 have answers with "weight": 0')
    assert "rows 4, 8" in problem.why
    assert first_of_all(imported.problems) is problem


def test_other_weights_and_those_of_questions_are_nothing_to_tell(tmp_path: Path) -> None:
    rows = [chat(n, 1) for n in range(20)]
    rows[0]["messages"][0]["weight"] = 0  # type: ignore[index]
    assert run_import(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "out").problems == ()
