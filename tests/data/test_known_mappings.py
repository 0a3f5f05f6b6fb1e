"""A choice of columns is used again for files of the same columns, and only if it was a choice."""

from pathlib import Path

import pytest

from studio.contract.job import Mapping
from studio.data import known_mappings
from tests.data.files import run_import, write, write_jsonl

ROWS = [{"x": f"What is {n}?", "y": f"It is {n}."} for n in range(12)]
TURNED = Mapping(shape="prompt_completion", prompt="y", completion="x", reason="Chosen by you.")


def test_a_choice_made_by_hand_is_used_for_files_of_the_same_columns_and_says_so(tmp_path: Path) -> None:
    run_import(write_jsonl(tmp_path / "faq.jsonl", ROWS), tmp_path / "one", TURNED)
    again = run_import(
        write_jsonl(tmp_path / "new.jsonl", [{"y": row["y"], "x": row["x"]} for row in ROWS]), tmp_path / "two"
    )
    assert again.mapping.same_columns(TURNED)
    assert "faq.jsonl" in again.mapping.reason
    other = run_import(write_jsonl(tmp_path / "other.jsonl", [{**row, "z": 1} for row in ROWS]), tmp_path / "three")
    assert other.mapping.prompt == "x"


def test_a_guess_is_not_remembered_and_chosen_again_it_takes_the_place_of_the_choice(
    tmp_path: Path, fresh_home: Path
) -> None:
    path = write_jsonl(tmp_path / "faq.jsonl", ROWS)
    guessed = run_import(path, tmp_path / "one").mapping
    assert not (fresh_home / known_mappings.FILE).exists()
    run_import(path, tmp_path / "two", guessed)
    assert not (fresh_home / known_mappings.FILE).exists()
    run_import(path, tmp_path / "three", TURNED)
    run_import(path, tmp_path / "four", guessed)
    assert run_import(path, tmp_path / "five").mapping == guessed


def test_a_damaged_file_of_choices_counts_as_none(tmp_path: Path, fresh_home: Path) -> None:
    fresh_home.mkdir(parents=True)
    for damaged in ("", "no json", '{"a": 1}', "[]"):
        write(fresh_home / known_mappings.FILE, damaged)
        assert known_mappings.recall(["x", "y"]) is None
    known_mappings.remember(["x", "y"], TURNED, "faq.jsonl")
    assert known_mappings.recall(["y", "x"]) is not None


def test_the_oldest_choices_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_mappings, "MOST", 3)
    for number in range(5):
        known_mappings.remember([f"c{number}"], TURNED, "faq.jsonl")
    kept = [number for number in range(5) if known_mappings.recall([f"c{number}"])]
    assert kept == [2, 3, 4]


def test_an_import_is_whole_even_where_the_choice_cannot_be_kept(tmp_path: Path, fresh_home: Path) -> None:
    (fresh_home / known_mappings.FILE).mkdir(parents=True)
    imported = run_import(write_jsonl(tmp_path / "faq.jsonl", ROWS), tmp_path / "one", TURNED)
    assert imported.usable == 12
    assert [problem.code for problem in imported.problems] == ["data.choice_not_kept"]


def test_a_choice_for_columns_without_names_is_not_used_for_another_file(tmp_path: Path, fresh_home: Path) -> None:
    answers_first = "".join(f"It is {n}.,What is {n}?\n" for n in range(6))
    by_hand = Mapping(shape="prompt_completion", prompt="column 2", completion="column 1")
    run_import(write(tmp_path / "turned.csv", answers_first), tmp_path / "one", by_hand)
    assert not (fresh_home / known_mappings.FILE).exists()
    known_mappings.remember(["column 1", "column 2", "name"], by_hand, "named.csv")
    assert known_mappings.recall(["column 1", "column 2", "name"]) is not None
    questions_first = "".join(f"Who is {n}?,That is {n}.\n" for n in range(6))
    assert run_import(write(tmp_path / "other.csv", questions_first), tmp_path / "two").mapping.prompt == "column 1"


def test_an_old_choice_for_columns_without_names_is_not_recalled(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr("studio.data.column_names.are_numbered", lambda names: False)
        known_mappings.remember(["column 1", "column 2"], TURNED, "a.csv")
        assert known_mappings.recall(["column 1", "column 2"]) is not None
    assert known_mappings.recall(["column 1", "column 2"]) is None
