"""Pairs of answers of which a column says the winner: the loser is never learned."""

import json
from pathlib import Path
from typing import Any

import pytest

from studio.data.dataset import open_dataset
from studio.data.duels import verdict
from studio.data.mapping import guess
from tests.data.files import refused, run_import, write_jsonl

ONE, OTHER = ("response_a", "response_b")


def rows(*winners: object, name: str = "winner", columns: tuple[str, str] = (ONE, OTHER)) -> list[dict[str, Any]]:
    return [
        {"prompt": f"What is {n}?", columns[0]: f"First {n}.", columns[1]: f"Second {n}.", name: winner}
        for n, winner in enumerate(winners)
    ]


def answers(path: Path, tmp_path: Path) -> list[tuple[str, str]]:
    run_import(path, tmp_path / "out")
    records = open_dataset(tmp_path / "out").records()
    return [(record.messages[-1].content, record.rejected[-1].content) for record in records]


def test_the_better_answer_is_that_of_the_winner_and_ties_are_counted(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "arena.jsonl", rows("model_b", "model_a", "tie", "tie (bothbad)", "model_b"))
    imported = run_import(path, tmp_path / "set")
    mapping = imported.mapping
    assert (mapping.shape, mapping.prompt, mapping.label) == ("preference", "prompt", "winner")
    assert '"winner" says which is the better one' in mapping.reason
    assert (imported.rows, imported.usable) == (5, 3)
    (told,) = [problem for problem in imported.problems if problem.code == "row.no_winner"]
    assert "2 rows were left out" in told.what
    assert answers(path, tmp_path) == [
        ("Second 0.", "First 0."),
        ("First 1.", "Second 1."),
        ("Second 4.", "First 4."),
    ]


def test_whole_conversations_are_compared_too() -> None:
    def chat(answer: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": answer}]

    row = {"model_a": "x", "model_b": "y", "conversation_a": chat("A."), "conversation_b": chat("B."), "winner": "b"}
    mapping = guess(list(row), [row])
    assert (mapping.completion, mapping.rejected, mapping.label) == ("conversation_a", "conversation_b", "winner")


@pytest.mark.parametrize(
    ("name", "columns", "winners"),
    [
        ("better_response_id", ("response_0", "response_1"), [1, 0]),
        ("preferred", ("answer1", "answer2"), ["2", "1"]),
        ("winner", ("antwort_a", "antwort_b"), ["B", "antwort_a"]),
    ],
)
def test_other_spellings_of_answers_and_winners(name: str, columns: tuple[str, str], winners: list[object]) -> None:
    told = rows(*winners, name=name, columns=columns)
    mapping = guess(list(told[0]), told)
    assert (mapping.completion, mapping.rejected, mapping.label) == (*columns, name)
    assert [verdict(row[name], *columns) for row in told] == ["other", "one"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *(("A is better", "one"), ("Model B is clearly better", "other"), ("A is better than B", "")),
        *((None, ""), (True, ""), (3, ""), ("Both are good", "tie")),
        *(("I prefer A", "one"), ("A wins by a lot", ""), ("≠A", ""), ("A 👎", ""), ("Version B", "other")),
        *(("not a", ""), ("Answer A is wrong", ""), ("a bit the second", ""), ("B is much worse", "")),
    ],
)
def test_what_a_verdict_says(value: object, said: str) -> None:
    assert verdict(value, ONE, OTHER) == said


def test_a_winner_that_is_not_understood_is_refused_and_the_columns_named() -> None:
    told = rows(7, 3)
    problem = refused(lambda: guess(list(told[0]), told))
    assert problem.code == "data.no_mapping"
    assert json.dumps(ONE) in problem.what
    assert '"winner"' in problem.what


def test_choices_of_a_test_are_no_two_answers_that_are_compared() -> None:
    row = {"question": "Who?", "answer_a": "Me.", "answer_b": "You.", "answer_c": "He.", "choice": "c"}
    assert guess(list(row), [row]).shape != "preference"


@pytest.mark.parametrize("winners", [(-1, 1), (-2, -1, 1, 2), ("-1", "1"), ("+1", "+2"), ("–1", "1")])
def test_a_scale_from_minus_to_plus_is_not_understood(winners: tuple[object, ...]) -> None:
    """Its sign says who won, and in which direction it goes stands nowhere."""
    told = rows(*winners, name="preference", columns=("response_1", "response_2"))
    assert refused(lambda: guess(list(told[0]), told)).code == "data.no_mapping"


def test_whole_numbers_of_a_table_with_empty_cells_are_read() -> None:
    told = rows("1.0", "2.0", "", "2,0", name="preference", columns=("response_1", "response_2"))
    assert guess(list(told[0]), told).label == "preference"
    assert [verdict(row["preference"], "response_1", "response_2") for row in told] == ["one", "other", "", "other"]
