"""Files that are not what their names say, and Git LFS pointers under any name."""

from pathlib import Path

import pytest

from tests.data.files import QA, reading_refused, refused, run_import, write, write_jsonl

POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


@pytest.mark.parametrize("ending", ["parquet", "arrow", "jsonl", "json", "csv", "xlsx", "txt", "jsonl.gz", "csv.zst"])
def test_a_git_lfs_pointer_is_refused_by_its_name_whatever_the_ending(tmp_path: Path, ending: str) -> None:
    problem = reading_refused(write(tmp_path / f"train.{ending}", POINTER))
    assert (problem.code, problem.where) == ("data.lfs_pointer", f"train.{ending}")
    assert "Git LFS" in problem.what
    assert "git lfs pull" in problem.fix


def test_a_pointer_in_a_folder_of_good_files_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write_jsonl(folder / "a.jsonl", QA)
    write(folder / "b-00000-of-00001.parquet", POINTER)
    problem = refused(lambda: run_import(folder, tmp_path / "out"))
    assert (problem.code, problem.where) == ("data.lfs_pointer", "b-00000-of-00001.parquet")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("ending", "code"), [("parquet", "parquet"), ("pq", "parquet"), ("arrow", "arrow")])
def test_text_under_the_name_of_a_table_is_told_and_rows_in_it_are_read(tmp_path: Path, ending: str, code: str) -> None:
    problem = reading_refused(write(tmp_path / f"a.{ending}", "A letter.\n\nIt has no columns, and no rows.\n"))
    assert problem.code == f"data.not_{code}"
    assert "Get or write the file again" in problem.fix
    imported = run_import(write_jsonl(tmp_path / f"b.{ending}", QA), tmp_path / "out")
    assert imported.usable == len(QA)
    (told,) = [problem for problem in imported.problems if problem.code == "data.table_as_text"]
    assert code.capitalize() in told.what
