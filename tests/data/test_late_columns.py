"""Columns that begin below the rows that were looked at are not lost without a word."""

import csv
from pathlib import Path
from typing import Any

import pytest

from studio.contract.control import Going
from studio.contract.errors import StudioError
from studio.contract.events import Event, Inspected
from studio.contract.job import ImportJob, Mapping
from studio.data import intake
from studio.data.dataset import open_dataset, read_info
from studio.data.importing import import_dataset
from studio.data.late_columns import LateColumns
from studio.data.made_from import origin_of
from tests.data.files import refused, run_import, write, write_jsonl
from tests.data.samples import arrow_bytes, json_bytes, jsonl_bytes, parquet_bytes

ROWS = 300
LATE = 251
"""Row (from 1) in which a column begins."""
PAIR = Mapping(shape="prompt_completion", prompt="question", completion="answer")
TOOL = [{"type": "function", "function": {"name": "clock", "parameters": {}}}]


def pair(n: int) -> dict[str, Any]:
    return {"question": f"Ask {n}?", "answer": f"Told {n}."}


def chat(n: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"Ask {n}?"}, {"role": "assistant", "content": f"Told {n}."}]}


def task(n: int) -> dict[str, Any]:
    return {"instruction": f"Do {n}.", "output": f"Done {n}."}


def rows(early: Any, late: dict[str, Any], filler: Any = None) -> list[dict[str, Any]]:
    """Rows of which those from LATE on have more columns; with a filler the others have it there."""
    before = {} if filler is None else dict.fromkeys(late, filler)
    return [{**early(n), **(late if n >= LATE else before)} for n in range(1, ROWS + 1)]


FOUND: dict[str, tuple[Any, dict[str, Any], str]] = {
    "system": (pair, {"system": "Be kind."}, "Be kind."),
    "context": (task, {"input": "With this text."}, "With this text."),
    "history": (task, {"history": [["Before?", "Said before."]]}, "Said before."),
    "tools": (chat, {"tools": TOOL}, "clock"),
}


def stored(folder: Path, row: int) -> str:
    record = open_dataset(folder).record(row - 1)
    return " ".join([*(message.content for message in record.messages), record.tools])


@pytest.mark.parametrize("ending", ["json", "jsonl"])
@pytest.mark.parametrize("field", FOUND)
def test_a_column_that_begins_late_is_read_with_the_rest_and_told(tmp_path: Path, field: str, ending: str) -> None:
    early, late, said = FOUND[field]
    write_as = json_bytes if ending == "json" else jsonl_bytes
    source = write(tmp_path / f"a.{ending}", write_as(rows(early, late)))
    events: list[Event] = []
    imported = run_import(source, tmp_path / "out", events=events)
    name = next(iter(late))
    assert (imported.usable, getattr(imported.mapping, field)) == (ROWS, name)
    assert said in stored(tmp_path / "out", LATE)
    assert said not in stored(tmp_path / "out", LATE - 1)
    (problem,) = imported.problems
    assert (problem.code, f'"{name}"' in problem.what, "row 251" in problem.what) == ("data.read_again", True, True)
    assert name in read_info(tmp_path / "out").columns
    assert [event.columns[-1] for event in events if isinstance(event, Inspected)][-1] == name
    assert name in origin_of(read_info(tmp_path / "out")).seen.columns


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "parquet", "arrow"])
def test_a_column_that_says_nothing_for_long_is_found_too(tmp_path: Path, ending: str) -> None:
    found = rows(pair, {"system": "Be kind."}, "" if ending == "csv" else None)
    found = [{"system": None, **row} for row in found]
    path = tmp_path / f"a.{ending}"
    if ending == "csv":
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(found[0]))
            table.writeheader()
            table.writerows(found)
    else:
        writers = {"jsonl": jsonl_bytes, "json": json_bytes, "parquet": parquet_bytes, "arrow": arrow_bytes}
        path.write_bytes(writers[ending](found))
    imported = run_import(path, tmp_path / "out")
    assert imported.mapping.system == "system"
    assert "Be kind." in stored(tmp_path / "out", LATE)
    # In CSV nothing is a text, too: the column is taken by its name.
    assert [problem.code for problem in imported.problems] == ([] if ending == "csv" else ["data.read_again"])


def test_lists_that_are_empty_for_long_are_found_in_a_table(tmp_path: Path) -> None:
    said = '"[[""Before?"", ""Said before.""]]"'
    lines = [f"Do {n}.,Done {n}.,{'[]' if n < LATE else said}" for n in range(1, ROWS + 1)]
    source = write(tmp_path / "a.csv", "\n".join(["instruction,output,history", *lines]) + "\n")
    imported = run_import(source, tmp_path / "out")
    assert (imported.usable, imported.mapping.history) == (ROWS, "history")
    assert "Said before." in stored(tmp_path / "out", LATE)


@pytest.mark.parametrize(
    ("late", "odd"),
    [
        ({"system": "Be kind."}, {}),
        ({"system": "Be kind."}, {"question": 7}),
        ({"notes": {"a": [1]}}, {"answer": None}),
        ({"label": False}, {}),
        ({"system": ""}, {}),
    ],
)
def test_both_ways_find_the_same(
    tmp_path: Path, late: dict[str, Any], odd: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rows(pair, late)
    found[LATE + 5].update(odd)
    source = write_jsonl(tmp_path / "a.jsonl", found)

    def outcome(folder: Path) -> Any:
        try:
            done = run_import(source, folder)
        except StudioError as error:
            return error.problem
        info = read_info(folder)
        return info.columns, info.mapping, done.problems, open_dataset(folder).table.whole().to_pylist()

    quick = outcome(tmp_path / "quick")
    monkeypatch.setattr(intake, "lane_for", lambda mapping, rows: None)
    assert outcome(tmp_path / "careful") == quick


def test_a_plain_file_is_not_watched_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", rows(pair, {}))
    monkeypatch.setattr(LateColumns, "look", lambda self, row, number: pytest.fail("a plain row was looked at"))
    assert run_import(source, tmp_path / "out").usable == ROWS


def test_ratings_that_begin_late_are_refused_until_it_is_said_what_the_rows_are(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", rows(pair, {"label": False}))
    events: list[Event] = []
    problem = refused(lambda: run_import(source, tmp_path / "out", events=events))
    assert (problem.code, problem.where) == ("data.mapping_late", "a.jsonl")
    assert '"label" first says something in row 251' in problem.what
    assert [event for event in events if isinstance(event, Inspected)][-1].columns == ("question", "answer", "label")
    assert not (tmp_path / "out").exists()
    plain = run_import(source, tmp_path / "plain", PAIR)
    assert plain.usable == ROWS
    assert [problem.code for problem in plain.problems] == ["data.late_column"]
    assert '"label" was not used' in plain.problems[0].what
    rated = run_import(
        source, tmp_path / "rated", Mapping(shape="label", prompt="question", completion="answer", label="label")
    )
    assert rated.usable == ROWS - LATE + 1


def test_a_column_that_begins_late_can_be_chosen_by_hand_and_is_remembered(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", rows(pair, {"persona_text": "Be kind."}))
    chosen = Mapping(shape="prompt_completion", prompt="question", completion="answer", system="persona_text")
    assert run_import(source, tmp_path / "out", chosen).usable == ROWS
    assert "Be kind." in stored(tmp_path / "out", LATE)
    again = run_import(source, tmp_path / "again")
    assert again.mapping.same_columns(chosen)
    assert "Be kind." in stored(tmp_path / "again", LATE)


def test_a_chosen_column_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", rows(pair, {"system": "Be kind."}))
    for name in ("system", "prompt"):
        fields = {"prompt": "question", "completion": "answer", name: "nowhere"}
        chosen = Mapping(shape="prompt_completion", **fields)
        problem = refused(lambda chosen=chosen: run_import(source, tmp_path / "out", chosen))
        assert (problem.code, '"nowhere"' in problem.what) == ("data.mapping_column", True)
        assert '"system"' in problem.why


def test_a_choice_by_hand_is_kept_and_what_it_leaves_out_is_told(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", rows(pair, {"system": "Be kind."}))
    imported = run_import(source, tmp_path / "out", PAIR)
    assert imported.mapping.same_columns(PAIR)
    (problem,) = imported.problems
    assert (problem.code, "row 251" in problem.what) == ("data.late_column", True)
    assert problem.why == "It seems to hold the system prompt."


def test_what_only_a_further_file_has_is_told(tmp_path: Path) -> None:
    one = write_jsonl(tmp_path / "one.jsonl", [pair(n) for n in range(30)])
    two = write_jsonl(tmp_path / "two.jsonl", [{**pair(n + 50), "system": "Be kind."} for n in range(30)])
    work = ImportJob(source=str(one), destination=str(tmp_path / "out"), name="x", more=(str(two),))
    (problem,) = import_dataset(work, lambda event: None, Going()).problems
    assert (problem.code, problem.where) == ("data.late_column", "two.jsonl")
    assert problem.what == 'The column "system" was not used; the first file has none.'


def imported_by_group(source: Path, out: Path, group: str, held_back: Path | None = None) -> Any:
    work = ImportJob(
        source=str(source),
        destination=str(out),
        name="x",
        group=group,
        held_back=str(held_back) if held_back else "",
    )
    return import_dataset(work, lambda event: None, Going())


def test_rows_can_be_split_by_a_column_that_begins_late(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", rows(pair, {"patient": "Ann"}))
    codes = [problem.code for problem in imported_by_group(source, tmp_path / "out", "patient").problems]
    assert codes == ["data.no_group"]
    problem = refused(lambda: imported_by_group(source, tmp_path / "no", "nowhere"))
    assert (problem.code, '"patient"' in problem.why) == ("data.no_column", True)


def test_a_test_file_needs_no_column_to_split_by(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [{**pair(n), "patient": f"P{n % 7}"} for n in range(40)])
    tests = write_jsonl(tmp_path / "t.jsonl", [pair(n + 100) for n in range(10)])
    imported = imported_by_group(source, tmp_path / "out", "patient", tests)
    assert (imported.held_back_rows, imported.problems) == (10, ())


def test_names_in_the_place_of_values_do_not_fill_the_memory() -> None:
    late = LateColumns(["a"])
    for number in range(5000):
        late.look({"a": 1, f"name {number}": 1}, number)
    assert len(late.first) == 200
    assert len(late.rows) == 200


def test_files_of_two_kinds_are_refused_with_the_reason(tmp_path: Path) -> None:
    one = write_jsonl(tmp_path / "one.jsonl", [pair(n) for n in range(30)])
    two = write_jsonl(tmp_path / "two.jsonl", [chat(n) for n in range(30)])
    work = ImportJob(source=str(one), destination=str(tmp_path / "out"), name="x", more=(str(two),))
    problem = refused(lambda: import_dataset(work, lambda event: None, Going()))
    assert (problem.code, problem.where) == ("data.other_kind", "two.jsonl")
    assert problem.what == "This file holds conversations, the first one questions with answers."


def test_a_late_column_whose_bytes_are_no_text_is_told_and_where_it_is_used_named(tmp_path: Path) -> None:
    for column in ("remark", "system"):
        begun = write_jsonl(tmp_path / f"{column}.jsonl", [pair(n) for n in range(1, ROWS)]).read_bytes()
        ended = b'{"question": "Ask?", "answer": "Told.", "' + column.encode() + b'": "\xff"}\n'
        (tmp_path / f"{column}.jsonl").write_bytes(begun + ended)
    assert '"remark"' in run_import(tmp_path / "remark.jsonl", tmp_path / "made").mapping.reason
    told = refused(lambda: run_import(tmp_path / "system.jsonl", tmp_path / "not made"))
    assert told.code == "data.invalid_utf8"
