"""Folders, saved datasets, several files and weights: what is read of them, on which side, and that it is said."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.contract.control import Going
from studio.contract.events import Event, Imported, Inspected
from studio.contract.job import ImportJob, Reading, load, save
from studio.data import folders, importing, parts
from studio.data.dataset import open_dataset
from studio.data.importing import import_dataset
from studio.data.parts import expand
from studio.data.weights import copies
from tests.data.files import QA, refused, run_import, write, write_jsonl
from tests.data.samples import TEXT_ROWS, save_dataset, sheet, workbook_bytes


def run(source: Path, destination: Path, events: list[Event] | None = None, **choices: Any) -> Imported:
    work = ImportJob(source=str(source), destination=str(destination), name="Mine", **choices)
    return import_dataset(work, (events if events is not None else []).append, Going())


def codes(imported: Imported) -> list[str]:
    return [problem.code for problem in imported.problems]


# --- folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_of_files_of_several_formats_is_one_dataset(tmp_path: Path) -> None:
    folder = tmp_path / "faq"
    (folder / "more").mkdir(parents=True)
    write_jsonl(folder / "b.jsonl", QA[5:10])
    write(folder / "a.csv.gz", TEXT_ROWS["csv.gz"](QA[:5]))
    write(folder / "more" / "c.xlsx", TEXT_ROWS["xlsx"](QA[10:]))
    for name in ("README.md", "load.py", ".hidden.jsonl", "~$c.xlsx", "dataset_info.json"):
        write(folder / name, "oops")
    imported = run_import(folder, tmp_path / "out")
    assert imported.usable == 20
    dataset = open_dataset(tmp_path / "out")
    assert [source.name for source in dataset.info.sources] == ["a.csv.gz", "b.jsonl", "more/c.xlsx"]
    assert [record.messages[1].content for record in dataset.records()] == [row["answer"] for row in QA]
    (note,) = imported.problems
    assert (note.code, note.where) == ("data.files_left_out", "faq")
    assert '"README.md"' in note.what
    assert "never run" in note.why


def test_files_named_train_and_test_are_put_on_their_sides(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "data"
    folder.mkdir(parents=True)
    write(folder / "train-00000-of-00002.parquet", TEXT_ROWS["parquet"](QA[:8]))
    write(folder / "train-00001-of-00002.parquet", TEXT_ROWS["parquet"](QA[8:15]))
    write(folder / "validation-00000-of-00001.parquet", TEXT_ROWS["parquet"](QA[15:17]))
    write(folder / "test-00000-of-00001.parquet", TEXT_ROWS["parquet"](QA[17:]))
    imported = run_import(tmp_path / "hub", tmp_path / "out")
    assert (imported.usable, imported.held_back_rows) == (18, 3)
    (note,) = imported.problems
    assert note.code == "data.read_split"
    assert note.what == '"train" is learned from, "test" is kept aside as test rows; "validation" was not read.'


def test_a_name_with_test_in_it_takes_no_rows_away_where_there_is_no_train(tmp_path: Path) -> None:
    folder = tmp_path / "faq"
    folder.mkdir()
    write_jsonl(folder / "test_questions.jsonl", QA[:10])
    write_jsonl(folder / "dev_questions.jsonl", QA[10:])
    imported = run_import(folder, tmp_path / "out")
    assert (imported.usable, imported.held_back_rows) == (20, 0)


def test_an_own_test_file_wins_over_the_folders_test_split(tmp_path: Path) -> None:
    folder = tmp_path / "faq"
    folder.mkdir()
    write_jsonl(folder / "train.jsonl", QA[:10])
    write_jsonl(folder / "test.jsonl", QA[10:12])
    own = write_jsonl(tmp_path / "own.jsonl", QA[12:])
    imported = run_import(folder, tmp_path / "out", held_back=own)
    assert (imported.usable, imported.held_back_rows) == (18, 8)
    assert '"test" was not read' in imported.problems[0].what


def test_an_empty_file_among_others_is_left_out_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "faq"
    folder.mkdir()
    write_jsonl(folder / "b.jsonl", QA)
    write(folder / "a.jsonl", "")
    imported = run_import(folder, tmp_path / "out")
    assert [(problem.code, problem.where) for problem in imported.problems] == [("data.empty_file", "a.jsonl")]
    write(folder / "b.jsonl", "\n")
    assert refused(lambda: run_import(folder, tmp_path / "out")).code == "data.empty_file"


def test_a_file_of_other_columns_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "faq"
    folder.mkdir()
    write_jsonl(folder / "a.jsonl", QA)
    write_jsonl(folder / "b.jsonl", [{"x": "1", "y": "2"}] * 3)
    problem = refused(lambda: run_import(folder, tmp_path / "out"))
    assert (problem.code, problem.where) == ("data.mapping_column", "b.jsonl")


def test_a_folder_without_data_names_what_it_holds(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    assert "empty" in refused(lambda: expand(folder)).why
    write(folder / "a.jpg", "x")
    problem = refused(lambda: expand(folder))
    assert (problem.code, problem.where) == ("data.no_files", "photos")
    assert '"a.jpg"' in problem.why


def test_many_text_files_are_one_document_each_and_a_few_are_divided(tmp_path: Path) -> None:
    folder = tmp_path / "essays"
    folder.mkdir()
    for number in range(2):
        write(folder / f"{number}.md", "# Title\n\nA paragraph.\n")
    work = ImportJob(source=str(folder), destination="", name="")
    assert {file.part.reading.documents for file in parts.of_job(work).files} == {""}
    write(folder / "2.md", "# Title\n\nA paragraph.\n")
    assert {file.part.reading.documents for file in parts.of_job(work).files} == {"file"}
    chosen = ImportJob(source=str(folder), destination="", name="", reading=Reading(documents="block"))
    assert {file.part.reading.documents for file in parts.of_job(chosen).files} == {"block"}


def test_problems_of_many_files_are_told_in_few_lines(tmp_path: Path) -> None:
    folder = tmp_path / "faq"
    folder.mkdir()
    for number in range(12):
        write(folder / f"{number:02}.csv", "\ufeffquestion,answer\n" + f"Who is {number}?,Me {number}.\n" * 1)
    imported = run_import(folder, tmp_path / "out")
    assert codes(imported) == ["data.byte_order_mark"] * importing._MOST_OF_A_KIND
    assert imported.problems[-1].what.endswith("The same goes for 7 more files.")


# --- links -----------------------------------------------------------------------------------------------------------


def test_a_folder_that_leads_back_to_itself_is_called_a_loop(tmp_path: Path) -> None:
    folder = tmp_path / "faq"
    (folder / "sub").mkdir(parents=True)
    write_jsonl(folder / "a.jsonl", QA)
    (folder / "sub" / "again").symlink_to(folder, target_is_directory=True)
    problem = refused(lambda: run_import(folder, tmp_path / "out"))
    assert (problem.code, problem.where) == ("data.folder_loop", "faq/sub/again")
    assert "loop" in problem.what
    (folder / "sub" / "again").unlink()
    (folder / "b.jsonl").symlink_to(folder / "c.jsonl")
    (folder / "c.jsonl").symlink_to(folder / "b.jsonl")
    assert refused(lambda: expand(folder)).code == "data.folder_loop"


def test_links_out_of_a_folder_are_refused_and_those_within_it_followed(tmp_path: Path) -> None:
    folder = tmp_path / "faq"
    (folder / "blobs").mkdir(parents=True)
    secret = write_jsonl(tmp_path / "secret.jsonl", QA)
    write_jsonl(folder / "blobs" / "a", QA)
    (folder / "a.jsonl").symlink_to("blobs/a")
    assert [part.name for part in expand(folder).learned] == ["a.jsonl"]
    (folder / "b.jsonl").symlink_to(secret)
    problem = refused(lambda: run_import(folder, tmp_path / "out"))
    assert (problem.code, problem.where) == ("data.link_refused", "faq/b.jsonl")
    (folder / "b.jsonl").unlink()
    (folder / "far").symlink_to(tmp_path, target_is_directory=True)
    assert refused(lambda: expand(folder)).code in ("data.link_refused", "data.folder_loop")


def test_a_folder_of_too_many_files_or_levels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "faq"
    folder.joinpath(*"abcdef").mkdir(parents=True)
    for number in range(6):
        write(folder / f"{number}.jsonl", "{}")
    monkeypatch.setattr(folders, "MAX_DEPTH", 3)
    assert refused(lambda: expand(folder)).code == "data.too_deep"
    monkeypatch.setattr(folders, "MAX_FILES", 5)
    assert refused(lambda: expand(folder)).code == "data.too_many_files"


# --- datasets that `datasets` saved ----------------------------------------------------------------------------------


def test_a_saved_dataset_is_read_without_the_library_that_wrote_it(tmp_path: Path) -> None:
    folder = save_dataset(tmp_path / "saved", {"": QA})
    check = (
        "import sys; from pathlib import Path\n"
        "from studio.data.parts import expand; from studio.data.rows import read\n"
        "rows = [r for p in expand(Path(sys.argv[1])).learned for r in read(p)];"
        "assert len(rows) == 20 and 'datasets' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-P", "-c", check, str(folder)],
        check=True,
        env=dict(os.environ, PYTHONPATH=":".join(sys.path)),
    )


def test_the_splits_of_a_saved_dataset_are_put_on_their_sides_and_can_be_chosen(tmp_path: Path) -> None:
    splits = {"test": QA[:3], "train": QA[3:15], "extra": QA[15:]}
    folder = save_dataset(tmp_path / "saved", splits)
    events: list[Event] = []
    imported = run(folder, tmp_path / "out", events)
    assert (imported.usable, imported.held_back_rows) == (15, 3)
    assert imported.problems[0].what == (
        '"train" is learned from, "test" is kept aside as test rows; "extra" was not read.'
    )
    assert isinstance(events[0], Inspected)
    assert events[0].splits == ("test", "train", "extra")
    assert run(folder, tmp_path / "out", reading=Reading(split="extra")).usable == 8
    problem = refused(lambda: run(folder, tmp_path / "out", reading=Reading(split="dev")))
    assert problem.code == "data.no_split"
    assert '"test", "train", "extra"' in problem.why


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("state.json", "{", "damaged_folder"),
        ("state.json", "[]", "damaged_folder"),
        ("state.json", "{}", "damaged_folder"),
        ("state.json", {"_data_files": [{"filename": "../a.arrow"}]}, "unsafe_path"),
        ("state.json", {"_data_files": [{"filename": 7}]}, "unsafe_path"),
        ("state.json", {"_data_files": [{"filename": "gone.arrow"}]}, "missing"),
        ("state.json", {"_data_files": [], "_indices_data_files": [{"filename": "i.arrow"}]}, "damaged_folder"),
        ("dataset_dict.json", {"splits": ["../train"]}, "unsafe_path"),
        ("dataset_dict.json", {"splits": []}, "damaged_folder"),
        ("dataset_dict.json", {"splits": ["gone"]}, "unreadable"),
    ],
)
def test_a_saved_dataset_whose_description_lies_is_refused(
    tmp_path: Path, file: str, content: object, code: str
) -> None:
    folder = save_dataset(tmp_path / "saved", {"": QA})
    write(folder / file, content if isinstance(content, str) else json.dumps(content))
    assert refused(lambda: run_import(folder, tmp_path / "out")).code == f"data.{code}"


# --- several files, and how often they count -------------------------------------------------------------------------


def test_further_files_belong_to_the_same_dataset(tmp_path: Path) -> None:
    first, second = write_jsonl(tmp_path / "a.jsonl", QA[:12]), write_jsonl(tmp_path / "b.jsonl", QA[10:])
    imported = run(first, tmp_path / "out", more=(str(second),))
    assert (imported.rows, imported.usable) == (22, 22)
    assert [(problem.code, problem.where) for problem in imported.problems] == [
        ("data.duplicates", "b.jsonl, rows 1, 2")
    ]


def test_weights_repeat_and_draw_rows_and_say_how_many(tmp_path: Path) -> None:
    many = [{"question": f"Where is {n}?", "answer": f"There, {n}."} for n in range(400)]
    first, second = write_jsonl(tmp_path / "a.jsonl", QA), write_jsonl(tmp_path / "b.jsonl", many)
    imported = run(first, tmp_path / "out", more=(str(second),), weights=(3, 0.25))
    dataset = open_dataset(tmp_path / "out")
    answers = [record.messages[1].content for record in dataset.records()]
    assert answers[:6] == [QA[0]["answer"]] * 3 + [QA[1]["answer"]] * 3
    drawn = len(answers) - 60
    assert 70 < drawn < 130
    assert len(set(answers[60:])) == drawn
    assert (imported.rows, imported.usable) == (60 + drawn, 60 + drawn)
    assert codes(imported) == ["data.weighted", "data.weighted"]
    assert imported.problems[0].what == "Its rows count 3 times: 20 usable rows became 60 rows."
    again = run(second, tmp_path / "again", weights=(0.25,))
    assert again.usable == drawn


def test_test_rows_are_never_weighted(tmp_path: Path) -> None:
    first, test = write_jsonl(tmp_path / "a.jsonl", QA[:5]), write_jsonl(tmp_path / "t.jsonl", QA[5:])
    imported = run(first, tmp_path / "out", held_back=str(test), weights=(2,))
    assert (imported.usable, imported.held_back_rows) == (25, 15)


def test_a_part_of_a_copy_is_drawn_by_the_rows_content() -> None:
    keys = [f"{n:016x}" for n in range(2000)]
    assert {copies(key, 2) for key in keys} == {2}
    drawn = [copies(key, 1.5) for key in keys]
    assert set(drawn) == {1, 2}
    assert 0.45 < sum(drawn) / len(keys) - 1 < 0.55
    assert all(copies(key, 0.3) <= copies(key, 0.6) for key in keys)


@pytest.mark.parametrize("weights", [(1.0,), (1, 2, 3), (0, 1), (-1, 1), (float("nan"), 1), (101, 1)])
def test_weights_that_make_no_sense_are_refused(tmp_path: Path, weights: tuple[float, ...]) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", QA)
    assert refused(lambda: run(path, tmp_path / "out", more=(str(path),), weights=weights)).code == "data.weights"


def test_a_weight_that_leaves_no_row_is_named(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", QA)
    problem = refused(lambda: run(path, tmp_path / "out", weights=(1e-9,)))
    assert (problem.code, problem.where) == ("data.weights", "a.jsonl")


def test_what_can_be_chosen_of_a_workbook_is_told_before_it_is_read(tmp_path: Path) -> None:
    table = sheet([["question", "answer"], ["Who?", "Me."], ["Where?", "Here."]])
    path = write(tmp_path / "a.xlsx", workbook_bytes({"One": table, "Two": table}))
    events: list[Event] = []
    run(path, tmp_path / "out", events)
    assert isinstance(events[0], Inspected)
    assert (events[0].reading.sheet, events[0].sheets) == ("One", ("One", "Two"))
    imported = run(path, tmp_path / "out", reading=Reading(sheet="Two"))
    assert '"Two"' in imported.problems[0].what


def test_every_choice_of_an_import_survives_its_job_file(tmp_path: Path) -> None:
    work = ImportJob(
        source="a.xlsx",
        destination="out",
        name="Mine",
        more=("b.xlsx",),
        reading=Reading(sheet="FAQ", documents="line", split="train"),
        weights=(1.0, 0.5),
    )
    save(work, tmp_path / "job.json")
    assert load(tmp_path / "job.json") == work
