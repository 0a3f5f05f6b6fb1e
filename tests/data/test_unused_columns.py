"""Columns that a guess leaves out are named, and can be put below the question by hand."""

from pathlib import Path
from typing import Any

import pytest

from studio.contract.job import Mapping
from studio.data.dataset import open_dataset
from studio.data.mapping import guess, to_record
from tests.data.files import refused, run_import, write_jsonl

QUIZ = [
    {"id": str(n), "question": f"Which of them is {n}?", "options": {"A": "this", "B": n}, "answer": f"It is B, {n}."}
    for n in range(20)
]


@pytest.mark.parametrize(
    ("row", "unused"),
    [
        ({"id": "7", "question": "Who {n}?", "subject": "About {n}", "answer": "Me, {n}."}, '"subject", "id"'),
        ({"question": "Who {n}?", "draft": "It may be {n}", "answer": "Me, {n}."}, '"draft"'),
        ({"instruction": "Add {n}.", "output": "It is {n}.", "notes": "A note {n}"}, '"notes"'),
        ({"prompt": "Who {n}?", "chosen": "Me {n}.", "rejected": "You {n}.", "notes": "A note {n}"}, '"notes"'),
        ({"text": "A chapter {n}.", "title": "Chapter {n}"}, '"title"'),
    ],
)
def test_columns_that_are_not_used_are_named_those_that_tell_much_first(row: dict[str, str], unused: str) -> None:
    rows = [{name: text.format(n=n) for name, text in row.items()} for n in range(20)]
    assert guess(list(row), rows).reason.endswith(f" Not used: {unused}.")


def test_columns_of_a_conversation_that_are_not_used_are_named() -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert guess(["messages", "source"], [{"messages": turns, "source": "web"}]).reason.endswith('Not used: "source".')


def test_where_everything_is_used_nothing_is_said() -> None:
    rows = [{"question": f"Who {n}?", "answer": f"Me {n}."} for n in range(20)]
    assert "Not used" not in guess(["question", "answer"], rows).reason


def test_options_are_put_below_the_question_one_a_line(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "quiz.jsonl", QUIZ)
    mapping = Mapping(shape="prompt_completion", prompt="question", context="options", completion="answer")
    imported = run_import(source, tmp_path / "out", mapping)
    assert (imported.usable, imported.problems) == (20, ())
    assert open_dataset(tmp_path / "out").record(3).messages[0].content == "Which of them is 3?\n\nA: this\nB: 3"


@pytest.mark.parametrize(
    ("further", "told"), [(["one", "two"], "one\ntwo"), ({}, None), ([["a"]], None), ([None], None)]
)
def test_further_input_is_lines_or_is_refused(further: Any, told: str | None) -> None:
    mapping = Mapping(shape="prompt_completion", prompt="q", context="c", completion="a")
    row = {"q": "Which?", "c": further, "a": "This."}
    if told is None:
        assert refused(lambda: to_record(row, mapping, 1)).code == "row.content_not_text"
    else:
        assert to_record(row, mapping, 1).messages[0].content == f"Which?\n\n{told}"
