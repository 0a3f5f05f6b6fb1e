"""Answers that are numbers: JSON and Parquet are read as the table of the same rows would be."""

import datetime
import decimal
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studio.contract.job import Mapping
from studio.contract.records import Record
from studio.data.chat_rows import read_chat_rows
from studio.data.dataset import open_dataset
from studio.data.doctor.foreign_rows import ForeignRows
from studio.data.inspecting import look
from studio.data.mapping import guess
from studio.data.number_columns import number_text, value_text
from studio.data.trying import tried
from tests.data.files import refused, run_import, write, write_jsonl

SUMS = [{"question": f"What is {i} and one?", "answer": i + 1} for i in range(6)]


def answers(folder: Path) -> list[str]:
    return [record.messages[-1].content for record in open_dataset(folder).records()]


def test_numbers_are_read_as_answers_where_the_column_is_named_so(tmp_path: Path) -> None:
    run_import(write_jsonl(tmp_path / "sums.jsonl", SUMS), tmp_path / "set")
    assert answers(tmp_path / "set") == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize(("values", "told"), [([0, 1, 1], ["0", "1", "1"]), ([4, 2, 5], ["4", "2", "5"])])
def test_a_class_in_numbers_beside_a_text_is_its_answer(tmp_path: Path, values: list[int], told: list[str]) -> None:
    rows = [{"text": f"A fine film of {value} hours.", "label": value} for value in values]
    imported = run_import(write_jsonl(tmp_path / "films.jsonl", rows), tmp_path / "set")
    assert (imported.mapping.prompt, imported.mapping.completion) == ("text", "label")
    assert answers(tmp_path / "set") == told


def test_a_missing_number_is_a_missing_answer_and_whole_ones_bear_no_point(tmp_path: Path) -> None:
    table = pa.table({"question": ["a?", "b?", "c?", "d?"], "answer": [1.0, 2.5, float("nan"), None]})
    pq.write_table(table, tmp_path / "sums.parquet")
    imported = run_import(tmp_path / "sums.parquet", tmp_path / "set")
    assert (imported.rows, imported.usable) == (4, 2)
    assert answers(tmp_path / "set") == ["1", "2.5"]


def test_numbers_beside_texts_are_no_answers_unless_a_person_says_so(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "rows.jsonl", [{"p": f"What is {i}?", "v": i} for i in range(6)])
    assert refused(lambda: run_import(source, tmp_path / "set")).code == "data.no_mapping"
    mapping = Mapping(shape="prompt_completion", prompt="p", completion="v")
    run_import(source, tmp_path / "set", mapping=mapping)
    assert answers(tmp_path / "set") == ["0", "1", "2", "3", "4", "5"]
    seen = look(source)
    shown = tried(seen.sample(), mapping, seen.columns)
    assert [record.messages[1].content for record in shown if isinstance(record, Record)] == ["0", "1", "2", "3", "4"]


def test_a_score_beside_texts_is_not_taken_for_a_question_or_an_answer(tmp_path: Path) -> None:
    rows = [{"Frage": f"Was ist {i}?", "Musterantwort": f"Das ist {i}.", "answer": i} for i in range(6)]
    imported = run_import(write_jsonl(tmp_path / "rows.jsonl", rows), tmp_path / "set")
    assert (imported.mapping.prompt, imported.mapping.completion) == ("Frage", "Musterantwort")


def test_general_rows_and_test_files_read_numbers_alike(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "sums.jsonl", SUMS)
    assert [record.messages[-1].content for record in read_chat_rows(source)] == ["1", "2", "3", "4", "5", "6"]
    read = ForeignRows(str(source))
    assert sum(len(batch.rows) for batch in read) == 6
    assert read.unread == 0


MIX = [
    (4, "4"),
    ("Ann", "Ann"),
    (4.5, "4.5"),
    (7.0, "7.0"),
    (1e5, "100000.0"),
    (True, "true"),
    (-3, "-3"),
    ("12", "12"),
    ("No.", "No."),
]


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize("turn", range(len(MIX)))
def test_no_answer_is_lost_where_some_are_words_and_some_numbers(tmp_path: Path, suffix: str, turn: int) -> None:
    mix = MIX[turn:] + MIX[:turn]
    rows = [{"question": f"What is it, {n}?", "answer": value} for n, (value, _) in enumerate(mix)]
    source = write_jsonl(tmp_path / "mix.jsonl", rows)
    if suffix == "json":
        source = write(tmp_path / "mix.json", json.dumps(rows))
    imported = run_import(source, tmp_path / "set")
    assert (imported.rows, imported.usable) == (len(MIX), len(MIX))
    assert answers(tmp_path / "set") == [text for _, text in mix]
    told = next(problem for problem in imported.problems if problem.code == "data.number_as_text")
    assert told.what.startswith("6 rows have a number")
    assert '"answer"' in told.what


@pytest.mark.parametrize("numbers_first", [True, False])
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_a_mix_that_begins_far_into_a_file_loses_no_answer(tmp_path: Path, suffix: str, numbers_first: bool) -> None:
    values: list[int | str] = [n if (n < 5000) == numbers_first else f"It is {n}." for n in range(6000)]
    rows = [{"question": f"What is {n}?", "answer": value} for n, value in enumerate(values)]
    source = write_jsonl(tmp_path / "mix.jsonl", rows)
    if suffix == "json":
        source = write(tmp_path / "mix.json", json.dumps(rows))
    imported = run_import(source, tmp_path / "set")
    assert imported.usable == 6000
    assert answers(tmp_path / "set") == [str(value) for value in values]
    told = [problem for problem in imported.problems if problem.code == "data.number_as_text"]
    assert [problem.where for problem in told] == [f"mix.{suffix}, rows 5001, 5002, 5003 and 997 more"]
    words = "rows have text in" if numbers_first else "rows have a number, a date, or true or false in"
    assert told[0].what.startswith(f'1,000 {words} "answer"')


def test_words_far_behind_numbers_are_counted_wherever_they_were_read_many_at_once(tmp_path: Path) -> None:
    values: list[object] = [*range(40_000), *(f"It is {n}, as everybody here knows." for n in range(60_000)), 7]
    rows = [{"question": f"What is it, number {n}?", "answer": value} for n, value in enumerate(values)]
    imported = run_import(write_jsonl(tmp_path / "mix.jsonl", rows), tmp_path / "set")
    assert (imported.rows, imported.usable) == (100_001, 100_001)
    (told,) = [problem for problem in imported.problems if problem.code == "data.number_as_text"]
    assert told.what.startswith('60,000 rows have text in "answer"')
    assert told.where == "mix.jsonl, rows 40001, 40002, 40003 and 59,997 more"


def test_files_of_one_dataset_may_hold_words_in_one_and_numbers_in_another(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for name, given in (("a", ["one", "two"]), ("b", [3, 4])):
        pq.write_table(pa.table({"question": [f"{name}1?", f"{name}2?"], "answer": given}), folder / f"{name}.parquet")
    assert run_import(folder, tmp_path / "set").usable == 4
    assert answers(tmp_path / "set") == ["one", "two", "3", "4"]


def test_sums_and_dates_of_a_parquet_file_are_answers_as_they_are_written(tmp_path: Path) -> None:
    amounts = pa.array([decimal.Decimal("4.50"), decimal.Decimal("12.00")])
    pq.write_table(pa.table({"question": ["a?", "b?"], "answer": amounts}), tmp_path / "sums.parquet")
    run_import(tmp_path / "sums.parquet", tmp_path / "sums")
    assert answers(tmp_path / "sums") == ["4.50", "12.00"]
    days = pa.array([datetime.date(2024, 5, 6), datetime.date(1999, 1, 2)])
    pq.write_table(pa.table({"question": ["a?", "b?"], "answer": days}), tmp_path / "days.parquet")
    run_import(tmp_path / "days.parquet", tmp_path / "days")
    assert answers(tmp_path / "days") == ["2024-05-06", "1999-01-02"]
    assert value_text(datetime.datetime(2024, 5, 6, 7, 8)) == "2024-05-06 07:08:00"
    assert value_text(decimal.Decimal("NaN")) is None


def test_numbers_are_read_in_instances_of_an_instruction_and_where_two_answers_are_compared(tmp_path: Path) -> None:
    task = {"instruction": "Add.", "instances": [{"input": "1, 1", "output": 2}, {"input": "a, b", "output": "ab"}]}
    run_import(write_jsonl(tmp_path / "tasks.jsonl", [task]), tmp_path / "tasks")
    assert answers(tmp_path / "tasks") == ["2", "ab"]
    pairs = [{"prompt": f"What is {n} and 1?", "chosen": n + 1, "rejected": n} for n in range(4)]
    imported = run_import(write_jsonl(tmp_path / "pairs.jsonl", pairs), tmp_path / "pairs")
    assert (imported.mapping.shape, imported.usable) == ("preference", 4)
    assert answers(tmp_path / "pairs") == ["1", "2", "3", "4"]


def test_a_mapping_tried_by_hand_shows_mixed_answers_as_the_import_reads_them(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "mix.jsonl", [{"p": f"{n}?", "v": value} for n, (value, _) in enumerate(MIX)])
    seen = look(source)
    shown = tried(seen.sample(), Mapping(shape="prompt_completion", prompt="p", completion="v"), seen.columns)
    assert [record.messages[1].content for record in shown if isinstance(record, Record)] == [t for _, t in MIX[:5]]


@pytest.mark.parametrize(
    ("number", "text"),
    [(7, "7"), (7.0, "7"), (-0.5, "-0.5"), (1e20, "1e+20"), (True, "true"), (float("inf"), None)],
)
def test_numbers_are_written_as_a_person_would(number: int | float, text: str | None) -> None:
    assert number_text(number) == text


@pytest.mark.parametrize("name", ["answer", "output"])
def test_answers_that_are_missing_in_most_rows_are_still_answers(tmp_path: Path, name: str) -> None:
    rows = [{"question": f"What is {n}?", name: None if n % 3 else f"It is {n}."} for n in range(12)]
    imported = run_import(write_jsonl(tmp_path / "rows.jsonl", rows), tmp_path / "set")
    assert (imported.mapping.completion, imported.rows, imported.usable) == (name, 12, 4)


def test_further_input_that_few_rows_have_is_not_lost(tmp_path: Path) -> None:
    rows = [{"instruction": f"Do {n}.", "input": None if n % 5 else f"With {n}", "output": "Done."} for n in range(10)]
    imported = run_import(write_jsonl(tmp_path / "rows.jsonl", rows), tmp_path / "set")
    assert (imported.mapping.context, imported.usable) == ("input", 10)


SORRY = "try it again after a restart of your computer, then write to us about"


def test_an_address_is_no_question(tmp_path: Path) -> None:
    rows = [
        {
            "user_email": f"a{n}@example.org",
            "description": f"I cannot do {n} since May",
            "resolution": f"Please {SORRY} {n}.",
        }
        for n in range(6)
    ]
    imported = run_import(write_jsonl(tmp_path / "rows.jsonl", rows), tmp_path / "set")
    assert (imported.mapping.prompt, imported.mapping.completion) == ("description", "resolution")


WRITTEN = ("1.10", "3.0", "1E5", "-0.0", "-0", "0.000000000000000000001", "12345678901234567890.5", "7")


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize("words_first", [True, False])
def test_numbers_of_json_files_are_answers_with_the_digits_that_the_file_has(
    tmp_path: Path, suffix: str, words_first: bool
) -> None:
    lines = [f'{{"question": "What is it, {n}?", "answer": {digits}}}' for n, digits in enumerate(WRITTEN)]
    words = '{"question": "And what else?", "answer": "x"}'
    lines = [words, *lines] if words_first else [*lines, words]
    source = write(tmp_path / f"a.{suffix}", f"[{', '.join(lines)}]" if suffix == "json" else "\n".join(lines))
    run_import(source, tmp_path / "set")
    assert answers(tmp_path / "set") == (["x", *WRITTEN] if words_first else [*WRITTEN, "x"])
    seen = look(source)
    assert [row["answer"] for row in seen.first_rows()] == answers(tmp_path / "set")[:5]
    shown = tried(seen.sample(), guess(seen.columns, seen.rows), seen.columns)
    assert [record.messages[1].content for record in shown if isinstance(record, Record)] == answers(tmp_path / "set")[
        :5
    ]


def test_a_number_alone_is_still_called_a_number_where_it_is_no_row(tmp_path: Path) -> None:
    problem = refused(lambda: look(write(tmp_path / "a.jsonl", "1.5\n")))
    assert (problem.code, "a number" in problem.what) == ("data.not_an_object", True)


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
@pytest.mark.parametrize("role_key", ["role", "from"])
def test_numbers_that_stand_as_turns_are_read_and_named_and_null_is_still_refused(
    tmp_path: Path, form: str, role_key: str
) -> None:
    content_key = "content" if role_key == "role" else "value"
    chats = [
        [{role_key: "user", content_key: f"What is it, {n}?"}, {role_key: "assistant", content_key: value}]
        for n, value in enumerate([*(value for value, _ in MIX), None])
    ]
    rows = [{"messages": turns} for turns in chats]
    source = write_jsonl(tmp_path / "chats.jsonl", rows)
    if form == "json":
        source = write(tmp_path / "chats.json", json.dumps(rows))
    if form == "csv":
        cells = [json.dumps(turns).replace('"', '""') for turns in chats]
        source = write(tmp_path / "chats.csv", "messages,note\n" + "".join(f'"{cell}",\n' for cell in cells))
    imported = run_import(source, tmp_path / "set")
    assert (imported.rows, imported.usable) == (10, 9)
    assert answers(tmp_path / "set") == [text for _, text in MIX]
    codes = [problem.code for problem in imported.problems]
    assert sorted(code for code in codes if "number" in code or "row." in code) == [
        "data.number_as_text",
        "row.content_not_text",
    ]
    (told,) = [problem for problem in imported.problems if problem.code == "data.number_as_text"]
    assert told.what.startswith('6 rows have a number, a date, or true or false in "messages"')
    if form != "csv":
        assert told.where.startswith(f"chats.{form}, rows 1, 3, 4 and 3 more")


def test_a_number_as_what_a_tool_gave_back_is_read_also_where_it_is_nought(tmp_path: Path) -> None:
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "add", "arguments": "{}"}}]}
    turns = [{"role": "user", "content": "Add."}, call, {"role": "tool", "content": 0}]
    rows = [{"messages": [*turns, {"role": "assistant", "content": f"It is {n}."}]} for n in range(3)]
    assert run_import(write_jsonl(tmp_path / "tools.jsonl", rows), tmp_path / "set").usable == 3
    assert [record.messages[2].content for record in open_dataset(tmp_path / "set").records()] == ["0", "0", "0"]
