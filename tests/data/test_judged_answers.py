"""A column that may say how good the answers are is never passed over in silence."""

from pathlib import Path

import pytest

from studio.data.rows import Rows
from tests.data.files import run_import, write, write_jsonl


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        *(("Helpful", "yes", "no"), ("Correct", True, False), ("Quality", "high", "low"), ("Hilfreich", "ja", "nein")),
        *(
            ("Status", "approved", "rejected"),
            ("Check", "pass", "fail"),
            ("X", "richtig", "falsch"),
            ("Y", "良い", "悪い"),
        ),
    ],
)
def test_a_column_that_may_judge_answers_is_asked_about(tmp_path: Path, name: str, good: object, bad: object) -> None:
    rows = [{"question": f"Is {n} even?", "answer": f"{n} is so.", name: (good, bad)[n % 2]} for n in range(8)]
    imported = run_import(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "set")
    assert "data.rating_unread" in [problem.code for problem in imported.problems]


@pytest.mark.parametrize(
    ("name", "one", "other"), [("Urgent", "yes", "no"), ("Status", "open", "closed"), ("Region", "good", "north")]
)
def test_an_ordinary_column_is_not(tmp_path: Path, name: str, one: str, other: str) -> None:
    rows = [{"question": f"Is {n} even?", "answer": f"{n} is so.", name: (one, other)[n % 2]} for n in range(8)]
    imported = run_import(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "set")
    assert "data.rating_unread" not in [problem.code for problem in imported.problems]


@pytest.mark.parametrize("header", ["Question,Answer,Approved?", "Nr.,Frage,Antwort,Noch aktuell?", "Question?,Answer"])
def test_a_name_that_asks_is_a_name_beside_known_ones(tmp_path: Path, header: str) -> None:
    width = header.count(",") + 1
    lines = "".join(",".join(f"Cell {n} of {column}" for column in range(width)) + "\n" for n in range(9))
    with Rows(write(tmp_path / "a.csv", f"{header}\n{lines}")) as rows:
        assert list(next(iter(rows))) == header.split(",")


@pytest.mark.parametrize(
    "first",
    ["Who is it?,Ann", "What is the answer to this?,Answer", "Is it?,It is so.", "What is SQL?,code", "Na?,Gut"],
)
def test_a_question_in_the_first_line_is_a_row(tmp_path: Path, first: str) -> None:
    lines = "".join(f"What is {n} about?,It is about {n} things.\n" for n in range(9))
    with Rows(write(tmp_path / "a.csv", f"{first}\n{lines}")) as rows:
        assert list(next(iter(rows)).values()) == first.split(",")
