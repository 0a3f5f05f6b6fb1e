"""The import job: what it tells, what it writes, and that it leaves nothing half done."""

import errno
import json
import os
import time
import tracemalloc
from pathlib import Path

import pytest

from studio.contract.control import Going, Wish
from studio.contract.events import Event, Inspected, Progress, encode
from studio.contract.job import ImportJob, Mapping
from studio.contract.run_folder import MARKER, make_folder
from studio.data import importing, intake, new_folder
from studio.data.dataset import list_datasets, open_dataset, read_info
from studio.data.formats import jsonl
from studio.data.importing import import_dataset
from tests.data.files import QA, refused, run_import, write, write_jsonl


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "faq.jsonl", QA)


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "datasets" / "faq-1"


def test_an_import_tells_what_it_sees_and_writes_what_it_read(source: Path, destination: Path) -> None:
    events: list[Event] = []
    before = source.read_bytes()
    imported = run_import(source, destination, events=events)
    assert (imported.rows, imported.usable, imported.held_back_rows, imported.problems) == (20, 20, 0, ())
    assert (imported.folder, imported.name) == (str(destination), "Mine")
    first = events[0]
    assert isinstance(first, Inspected)
    assert (first.columns, first.rows_seen, len(first.first_rows)) == (("question", "answer"), 20, 5)
    assert first.mapping == imported.mapping
    assert first.first_rows[0] == QA[0]
    dataset = open_dataset(destination)
    assert [record.messages[1].content for record in dataset.records()] == [row["answer"] for row in QA]
    assert [record.source_row for record in dataset.records()] == list(range(1, 21))
    assert source.read_bytes() == before


def test_progress_counts_bytes_up_to_the_size_of_the_files(
    source: Path, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "PROGRESS_SECONDS", 0)
    events: list[Event] = []
    run_import(source, destination, held_back=write_jsonl(source.parent / "test.jsonl", QA[:3]), events=events)
    progress = [event for event in events if isinstance(event, Progress)]
    total = source.stat().st_size + (source.parent / "test.jsonl").stat().st_size
    assert {event.total for event in progress} == {total}
    assert {event.unit for event in progress} == {"bytes"}
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    assert progress[-1].done == total


def test_progress_comes_at_most_ten_times_a_second(tmp_path: Path, destination: Path) -> None:
    events: list[Event] = []
    start = time.monotonic()
    run_import(write_jsonl(tmp_path / "a.jsonl", QA * 500), destination, events=events)
    seconds = time.monotonic() - start
    assert sum(isinstance(event, Progress) for event in events) <= 10 * seconds + 1


def test_shown_rows_are_short_and_can_cross_the_wire(tmp_path: Path, destination: Path) -> None:
    rows = [
        {"question": "x" * 5000 + str(n), "answer": "\ud800", "n": 2**70, "list": [1, None], "o": {"\u00e4": "\udc00"}}
        for n in range(9)
    ]
    events: list[Event] = []
    problem = refused(lambda: run_import(write_jsonl(tmp_path / "a.jsonl", rows), destination, events=events))
    assert problem.code == "data.no_usable_rows"
    shown = events[0]
    assert isinstance(shown, Inspected)
    assert all(len(value) <= 300 for row in shown.first_rows for value in row.values())
    assert shown.first_rows[0]["list"] == "[1,null]"
    for event in events:
        encode(event)


def test_which_rows_were_left_out_is_told_up_to_twenty_of_a_kind(tmp_path: Path, destination: Path) -> None:
    rows = [*QA, *({"question": f"{n}?", "answer": ""} for n in range(23))]
    (told,) = run_import(write_jsonl(tmp_path / "faq.jsonl", rows), destination).problems
    first = len(QA) + 1
    assert told.where == f"faq.jsonl, rows {', '.join(str(n) for n in range(first, first + 20))} and 3 more"


def test_rows_that_cannot_be_learned_from_are_left_out_and_counted_in_words(tmp_path: Path, destination: Path) -> None:
    rows = [*QA, {"question": "Who?", "answer": ""}, {"question": "", "answer": "Me."}]
    rows += [{"question": f"{n}?", "answer": " "} for n in range(4)]
    imported = run_import(write_jsonl(tmp_path / "faq.jsonl", rows), destination)
    assert (imported.rows, imported.usable) == (26, 20)
    empty, blank = imported.problems
    assert (empty.code, empty.where) == ("row.empty_answer", "faq.jsonl, rows 21, 23, 24, 25, 26")
    assert empty.what == "5 rows were left out: the answer is empty, so there is nothing to learn."
    assert (blank.code, blank.where) == ("row.empty_question", "faq.jsonl, row 22")
    assert blank.what == "1 row was left out: the question is empty."
    assert read_info(destination).problems == imported.problems


def test_rows_that_occur_again_are_counted_and_kept(tmp_path: Path, destination: Path) -> None:
    imported = run_import(write_jsonl(tmp_path / "faq.jsonl", [*QA, QA[3], QA[4], QA[3]]), destination)
    assert imported.usable == 23
    assert [(problem.code, problem.where) for problem in imported.problems] == [
        ("data.duplicates", "faq.jsonl, rows 21, 22, 23")
    ]
    assert imported.problems[0].what.startswith("3 rows repeat")


def test_a_test_file_of_the_users_own_decides_the_sides(source: Path, tmp_path: Path, destination: Path) -> None:
    own = [{"question": "New?", "answer": "Yes."}, QA[7]]
    imported = run_import(source, destination, held_back=write_jsonl(tmp_path / "test.jsonl", own))
    assert (imported.rows, imported.usable, imported.held_back_rows) == (22, 22, 2)
    dataset = open_dataset(destination)
    assert [record.side for record in dataset.records()] == ["train"] * 20 + ["held_back"] * 2
    assert dataset.sides(0.5) == [False] * 20 + [True] * 2
    assert [(p.code, p.where) for p in imported.problems] == [("data.overlap", "test.jsonl, row 2")]
    assert [file.name for file in dataset.info.sources] == ["faq.jsonl", "test.jsonl"]


def test_a_further_file_may_name_its_columns_otherwise(source: Path, tmp_path: Path, destination: Path) -> None:
    rows = [{"Frage": f"Wer ist {n}?", "Antwort": f"Ich bin {n}."} for n in range(3)]
    own = write_jsonl(tmp_path / "test.jsonl", rows)
    imported = run_import(source, destination, held_back=own)
    assert imported.held_back_rows == 3
    (told,) = [problem for problem in imported.problems if problem.code == "data.own_columns"]
    assert (told.where, "Antwort" in told.what) == ("test.jsonl", True)
    last = list(open_dataset(destination).records())[-1]
    assert [turn.content for turn in last.messages] == ["Wer ist 2?", "Ich bin 2."]


def test_a_test_file_of_another_shape_is_refused(source: Path, tmp_path: Path, destination: Path) -> None:
    own = write_jsonl(tmp_path / "test.jsonl", [{"number": 1, "size": 2}])
    problem = refused(lambda: run_import(source, destination, held_back=own))
    assert (problem.code, problem.where) == ("data.mapping_column", "test.jsonl")
    assert not destination.exists()


def test_a_mapping_of_the_users_own_is_followed(tmp_path: Path, destination: Path) -> None:
    rows = [{"x": f"Q{n}", "y": f"A{n}", "z": "S"} for n in range(3)]
    mapping = Mapping(shape="prompt_completion", prompt="y", completion="x", system="z")
    imported = run_import(write_jsonl(tmp_path / "a.jsonl", rows), destination, mapping)
    assert imported.mapping == mapping
    assert [message.content for message in open_dataset(destination).record(0).messages] == ["S", "A0", "Q0"]


def test_what_cannot_be_mapped_is_shown_before_it_is_refused(tmp_path: Path, destination: Path) -> None:
    events: list[Event] = []
    path = write_jsonl(tmp_path / "a.jsonl", [{"when": "2026-01-01"}, {"when": "2026-01-02"}])
    problem = refused(lambda: run_import(path, destination, events=events))
    assert (problem.code, problem.where) == ("data.no_mapping", "a.jsonl")
    assert '"when"' in problem.why
    inspected = events[0]
    assert isinstance(inspected, Inspected)
    assert inspected.mapping is None
    assert inspected.columns == ("when",)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], "data.empty_file"),
        (QA[:1], "data.one_row"),
        ([QA[0], {"question": "Who?", "answer": ""}], "data.one_row"),
        ([{"question": "Who?", "answer": ""}] * 3, "data.no_usable_rows"),
    ],
)
def test_too_few_rows_are_refused_and_leave_nothing(
    tmp_path: Path, destination: Path, rows: list[object], code: str
) -> None:
    problem = refused(lambda: run_import(write_jsonl(tmp_path / "a.jsonl", rows), destination))
    assert (problem.code, problem.where) == (code, "a.jsonl")
    assert not destination.parent.exists() or list(destination.parent.iterdir()) == []


def test_a_table_of_names_only_has_no_records(tmp_path: Path, destination: Path) -> None:
    path = write(tmp_path / "a.csv", "question,answer\n")
    assert refused(lambda: run_import(path, destination)).code == "data.no_rows"


def test_a_broken_line_deep_in_the_file_ends_the_import_and_leaves_nothing(tmp_path: Path, destination: Path) -> None:
    text = "".join(json.dumps(row) + "\n" for row in QA * 30)
    path = write(tmp_path / "a.jsonl", text + "oops\n" + text)
    events: list[Event] = []
    problem = refused(lambda: run_import(path, destination, events=events))
    assert (problem.code, problem.where) == ("data.broken_json", "a.jsonl:601")
    assert isinstance(events[0], Inspected)
    assert list(destination.parent.iterdir()) == []


def test_broken_lines_are_left_out_and_counted_where_that_is_wanted(tmp_path: Path, destination: Path) -> None:
    text = "".join(json.dumps(row) + "\n" for row in QA)
    path = write(tmp_path / "a.jsonl", "oops\n" + text + "oops\n")
    imported = run_import(path, destination, skip_damaged=True)
    assert (imported.rows, imported.usable) == (22, 20)
    assert [(p.code, p.where) for p in imported.problems] == [("data.broken_json", "a.jsonl, rows 1, 22")]
    assert imported.problems[0].what.startswith("2 rows were left out: damaged")


def test_lines_that_are_left_out_already_are_not_to_be_left_out(tmp_path: Path, destination: Path) -> None:
    good = "".join(json.dumps(row) + "\n" for row in QA)
    left_out = run_import(write(tmp_path / "a.jsonl", good + "{oops\n"), destination, skip_damaged=True).problems[0]
    assert left_out.fix == "Correct that line."
    broken = write(tmp_path / "a.json", json.dumps(QA)[:-1])
    for skip_damaged in (False, True):
        problem = refused(lambda skip=skip_damaged: run_import(broken, destination, skip_damaged=skip))
        assert "leave damaged lines out" not in problem.fix, "it would not help"


class Wishing:
    """A control that says each of its wishes once, then the last one for ever."""

    def __init__(self, *wishes: Wish) -> None:
        self.wishes = list(wishes)
        self.waits = 0

    def poll(self) -> Wish:
        return self.wishes.pop(0) if len(self.wishes) > 1 else self.wishes[0]

    def wait(self, seconds: float) -> None:
        self.waits += 1


@pytest.mark.parametrize("wish", ["stop", "discard"])
def test_a_cancelled_import_leaves_nothing_and_keeps_what_was_there(
    source: Path, destination: Path, wish: Wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "PROGRESS_SECONDS", 0)
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 200)  # so that the file is several batches
    run_import(source, destination)
    before = (destination / "rows.arrow").read_bytes()
    work = ImportJob(source=str(source), destination=str(destination), name="Other")
    control = Wishing("go", "go", wish)
    assert refused(lambda: import_dataset(work, lambda event: None, control)).code == "data.cancelled"
    assert [folder.name for folder in destination.parent.iterdir()] == ["faq-1"]
    assert (destination / "rows.arrow").read_bytes() == before
    assert read_info(destination).name == "Mine"


def test_a_wish_in_the_last_moment_still_counts(source: Path, destination: Path) -> None:
    work = ImportJob(source=str(source), destination=str(destination), name="Mine")
    control = Wishing("go", "stop")
    assert refused(lambda: import_dataset(work, lambda event: None, control)).code == "data.cancelled"
    assert not destination.exists()


def test_a_paused_import_goes_on(source: Path, destination: Path) -> None:
    control = Wishing("pause", "pause", "go")
    work = ImportJob(source=str(source), destination=str(destination), name="Mine")
    assert import_dataset(work, lambda event: None, control).usable == 20
    assert control.waits == 2


def test_a_file_that_changes_meanwhile_is_refused(source: Path, destination: Path) -> None:
    def touch(event: Event) -> None:
        if isinstance(event, Inspected):
            with source.open("a", encoding="utf-8") as file:
                file.write(json.dumps(QA[0]) + "\n")

    work = ImportJob(source=str(source), destination=str(destination), name="Mine")
    problem = refused(lambda: import_dataset(work, touch, Going()))
    assert (problem.code, problem.where) == ("data.changed", "faq.jsonl")
    assert list(destination.parent.iterdir()) == []


def test_a_file_that_grows_while_it_is_read_is_refused(source: Path, destination: Path) -> None:
    def touch(event: Event) -> None:
        if isinstance(event, Progress):
            with source.open("a", encoding="utf-8") as file:
                file.write(json.dumps(QA[0]) + "\n")

    work = ImportJob(source=str(source), destination=str(destination), name="Mine")
    assert refused(lambda: import_dataset(work, touch, Going())).code == "data.changed"


def test_an_older_dataset_of_ours_is_replaced_whole(source: Path, destination: Path, tmp_path: Path) -> None:
    run_import(source, destination)
    (destination / "left.txt").write_text("old")
    run_import(write_jsonl(tmp_path / "b.jsonl", QA[:4]), destination)
    assert len(open_dataset(destination)) == 4
    assert not (destination / "left.txt").exists()
    assert [folder.name for folder in destination.parent.iterdir()] == ["faq-1"]


def test_a_strangers_folder_is_never_replaced(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "photo.jpg").write_text("x")
    assert refused(lambda: run_import(source, folder)).code == "data.destination_not_ours"
    link = tmp_path / "link"
    make_folder(tmp_path / "ours")
    link.symlink_to(tmp_path / "ours")
    assert refused(lambda: run_import(source, link)).code == "data.destination_not_ours"
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    assert refused(lambda: run_import(source, dangling)).code == "data.destination_not_ours"
    assert (folder / "photo.jpg").read_text() == "x"


def test_a_place_that_cannot_be_written_is_said_in_words(source: Path, tmp_path: Path) -> None:
    write(tmp_path / "file", "x")
    assert refused(lambda: run_import(source, tmp_path / "file" / "sub")).code == "data.unwritable"


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "data.disk_full"), (errno.EIO, "data.unwritable")])
def test_a_full_disk_is_said_in_words_and_leaves_nothing(
    source: Path, destination: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(importing, "write_info", fail)
    assert refused(lambda: run_import(source, destination)).code == code
    assert list(destination.parent.iterdir()) == []


def test_a_failed_exchange_keeps_the_old_dataset(
    source: Path, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_import(source, destination)
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name.startswith(".importing"):
            raise OSError(errno.EACCES, "held by another program")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    assert refused(lambda: run_import(source, destination)).code == "data.unwritable"
    monkeypatch.undo()
    assert [folder.name for folder in destination.parent.iterdir()] == ["faq-1"]
    assert len(open_dataset(destination)) == 20


def test_what_a_killed_import_left_is_swept_up_later_and_only_if_it_is_ours(source: Path, destination: Path) -> None:
    destination.parent.mkdir()
    old, young, strange = (destination.parent / f".importing-{name}" for name in ("old", "young", "strange"))
    for folder in (old, young):
        make_folder(folder)
    strange.mkdir()
    for folder in (old, strange):
        os.utime(folder, (0, time.time() - 2 * new_folder._ABANDONED_SECONDS))
    run_import(source, destination)
    assert (old.exists(), young.exists(), strange.exists()) == (False, True, True)
    assert [info.id for info in list_datasets(destination.parent)] == ["faq-1"]


def test_the_new_folder_is_for_its_owner_only(source: Path, destination: Path) -> None:
    run_import(source, destination)
    assert (destination / MARKER).is_file()
    if os.name == "posix":
        assert {oct(path.stat().st_mode & 0o077) for path in (destination, *destination.iterdir())} == {"0o0"}


def test_a_nameless_import_is_named_like_its_file(source: Path, destination: Path) -> None:
    work = ImportJob(source=str(source), destination=str(destination), name="  ")
    assert import_dataset(work, lambda event: None, Going()).name == "faq"


def peak_bytes(source: Path, destination: Path) -> int:
    run_import(source, destination.with_name("warm"))  # libraries load once
    tracemalloc.start()
    try:
        run_import(source, destination)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def long_rows(path: Path, rows: int) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            file.write(json.dumps({"question": f"What is {number}?", "answer": f"It is {number}. " * 40}) + "\n")
    return path


def test_memory_does_not_grow_with_the_file(tmp_path: Path, destination: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # How many blocks are read ahead of what is written depends on the machine's load: so they are small here.
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 256 * 1024)
    large, small = long_rows(tmp_path / "a.jsonl", 100_000), long_rows(tmp_path / "b.jsonl", 40_000)
    more = large.stat().st_size - small.stat().st_size
    assert more > 30_000_000
    assert peak_bytes(large, destination) - peak_bytes(small, destination) < more / 5


@pytest.mark.slow
def test_two_hundred_thousand_rows_stay_within_memory(tmp_path: Path, destination: Path) -> None:
    imported = run_import(long_rows(tmp_path / "a.jsonl", 200_000), destination)
    assert imported.usable == 200_000
    small = peak_bytes(long_rows(tmp_path / "b.jsonl", 4_000), destination)
    assert peak_bytes(tmp_path / "a.jsonl", destination) - small < 10_000_000
