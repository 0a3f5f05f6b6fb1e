"""Edits of a dataset: kept beside the rows, undone exactly, seen the same by everything that reads."""

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.contract.private_files import USERS_UMASK
from studio.contract.records import Message
from studio.contract.run_folder import datasets_folder
from studio.data.dataset import Dataset, open_dataset
from studio.data.edits import (
    EDITS_FILE,
    Cell,
    EditLog,
    Edits,
    Exclude,
    Include,
    Operation,
    Replace,
    read_edits,
    rows_kept,
)
from studio.data.exporting_rows import export
from studio.data.row_split import RowSplit
from studio.data.rows import read
from studio.data.split import is_held_back
from tests.data.files import QA, refused, run_import, write_jsonl

ROWS = 20

row_numbers = st.integers(0, ROWS - 1)
some_rows = st.lists(row_numbers, max_size=6).map(tuple)
cells = st.builds(Cell, row_numbers, st.integers(0, 2), st.none() | st.text(max_size=8))
operations = st.one_of(
    some_rows.map(Exclude), some_rows.map(Include), st.lists(cells, max_size=6).map(tuple).map(Replace)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = datasets_folder() / "data-1"
    run_import(write_jsonl(tmp_path / "faq.jsonl", QA), path)
    return path


def state(edits: Edits) -> tuple[object, object, str]:
    return set(edits.excluded), {row: dict(places) for row, places in edits.texts.items()}, edits.digest


@given(before=st.lists(operations, max_size=5), operation=operations)
def test_an_operation_and_its_inverse_leave_everything_as_it_was(before: list[Operation], operation: Operation) -> None:
    edits = Edits(ROWS)
    for earlier in before:
        edits.apply(earlier)
    start = state(edits)
    inverse = edits.apply(operation)
    changed = state(edits)
    again = edits.apply(inverse)
    assert state(edits) == start
    edits.apply(again)
    assert state(edits) == changed


def test_undoing_a_step_touches_only_what_the_step_changed() -> None:
    edits = Edits(5)
    edits.apply(Exclude((1,)))
    edits.apply(edits.apply(Exclude((1, 2))))
    assert edits.excluded == {1}
    edits.apply(edits.apply(Include((1, 3))))
    assert edits.excluded == {1}


@given(steps=st.lists(operations, max_size=8))
def test_undoing_all_steps_backwards_leads_back_to_the_import(steps: list[Operation]) -> None:
    edits = Edits(ROWS)
    for inverse in reversed([edits.apply(step) for step in steps]):
        edits.apply(inverse)
    assert not edits
    assert edits.digest == ""


@given(steps=st.lists(operations, max_size=8))
def test_what_is_read_back_is_what_was_applied(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Operation]
) -> None:
    folder = tmp_path_factory.mktemp("set")
    log = EditLog(folder, ROWS)
    for step in steps:
        log.apply(step)
    assert state(read_edits(folder, ROWS)) == state(log.edits)


def test_a_row_that_is_left_out_is_gone_for_all_readers_and_moves_no_other(folder: Path) -> None:
    before = open_dataset(folder)
    sides = before.sides(0.3)
    EditLog(folder, ROWS).apply(Exclude((3, 7)))
    after = open_dataset(folder)
    kept = [row for row in range(ROWS) if row not in (3, 7)]
    assert len(after) == 18
    assert [record.source_row for record in after.records()] == [row + 1 for row in kept]
    assert [after.record(index) for index in range(18)] == [before.record(row) for row in kept]
    assert after[2:9] == [before.record(row) for row in kept[2:9]]
    assert after.keys() == [record.key for record in after.records()]
    assert after.sides(0.3) == [sides[row] for row in kept]
    assert [after.is_held_back(index, 0.3) for index in range(18)] == after.sides(0.3)
    assert [after.stored_row(index) for index in range(18)] == kept
    assert after.index_from(7) == 6
    assert RowSplit(folder).counts(0.3) == (18 - sum(after.sides(0.3)), sum(after.sides(0.3)))
    assert list(after.records(18)) == []


def test_a_rewritten_text_is_read_everywhere_and_decides_the_side(folder: Path) -> None:
    EditLog(folder, ROWS).apply(Replace((Cell(5, 1, "It is six."), Cell(9, 0, "Neun?"))))
    dataset = open_dataset(folder)
    assert dataset.record(5).messages == (Message("user", "What is 5 plus one?"), Message("assistant", "It is six."))
    assert dataset[9:10][0].messages[0].content == "Neun?"
    assert dataset.keys() == [record.key for record in dataset.records()]
    assert dataset.sides(0.4) == [is_held_back(record.key, 0.4) for record in dataset.records()]


@given(steps=st.lists(operations, max_size=6))
def test_batches_hold_what_records_are(tmp_path_factory: pytest.TempPathFactory, steps: list[Operation]) -> None:
    folder = tmp_path_factory.mktemp("batches")
    run_import(write_jsonl(folder / "faq.jsonl", QA), folder / "set")
    opened = open_dataset(folder / "set")
    edits = Edits(ROWS)
    for step in steps:
        edits.apply(step)
    dataset = Dataset(opened.folder, opened.info, opened.table, edits)
    rows, texts, keys = [], [], []
    for stored, batch in dataset.batches():
        rows += stored
        keys += batch.column("key").to_pylist()
        texts += [[(turn["role"], turn["content"]) for turn in turns] for turns in batch.column("messages").to_pylist()]
    assert rows == [dataset.stored_row(index) for index in range(len(dataset))]
    assert keys == dataset.keys()
    assert texts == [[(m.role, m.content) for m in record.messages] for record in dataset.records()]


def test_a_last_line_that_was_cut_is_left_out_with_a_note_and_overwritten(folder: Path) -> None:
    log = EditLog(folder, ROWS)
    log.apply(Exclude((1,)))
    path = folder / EDITS_FILE
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"do":"exclude","ro')
    dataset = open_dataset(folder)
    assert dataset.edits.excluded == {1}
    assert [note.code for note in dataset.edits.notes] == ["data.edit_cut"]
    EditLog(folder, ROWS).apply(Include((1,)))
    assert path.read_bytes() == whole + b'{"do":"include","rows":[1]}\n'
    assert len(open_dataset(folder)) == ROWS


def test_the_rows_that_are_kept_are_counted_anew_only_where_the_changes_are_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rows_kept(folder, ROWS) == ROWS
    log = EditLog(folder, ROWS)
    log.apply(Exclude((1, 2)))
    read: list[Path] = []

    def reading(folder: Path, rows: int) -> Edits:
        read.append(folder)
        return read_edits(folder, rows)

    monkeypatch.setattr("studio.data.edits.read_edits", reading)
    assert [rows_kept(folder, ROWS) for _ in range(3)] == [ROWS - 2] * 3
    assert len(read) == 1
    log.apply(Include((1,)))
    assert rows_kept(folder, ROWS) == ROWS - 1
    assert len(read) == 2


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b'{"do":"exclude","rows":[20]}\n', b'{"do":"exclude","rows":[-1]}\n', b"\xff\n"]
)
def test_a_damaged_line_is_said_and_not_passed_over(folder: Path, line: bytes) -> None:
    (folder / EDITS_FILE).write_bytes(line + b'{"do":"exclude","rows":[1]}\n')
    problem = refused(lambda: open_dataset(folder))
    assert problem.code == "data.edits_damaged"
    assert "Line 1" in problem.why


def test_a_row_that_is_not_there_and_half_a_character_are_refused_and_nothing_is_written(folder: Path) -> None:
    log = EditLog(folder, ROWS)
    assert refused(lambda: log.apply(Exclude((1, 20)))).code == "data.no_such_row"
    assert refused(lambda: log.apply(Replace((Cell(0, 0, "\ud800"),)))).code == "row.broken_character"
    assert not log.edits
    assert not log.path.exists()


def test_a_change_that_cannot_be_saved_is_not_made(folder: Path) -> None:
    log = EditLog(folder, ROWS)
    log.path.mkdir()
    assert refused(lambda: log.apply(Exclude((1,)))).code == "data.unwritable"
    assert not log.edits


def test_a_dataset_without_edits_has_no_file_and_the_same_rows(folder: Path) -> None:
    dataset = open_dataset(folder)
    assert not (folder / EDITS_FILE).exists()
    assert not dataset.edits
    assert len(dataset) == ROWS


# --- export -------------------------------------------------------------------------------------------------------


def test_the_edited_rows_are_exported_and_come_back_the_same(folder: Path, tmp_path: Path) -> None:
    log = EditLog(folder, ROWS)
    log.apply(Exclude((0,)))
    log.apply(Replace((Cell(1, 1, 'Zwei, "genau"\n=SUM(1)'),)))
    dataset = open_dataset(folder)
    target = tmp_path / "out.jsonl"
    assert export(dataset, target) == 19
    first = next(read(target))
    assert first == {
        "messages": [
            {"role": "user", "content": "What is 1 plus one?"},
            {"role": "assistant", "content": 'Zwei, "genau"\n=SUM(1)'},
        ]
    }
    run_import(target, tmp_path / "again")
    assert open_dataset(tmp_path / "again").keys() == dataset.keys()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".out")) == []


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_an_export_may_be_read_by_whom_the_user_lets_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(USERS_UMASK, "027")
    target = tmp_path / "out.jsonl"
    for mode in (0o640, 0o600):  # what was made private stays so
        export(open_dataset(folder), target)
        assert target.stat().st_mode & 0o777 == mode
        target.chmod(0o600)


def test_a_disk_without_permissions_takes_an_export_over_another(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*arguments: object, **more: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    target = tmp_path / "out.jsonl"
    target.touch()
    monkeypatch.setattr(os, "chmod", unsupported)
    assert export(open_dataset(folder), target) == len(target.read_text(encoding="utf-8").splitlines()) == ROWS


def test_an_export_that_cannot_be_written_leaves_what_was_there(folder: Path, tmp_path: Path) -> None:
    dataset = open_dataset(folder)
    assert refused(lambda: export(dataset, tmp_path / "none" / "out.jsonl")).code == "data.export_unwritable"
    assert refused(lambda: export(dataset, folder / "rows.arrow")).code == "data.export_onto_itself"
    assert open_dataset(folder).keys() == dataset.keys()


def test_operations_are_plain_json() -> None:
    assert msgspec.json.encode(Replace((Cell(4, 1, None),))) == (
        b'{"do":"replace","cells":[{"row":4,"message":1,"text":null}]}'
    )
