"""Imported datasets: opened, listed, renamed, deleted, and noticed when damaged."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from studio.contract.records import Message
from studio.contract.run_folder import MARKER, datasets_folder, make_folder
from studio.data import dataset
from studio.data.split import is_held_back
from tests.data.files import QA, refused, run_import, write_jsonl


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = datasets_folder() / "data-1"
    run_import(write_jsonl(tmp_path / "faq.jsonl", QA * 120), path)
    return path


def test_rows_are_read_by_number_and_by_slice(folder: Path) -> None:
    opened = dataset.open_dataset(folder)
    assert len(opened) == 2400
    everything = list(opened.records())
    assert everything[1].messages == (Message("user", "What is 1 plus one?"), Message("assistant", "It is 2."))
    assert [opened.record(row) for row in (0, 999, 1000, 2399)] == [everything[row] for row in (0, 999, 1000, 2399)]
    assert opened[-1] == everything[-1]
    assert opened[990:1010] == everything[990:1010]
    assert opened[10:0:-3] == everything[10:0:-3]
    assert opened[5:2] == []
    assert list(opened.records(2390)) == everything[2390:]
    for row in (-1, 2400):
        with pytest.raises(IndexError):
            opened.record(row)


def test_the_key_on_disk_is_the_records_key(folder: Path) -> None:
    opened = dataset.open_dataset(folder)
    assert opened.keys() == [record.key for record in opened.records()]


def test_the_sides_follow_the_hash(folder: Path) -> None:
    opened = dataset.open_dataset(folder)
    assert opened.sides(0.2) == [is_held_back(record.key, 0.2) for record in opened.records()]
    assert opened.sides(0.0) == [False] * 2400


def test_the_engine_reads_the_same_rows_with_its_own_library(folder: Path) -> None:
    """In a process of its own: this room must never need the library."""
    script = (
        "import sys, datasets; rows = datasets.Dataset.from_file(sys.argv[1]); "
        "print(len(rows), rows[7]['messages'][1]['content'], rows.column_names)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder / dataset.ROWS_FILE)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().startswith("2400 It is 8. ['messages', 'key', 'source_row', 'side', ")


def test_a_dataset_of_an_older_version_still_opens(tmp_path: Path, folder: Path) -> None:
    """rows_0_1.arrow was written before records knew more than roles and contents."""
    old = Path(__file__).resolve().parents[1] / "samples" / "datasets" / "rows_0_1.arrow"
    (folder / dataset.ROWS_FILE).write_bytes(old.read_bytes())
    (folder / "rows.sums").unlink()
    dataset.write_info(folder, msgspec.structs.replace(dataset.read_info(folder), usable=2))
    opened = dataset.open_dataset(folder)
    assert opened.record(0).messages == (Message("user", "Hi"), Message("assistant", "Hello"))
    second = opened.record(1)
    assert [turn.role for turn in second.messages] == ["system", "user", "assistant"]
    assert (second.side, second.source_row, second.text, second.label, second.rejected) == (
        "held_back",
        2,
        "",
        None,
        (),
    )
    stored = opened.keys()  # as they were written: they decide which side a row is on
    assert [len(key) for key in stored] == [16, 16]
    assert opened.info.kind == "prompt_completion"


def test_what_is_known_comes_without_opening_the_rows(folder: Path) -> None:
    (info,) = dataset.list_datasets()
    assert (info.id, info.folder, info.name, info.usable) == ("data-1", str(folder), "Mine", 2400)
    (source,) = info.sources
    assert (source.name, source.format, source.rows, len(source.sha256)) == ("faq.jsonl", "jsonl", 2400, 64)


def test_listing_loads_no_table_library(folder: Path) -> None:
    script = (
        "import sys; from studio.data import dataset, mapping, formats, split; "
        "assert len(dataset.list_datasets()) == 1; print(*{'pyarrow', 'numpy', 'torch', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_newest_dataset_comes_first(folder: Path, tmp_path: Path) -> None:
    run_import(tmp_path / "faq.jsonl", datasets_folder() / "data-0")
    assert [info.id for info in dataset.list_datasets()] == ["data-0", "data-1"]


def test_a_new_name_stays_and_the_folder_too(folder: Path) -> None:
    assert dataset.rename(folder, "  Questions\n2026 ").name == "Questions 2026"
    renamed = dataset.open_dataset(folder).info
    assert (renamed.name, renamed.id) == ("Questions 2026", "data-1")
    dataset.rename(renamed, "Again")
    assert dataset.read_info(folder).name == "Again"
    assert refused(lambda: dataset.rename(folder, " \n")).code == "data.no_name"
    assert sorted(path.name for path in folder.iterdir()) == [
        MARKER,
        "dataset.json",
        "import.json",
        "rows.arrow",
        "rows.sums",
    ]


def test_deleting_takes_the_copy_and_leaves_the_file(folder: Path, tmp_path: Path) -> None:
    dataset.delete(dataset.read_info(folder))
    assert list(folder.parent.iterdir()) == []
    assert (tmp_path / "faq.jsonl").exists()


def test_a_strangers_folder_is_never_deleted(tmp_path: Path) -> None:
    strange = tmp_path / "holiday"
    strange.mkdir()
    (strange / "dataset.json").write_text("{}")
    make_folder(tmp_path / "ours")
    (tmp_path / "link").symlink_to(tmp_path / "ours")
    for folder in (strange, tmp_path / "link", tmp_path / "nowhere"):
        assert refused(lambda folder=folder: dataset.delete(folder)).code == "data.not_ours"
    assert (strange / "dataset.json").exists()
    assert (tmp_path / "ours" / MARKER).exists()


def test_deleting_does_not_follow_links_inside(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    (folder / "link").symlink_to(tmp_path / "precious")
    dataset.delete(folder)
    assert (tmp_path / "precious" / "file").exists()


def test_a_missing_dataset_is_said_in_words(tmp_path: Path) -> None:
    assert refused(lambda: dataset.open_dataset(tmp_path)).code == "data.no_dataset"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_cut_file_of_rows_is_noticed(folder: Path, share: float) -> None:
    rows = folder / dataset.ROWS_FILE
    data = rows.read_bytes()
    rows.write_bytes(data[: int(len(data) * share)])
    assert refused(lambda: dataset.open_dataset(folder)).code == "data.damaged"


def test_rows_of_another_kind_are_noticed(folder: Path) -> None:
    (folder / dataset.ROWS_FILE).write_bytes(b"not arrow at all" * 100)
    assert refused(lambda: dataset.open_dataset(folder)).code == "data.damaged"


@pytest.mark.parametrize("content", [b"", b"{}", b"oops", b'{"id": 7}', b"\xff\xfe"])
def test_a_damaged_description_is_listed_as_damaged(folder: Path, content: bytes) -> None:
    (folder / dataset.INFO_FILE).write_bytes(content)
    assert refused(lambda: dataset.open_dataset(folder)).code == "data.damaged"
    (info,) = dataset.list_datasets()
    assert [problem.code for problem in info.problems] == ["data.damaged"]
    assert (info.usable, info.folder) == (0, str(folder))
    dataset.delete(info)
    assert dataset.list_datasets() == []


def test_other_things_beside_the_datasets_are_passed_over(folder: Path) -> None:
    (datasets_folder() / "note.txt").write_text("x")
    (datasets_folder() / "strange").mkdir()
    make_folder(datasets_folder() / ".importing-1-ab")
    assert [info.id for info in dataset.list_datasets()] == ["data-1"]
