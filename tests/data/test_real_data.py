"""Data sets that people really use, beside the project."""

import time
from pathlib import Path

import pytest

from studio.contract.job import Mapping
from studio.data.dataset import open_dataset
from studio.data.rows import Rows
from tests.data.files import run_import
from tests.helpers.shared_data import shared_data


@pytest.mark.parametrize(("name", "rows"), [("gsm8k_train.jsonl", 7473), ("gsm8k_test.jsonl", 1319)])
def test_gsm8k_is_imported_whole(tmp_path: Path, name: str, rows: int) -> None:
    imported = run_import(shared_data(name), tmp_path / "out")
    assert (imported.rows, imported.usable, imported.problems) == (rows, rows, ())
    assert (imported.mapping.prompt, imported.mapping.completion) == ("question", "answer")
    last = open_dataset(tmp_path / "out").record(rows - 1)
    assert "####" in last.messages[1].content


def test_gsm8k_with_its_own_test_file(tmp_path: Path) -> None:
    test = shared_data("gsm8k_test.jsonl")
    imported = run_import(shared_data("gsm8k_train.jsonl"), tmp_path / "out", held_back=test)
    assert (imported.usable, imported.held_back_rows) == (7473 + 1319, 1319)
    assert sum(open_dataset(tmp_path / "out").sides(0.1)) == 1319


def test_alpaca_is_imported_whole(tmp_path: Path) -> None:
    imported = run_import(shared_data("alpaca_en_demo.json"), tmp_path / "out")
    assert (imported.rows, imported.usable) == (999, 999)
    assert imported.mapping.shape == "alpaca"
    assert [problem.code for problem in imported.problems] == ["data.duplicates"]


def test_compared_answers_are_imported_whole(tmp_path: Path) -> None:
    imported = run_import(shared_data("dpo_en_demo.json"), tmp_path / "out")
    assert (imported.rows, imported.usable, imported.mapping.shape) == (300, 300, "preference")
    dataset = open_dataset(tmp_path / "out")
    assert dataset.info.kind == "preference"
    for record in dataset.records():
        assert record.chosen
        assert record.rejected
        assert record.chosen != record.rejected
        assert record.messages[record.shared - 1].role == "user"


def test_rated_answers_are_imported_whole(tmp_path: Path) -> None:
    imported = run_import(shared_data("kto_en_demo.json"), tmp_path / "out")
    assert (imported.rows, imported.usable, imported.mapping.shape) == (300, 300, "label")
    dataset = open_dataset(tmp_path / "out")
    assert dataset.info.kind == "label"
    labels = [record.label for record in dataset.records()]
    assert (labels.count(True), labels.count(False)) == (150, 150)


def test_the_better_answers_of_preference_data_can_be_chosen_by_hand(tmp_path: Path) -> None:
    mapping = Mapping(shape="prompt_completion", prompt="conversations", completion="chosen")
    imported = run_import(shared_data("dpo_en_demo.json"), tmp_path / "out", mapping)
    assert imported.usable == 300


@pytest.mark.parametrize(
    ("name", "documents", "rows"), [("wiki_demo.txt", "line", 30), ("tinyshakespeare.txt", "block", 7222)]
)
def test_prose_is_divided_into_texts(name: str, documents: str, rows: int) -> None:
    with Rows(shared_data(name)) as texts:
        assert sum(1 for _ in texts) == rows
        assert texts.source.reading.documents == documents
        assert [note.code for note in texts.source.notes] == ["data.read_as_text"]


def test_seven_thousand_rows_take_less_than_two_seconds(tmp_path: Path) -> None:
    source = shared_data("gsm8k_train.jsonl")
    run_import(shared_data("gsm8k_test.jsonl"), tmp_path / "warm")
    # Time of this process, not of the wall: other work on the machine must not decide.
    start = time.process_time()
    run_import(source, tmp_path / "out")
    assert time.process_time() - start < 2.0
