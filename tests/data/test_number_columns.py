"""Answers that are numbers: JSON and Parquet are read as the table of the same rows would be."""

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
from studio.data.number_columns import number_text
from studio.data.trying import tried
from tests.data.files import refused, run_import, write_jsonl

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


@pytest.mark.parametrize(
    ("number", "text"),
    [(7, "7"), (7.0, "7"), (-0.5, "-0.5"), (1e20, "1e+20"), (True, "true"), (float("inf"), None)],
)
def test_numbers_are_written_as_a_person_would(number: int | float, text: str | None) -> None:
    assert number_text(number) == text
