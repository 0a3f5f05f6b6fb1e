"""Rows found in JSON that is no plain list of objects."""

import json
from pathlib import Path

import pytest

from studio.data.rows import Rows, read
from tests.data.files import QA, reading_refused, refused, run_import, write
from tests.data.test_json import LISTS, PAIRS, TURNS


@pytest.mark.parametrize(
    ("content", "rows", "code"),
    [
        (
            LISTS,
            [dict(zip(LISTS, values, strict=True)) for values in zip(*LISTS.values(), strict=True)],
            "json_columns",
        ),
        (
            {name: dict(zip("012", values, strict=True)) for name, values in LISTS.items()},
            [dict(zip(LISTS, values, strict=True)) for values in zip(*LISTS.values(), strict=True)],
            "json_columns",
        ),
        ({"faq-1": PAIRS[0], "faq-2": PAIRS[1]}, PAIRS, "json_named_rows"),
        ({"version": 1, "data": {"of": "us", "rows": PAIRS}}, PAIRS, "json_inside"),
        (
            {"Who keeps the keys?": "Ann.", "Where is it?": "Here.", "Why?": "So."},
            [
                {"question": "Who keeps the keys?", "answer": "Ann."},
                {"question": "Where is it?", "answer": "Here."},
                {"question": "Why?", "answer": "So."},
            ],
            "json_pairs",
        ),
    ],
)
def test_rows_are_found_in_one_object_however_they_lie_in_it_and_it_is_said(
    tmp_path: Path, content: object, rows: list[object], code: str
) -> None:
    with Rows(write(tmp_path / "a.json", json.dumps(content))) as read_rows:
        assert list(read_rows) == rows
        assert code in {note.code.removeprefix("data.") for note in read_rows.source.notes}


@pytest.mark.parametrize(
    "only",
    [
        {"question": "Who?", "answer": "Me."},
        {"question": "Who?", "answers": ["Me.", "Ann."]},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]},
        {"prompt": {"role": "user", "content": "Hi"}, "completion": {"role": "assistant", "content": "Ho"}},
        {"instruction": "Add.", "meta": {"rows": [{"a": 1}, {"a": 2}]}},
    ],
)
def test_an_object_that_is_a_row_stays_one(tmp_path: Path, only: dict[str, object]) -> None:
    assert list(read(write(tmp_path / "a.json", json.dumps(only)))) == [only]


def test_columns_of_different_lengths_are_refused_with_their_lengths(tmp_path: Path) -> None:
    problem = reading_refused(write(tmp_path / "a.json", json.dumps({"q": ["a", "b", "c"], "a": ["d", "e"]})))
    assert problem.code == "data.columns_differ"
    assert '"q" 3, "a" 2' in problem.why


def test_questions_that_lie_deeper_are_told_as_such_and_not_as_a_table(tmp_path: Path) -> None:
    rows = [{"qa": {"question": f"{n}?", "answer": "So."}} for n in range(3)]
    problem = refused(lambda: run_import(write(tmp_path / "a.json", json.dumps(rows)), tmp_path / "set"))
    assert problem.code == "data.no_mapping"
    assert '"qa" holds an object with "question", "answer"' in problem.what
    assert "Write each row flat" in problem.fix
    assert "comma" not in problem.sentence()


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls"])
def test_text_under_the_name_of_a_workbook_is_told_or_read_as_the_table_it_is(tmp_path: Path, name: str) -> None:
    imported = run_import(write(tmp_path / name, "question,answer\nWho?,Me.\nWhere?,Here.\n"), tmp_path / "set")
    assert imported.usable == 2
    assert "data.table_as_text" in {problem.code for problem in imported.problems}
    problem = reading_refused(write(tmp_path / name, "A letter.\n\nIt has no columns, and no rows.\n"))
    assert problem.code == "data.not_excel"
    assert "save it there as .xlsx" in problem.fix
    page = "<html><table><tr><td>Who?</td><td>Me.</td></tr></table></html>"
    assert "save it there as .xlsx" in reading_refused(write(tmp_path / name, page)).fix


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (["One text.", "Another."], [{"text": "One text."}, {"text": "Another."}]),
        (
            [["Who?", "Me."], ["Why?", 7]],
            [{"column 1": "Who?", "column 2": "Me."}, {"column 1": "Why?", "column 2": 7}],
        ),
        ([["question", "answer"], ["Who?", "Me."]], [{"question": "Who?", "answer": "Me."}]),
        ([TURNS, TURNS], [{"messages": TURNS}, {"messages": TURNS}]),
    ],
)
def test_a_list_of_texts_of_cells_or_of_conversations_is_read_as_rows(
    tmp_path: Path, content: list[object], rows: list[object]
) -> None:
    assert list(read(write(tmp_path / "a.json", json.dumps(content)))) == rows


@pytest.mark.parametrize(
    "content",
    [
        [{"text": "b"}, "One text."],
        [["a", "b"], "c"],
        [["question", "answer"], ["a", "b", "c"]],
        [TURNS, ["a", "b"]],
        [7, 8],
    ],
)
def test_what_is_of_another_kind_than_the_rows_before_it_is_refused(tmp_path: Path, content: list[object]) -> None:
    path = write(tmp_path / "a.json", json.dumps(content))
    assert reading_refused(path).code == "data.not_an_object"


@pytest.mark.parametrize(
    ("text", "label"),
    [(json.dumps(QA), "JSON"), ("".join(json.dumps(row) + "\n" for row in QA), "JSON lines")],
)
@pytest.mark.parametrize("name", ["faq.xlsx", "faq.xls"])
def test_json_under_the_name_of_a_workbook_is_read_with_a_word(
    tmp_path: Path, text: str, label: str, name: str
) -> None:
    imported = run_import(write(tmp_path / name, text), tmp_path / "set")
    assert imported.usable == len(QA)
    (told,) = [problem for problem in imported.problems if problem.code == "data.table_as_text"]
    assert told.what == f"This is no Excel file, whatever its name says; it was read as {label}, which it is."


@pytest.mark.parametrize("more", [{}, {"version": "1.0"}])
def test_of_several_lists_the_only_one_of_questions_and_answers_is_read_and_said(
    tmp_path: Path, more: dict[str, str]
) -> None:
    authors = [{"id": 1, "name": "Ann"}, {"id": 2, "name": "Ben"}]
    whole = {**more, "questions": QA, "authors": authors, "tags": ["a", "b"]}
    imported = run_import(write(tmp_path / "a.json", json.dumps(whole)), tmp_path / "set")
    assert imported.usable == len(QA)
    (told,) = [problem for problem in imported.problems if problem.code == "data.json_inside"]
    assert told.what == 'The rows were taken from "questions"; not read: "authors", "tags".'
    both = write(tmp_path / "b.json", json.dumps({**more, "train": QA, "test": QA}))
    assert refused(lambda: run_import(both, tmp_path / "both")).code in ("data.several_lists", "data.no_mapping")
