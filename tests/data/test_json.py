"""JSON and JSONL: what is read, and what is refused at which line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from studio.data.formats import json as json_format
from studio.data.rows import Rows, read
from tests.data.files import QA, reading_refused, refused, run_import, write, write_jsonl
from tests.helpers.shared_data import PROJECT


def test_a_list_of_objects_is_read_row_by_row(tmp_path: Path) -> None:
    assert list(read(write(tmp_path / "a.json", json.dumps(QA, indent=2)))) == QA


def test_lines_are_read_and_blank_ones_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"a": "1"}\n\n  \r\n{"a": "2"}\r\n{"a": "3"}')
    with Rows(path) as rows:
        assert [(rows.number, row["a"]) for row in rows] == [(1, "1"), (4, "2"), (5, "3")]


def test_a_list_in_a_jsonl_file_is_read_as_a_list_and_said_so(tmp_path: Path) -> None:
    with Rows(write(tmp_path / "a.jsonl", json.dumps(QA, indent=1))) as rows:
        assert list(rows) == QA
        assert [note.code for note in rows.source.notes] == ["data.json_list_in_jsonl"]


def test_lines_in_a_json_file_are_read_as_lines(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.json", QA)
    with Rows(path) as rows:
        assert rows.format == "jsonl"
        assert list(rows) == QA


def test_a_list_inside_an_object_is_read(tmp_path: Path) -> None:
    assert list(read(write(tmp_path / "a.json", json.dumps({"version": 1, "data": QA}, indent=1)))) == QA


def test_the_lists_of_several_parts_are_named_and_a_way_on_is_told(tmp_path: Path) -> None:
    problem = reading_refused(write(tmp_path / "a.json", json.dumps({"train": QA, "test": QA[:1]})))
    assert (problem.code, problem.what) == ("data.several_lists", "The file holds several lists of rows: train, test.")
    assert "file of its own" in problem.fix


def test_one_conversation_alone_is_a_row_and_not_a_list_of_turns(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "Hi"}]}
    assert list(read(write(tmp_path / "a.json", json.dumps(row, indent=1)))) == [row]


def test_objects_one_after_another_over_several_lines_are_read(tmp_path: Path) -> None:
    text = "\n".join(json.dumps(row, indent=2) for row in QA)
    assert list(read(write(tmp_path / "a.json", text))) == QA
    assert list(read(write(tmp_path / "b.jsonl", text))) == QA


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_list_is_cut_right_wherever_the_pieces_of_the_file_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    rows = [{"a": 'quote " and \\ back', "b": ["]", "}", {"c": "\\\\"}]}, {"a": "ä€𝄞,", "b": []}, {"": "\n"}]
    path = write(tmp_path / "a.json", json.dumps(rows, ensure_ascii=False, indent=1))
    monkeypatch.setattr(json_format, "_CHUNK", size)
    assert list(read(path)) == rows


def test_a_broken_line_is_named_with_line_and_column(tmp_path: Path) -> None:
    problem = reading_refused(write(tmp_path / "faq.jsonl", '{"a": "1"}\n{"a": oops}\n{"a": "3"}\n'))
    assert (problem.code, problem.where) == ("data.broken_json", "faq.jsonl:2")
    assert "Line 2, column 7" in problem.what


def test_a_broken_row_of_a_list_is_named_with_its_line(tmp_path: Path) -> None:
    problem = reading_refused(write(tmp_path / "faq.json", '[\n{"a": "1"},\n{"a": "2",\n "b": x}\n]'))
    assert (problem.code, problem.where) == ("data.broken_json", "faq.json:4")
    assert "column 7" in problem.what


def test_a_row_after_another_on_the_same_line_is_named_with_its_column(tmp_path: Path) -> None:
    problem = reading_refused(write(tmp_path / "faq.json", '[{"a": 1}, {"a": oops}]'))
    assert "Line 1, column 18" in problem.what


def test_a_file_that_was_cut_off_is_called_incomplete(tmp_path: Path) -> None:
    problem = reading_refused(write(tmp_path / "a.jsonl", '{"a": "1"}\n{"a": "tw'))
    assert (problem.code, problem.where) == ("data.truncated", "a.jsonl:2")
    problem = reading_refused(write(tmp_path / "a.json", '[{"a": "1"},\n{"a": "tw'))
    assert (problem.code, problem.where) == ("data.truncated", "a.json:2")


@pytest.mark.parametrize("text", ['[{"a": 1},,{"a": 2}]', "[,]", '[{"a": 1}] x', '[{"a": 1}]]', '{"a"} 7'])
def test_text_that_is_nearly_json_is_refused(tmp_path: Path, text: str) -> None:
    assert reading_refused(write(tmp_path / "a.json", text)).code in ("data.broken_json", "data.truncated")


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_json_are_refused(tmp_path: Path, suffix: str, name: str) -> None:
    text = f'{{"a": {name}}}'
    problem = reading_refused(write(tmp_path / f"a.{suffix}", text if suffix == "jsonl" else f"[{text}]"))
    assert (problem.code, problem.where) == ("data.not_a_number", f"a.{suffix}:1")
    assert name in problem.what


@pytest.mark.parametrize("number", ["1e400", "-1e999", "9" * 5000])
def test_numbers_out_of_range_are_refused(tmp_path: Path, number: str) -> None:
    assert reading_refused(write(tmp_path / "a.jsonl", f'{{"a": {number}}}\n')).code == "data.number_range"


def test_a_key_that_occurs_twice_is_named(tmp_path: Path) -> None:
    problem = reading_refused(write(tmp_path / "a.jsonl", '{"a": 1}\n{"answer": "x", "answer": "y"}\n'))
    assert (problem.code, problem.where) == ("data.duplicate_key", "a.jsonl:2")
    assert '"answer"' in problem.what


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize("depth", [65, 200_000])
def test_brackets_within_brackets_have_an_end(tmp_path: Path, suffix: str, depth: int) -> None:
    deep = '{"a": ' + "[" * depth + "]" * depth + "}"
    problem = reading_refused(write(tmp_path / f"a.{suffix}", deep if suffix == "jsonl" else f"[{deep}]"))
    assert problem.code == "data.too_deep"


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_a_row_of_endless_values_is_refused_before_it_fills_the_memory(tmp_path: Path, suffix: str) -> None:
    wide = '{"a": [' + "{}," * 300_000 + "{}]}"
    problem = reading_refused(write(tmp_path / f"a.{suffix}", wide if suffix == "jsonl" else f"[{wide}]"))
    assert problem.code == "data.too_many_values"


def test_commas_inside_of_text_are_no_values(tmp_path: Path) -> None:
    row = {"a": "," * 300_000}
    assert list(read(write_jsonl(tmp_path / "a.jsonl", [row]))) == [row]


def test_brackets_inside_of_text_are_no_depth(tmp_path: Path) -> None:
    row = {"a": "[" * 500, "b": "{\\" * 100}
    assert list(read(write_jsonl(tmp_path / "a.jsonl", [row]))) == [row]
    assert list(read(write(tmp_path / "a.json", json.dumps([row])))) == [row]


@pytest.mark.parametrize("row", ['["a", "b"]', '"text"', "7", "null", "true"])
def test_a_row_that_is_no_object_is_refused(tmp_path: Path, row: str) -> None:
    problem = reading_refused(write(tmp_path / "a.jsonl", f'{{"a": "1"}}\n{row}\n'))
    assert (problem.code, problem.where) == ("data.not_an_object", "a.jsonl:2")
    assert reading_refused(write(tmp_path / "a.json", f'[{{"a": "1"}}, {row}]')).code == "data.not_an_object"


def test_lists_in_lines_are_refused_at_their_line(tmp_path: Path) -> None:
    problem = reading_refused(write(tmp_path / "a.jsonl", '["q", "a"]\n["q", "a"]\n'))
    assert (problem.code, problem.where) == ("data.not_an_object", "a.jsonl:1")


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_a_row_longer_than_the_limit_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(json_format, "MAX_LINE_BYTES", 3_000_000)
    monkeypatch.setattr("studio.data.formats.jsonl.MAX_LINE_BYTES", 3_000_000)
    long = '{"a": "' + "x" * 6_000_000 + '"}'
    problem = reading_refused(write(tmp_path / f"a.{suffix}", long if suffix == "jsonl" else f'[{{"a": 1}},\n{long}]'))
    assert problem.code == "data.line_too_long"
    assert problem.where == ("a.jsonl:1" if suffix == "jsonl" else "a.json:1")


def test_damaged_lines_are_left_out_where_that_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.data.formats.jsonl.MAX_LINE_BYTES", 1000)
    lines = ['{"a": 1}', "oops", '{"a": "' + "x" * 5000 + '"}', '{"a": NaN}', '{"a": 2}']
    found = []
    with Rows(write(tmp_path / "a.jsonl", "\n".join(lines)), found.append) as rows:
        assert [(rows.number, row["a"]) for row in rows] == [(1, 1), (5, 2)]
    assert [(problem.code, problem.where) for problem in found] == [
        ("data.broken_json", "a.jsonl:2"),
        ("data.line_too_long", "a.jsonl:3"),
        ("data.not_a_number", "a.jsonl:4"),
    ]


def test_damaged_rows_of_a_list_are_left_out_where_that_is_wanted(tmp_path: Path) -> None:
    found = []
    with Rows(write(tmp_path / "a.json", '[{"a": 1}, {"a": NaN}, 7, {"a": 2}]'), found.append) as rows:
        assert [(rows.number, row["a"]) for row in rows] == [(1, 1), (4, 2)]
    assert [problem.code for problem in found] == ["data.not_a_number", "data.not_an_object"]


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_running_out_of_memory_or_stack_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fail(data: object) -> object:
        raise error

    path = write_jsonl(tmp_path / "a.jsonl", QA)
    monkeypatch.setattr("studio.data.formats.jsonl.decode", fail)
    assert reading_refused(path).code == "data.too_big"


def test_a_key_with_half_a_character_is_refused(tmp_path: Path) -> None:
    assert reading_refused(write(tmp_path / "a.jsonl", '{"\\ud800": 1}\n')).code == "data.broken_character"


def test_half_a_character_in_a_value_reaches_the_row_check(tmp_path: Path) -> None:
    assert list(read(write(tmp_path / "a.jsonl", '{"a": "\\ud800"}\n'))) == [{"a": "\ud800"}]


def test_the_list_reader_needs_no_more_memory_than_its_rows(tmp_path: Path) -> None:
    """The buffer never grows beyond one piece and one row."""
    path = write(tmp_path / "a.json", "[" + ",\n".join(json.dumps(row) for row in QA * 5000) + "]")
    with Rows(path) as rows:
        pieces = json_format._Pieces(rows.source.open_utf8(), rows.source)
        pieces.first_byte()
        pieces.skip()
        largest = 0
        while True:
            piece, end = pieces.next(b",]")
            pieces.consume(piece)
            largest = max(largest, len(pieces._buffer))
            if end == ord("]"):
                break
    assert path.stat().st_size > 4 * json_format._CHUNK
    assert largest < 1.1 * json_format._CHUNK


@pytest.mark.parametrize("content", ["3", "null", '"x"', "true"])
def test_a_single_value_is_called_one(tmp_path: Path, content: str) -> None:
    problem = reading_refused(write(tmp_path / "a.json", content))
    assert (problem.code, problem.what) == ("data.no_rows", "The file holds a single value, not a list of rows.")


NULL_FIRST = """
import sys
from pathlib import Path
from studio.contract.control import Going
from studio.contract.job import ImportJob
from studio.data.importing import import_dataset
for _ in range(300):
    work = ImportJob(source=sys.argv[1], destination=sys.argv[2], name="x", skip_damaged=True)
    import_dataset(work, lambda event: None, Going())
"""


@pytest.mark.parametrize("start", ["null", "null\n", "\n  null", " \t null\n"])
def test_a_line_that_begins_with_null_is_left_out_and_nothing_crashes(tmp_path: Path, start: str) -> None:
    """In a process of its own: pyarrow's reader dies on it now and then."""
    rows = "".join(json.dumps({"question": f"What is {n}?", "answer": f"It is {n}."}) + "\n" for n in range(4))
    path = tmp_path / "a.jsonl"
    path.write_text(start + rows)
    done = subprocess.run(
        [sys.executable, "-c", NULL_FIRST, str(path), str(tmp_path / "set")],
        capture_output=True, text=True, cwd=PROJECT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


LISTS = {"question": ["Who?", "Where?", "When?"], "answer": ["Me.", "Here.", 7]}
PAIRS = [{"question": "Who?", "answer": "Me."}, {"question": "Where?", "answer": "Here."}]


TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]


@pytest.mark.parametrize("cut", ['{"question":"c?","answ', '{"question":"c?","answer":', '{"question":"c?"'])
@pytest.mark.parametrize("times", [1, 30_000])
def test_only_the_last_line_may_be_cut_off(tmp_path: Path, cut: str, times: int) -> None:
    good = '{"question":"a?","answer":"b"}\n'
    path = write(tmp_path / "a.jsonl", f"{good * times}{cut}\n{good * times}")
    problem = refused(lambda: run_import(path, tmp_path / "set"))
    assert (problem.code, problem.where) == ("data.broken_json", f"a.jsonl:{times + 1}")
    assert "a quote or a bracket is not closed" in problem.why
    assert "cut off" not in problem.sentence()
    last = refused(lambda: run_import(write(tmp_path / "b.jsonl", good * times + cut), tmp_path / "set"))
    assert (last.code, "cut off" in last.fix) == ("data.truncated", True)
    last = refused(
        lambda: run_import(write(tmp_path / "c.jsonl", (good * times).replace("\n", "\r\n") + cut), tmp_path / "set")
    )
    assert (last.code, "cut off" in last.fix) == ("data.truncated", True)


def test_a_value_that_becomes_a_list_further_down_does_not_end_the_process(tmp_path: Path) -> None:
    """In the first line of a piece that was not the first pyarrow 26 died of it: found by a review's fuzzing."""
    turns = [{"role": "user", "content": "Why? " * 8000}, {"role": "assistant", "content": "So."}]
    for change in range(4, 16):  # lines of 40 kB: one of them is the first of a piece of 256 kB
        rows = [{"messages": turns, "extra": number if number < change else [number]} for number in range(20)]
        path = write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        imported = run_import(path, tmp_path / f"set{change}")
        assert (imported.rows, imported.usable) == (20, 20)
