"""Columns whose names say question, answer or turns, and whose values say otherwise; what was thought before."""

import json
from pathlib import Path

import pytest

from studio.data.dataset import open_dataset
from studio.data.mapping import guess
from tests.data.files import QA, refused, run_import, write_jsonl

TURNS = [[{"role": "user", "content": f"Who, {n}?"}, {"role": "assistant", "content": "It's me."}] for n in range(3)]


@pytest.mark.parametrize("number", [6, 30])
def test_messages_of_users_by_id_are_no_questions_and_answers(number: int) -> None:
    rows = [
        {"type": "message", "user": f"U{n % 2}", "text": f"Hello, this is note {n}", "ts": f"{n}.0"}
        for n in range(number)
    ]
    problem = refused(lambda: guess(list(rows[0]), rows))
    assert problem.code == "data.no_mapping"
    assert '"user" says who speaks' in problem.what


def test_running_numbers_are_no_questions_whatever_their_name() -> None:
    rows = [{"Q": str(n), "Frage": f"Wie {n}?", "Antwort": f"So geht {n}."} for n in range(12)]
    mapping = guess(list(rows[0]), rows)
    assert (mapping.prompt, mapping.completion) == ("Frage", "Antwort")


def test_an_id_of_the_user_beside_a_message_and_its_reply_is_no_question() -> None:
    rows = [{"user": f"U{n % 2}", "message": f"How do I do {n} of it?", "reply": f"So, {n} times."} for n in range(6)]
    assert guess(list(rows[0]), rows).prompt == "message"


def test_codes_are_questions_where_there_is_nothing_else() -> None:
    rows = [{"question": f"A{n}", "answer": f"The code {n} means so."} for n in range(6)]
    assert guess(list(rows[0]), rows).prompt == "question"


@pytest.mark.parametrize("name", ["messages", "chosen"])
def test_turns_as_python_spells_them_are_refused_with_a_way_on(name: str) -> None:
    beside = {} if name == "messages" else {"prompt": "Who?", "rejected": "It's you."}
    rows: list[dict[str, object]] = [{name: repr(turns), **beside} for turns in TURNS]
    problem = refused(lambda: guess(list(rows[0]), rows))
    assert problem.code == "data.no_mapping"
    assert f'"{name}"' in problem.what
    assert "Python" in problem.what
    assert "lines=True" in problem.fix
    assert guess(["messages"], [{"messages": json.dumps(turns)} for turns in TURNS]).shape == "chat"


@pytest.mark.parametrize("name", ["reasoning", "thinking", "reasoning_content"])
def test_what_was_thought_before_the_answer_is_found_by_its_name(tmp_path: Path, name: str) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{**row, name: f"Count on, {n}."} for n, row in enumerate(QA)])
    imported = run_import(path, tmp_path / "out")
    assert (imported.mapping.reasoning, imported.usable) == (name, len(QA))
    assert f'"{name}" is what was thought before the answer' in imported.mapping.reason
    first = next(iter(open_dataset(tmp_path / "out").records()))
    assert first.messages[-1].reasoning == "Count on, 0."


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Translate", "input": "Good {n}", "output": "Gut {n}"},
        {"task": "Translate", "input": "Good {n}", "output": "Gut {n}"},
        {"question": "{n}-0", "answer": "{n}", "rationale": "Take nothing from {n}, so it stays."},
    ],
)
def test_a_pair_of_names_goes_before_words_that_no_name_calls_a_question(row: dict[str, str]) -> None:
    rows = [{name: text.format(n=n) for name, text in row.items()} for n in range(30)]
    found = guess(list(row), rows)
    assert (found.prompt, found.completion) == (next(iter(row)), list(row)[1 if "answer" in row else 2])
