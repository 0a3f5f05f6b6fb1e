"""Rows split by a group or by time: kept at import, the same for every reader."""

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.contract.control import Going
from studio.contract.job import ImportJob
from studio.contract.splits import Split
from studio.data.dataset import Dataset, open_dataset, read_info
from studio.data.edits import EditLog, Exclude
from studio.data.importing import import_dataset
from studio.data.row_split import RowSplit, change_split
from studio.data.split import group_of, is_held_back, position, positions, time_of
from tests.data.files import QA, refused, run_import, write_jsonl

PATIENTS = [
    {
        "question": f"What is {n}?",
        "answer": f"It is {n}.",
        "patient": n // 7,
        "day": f"2024-{1 + n // 20:02}-{1 + n % 20:02}",
    }
    for n in range(140)
]


def imported(tmp_path: Path, group: str = "", time: str = "", name: str = "set", **more: str) -> Dataset:
    source = write_jsonl(tmp_path / f"{name}.jsonl", PATIENTS)
    work = ImportJob(source=str(source), destination=str(tmp_path / name), name=name, group=group, time=time, **more)
    import_dataset(work, lambda event: None, Going())
    return open_dataset(tmp_path / name)


def test_all_rows_of_one_group_are_on_one_side(tmp_path: Path) -> None:
    dataset = imported(tmp_path, group="patient")
    assert dataset.info.split == Split(by="group", column="patient")
    sides = dataset.sides(0.3)
    groups = {(row["patient"], side) for row, side in zip(PATIENTS, sides, strict=True)}
    assert len(groups) == 20
    assert 0 < sum(sides) < 140
    assert [dataset.is_held_back(index, 0.3) for index in range(140)] == sides
    assert RowSplit(dataset.folder).counts(0.3) == (140 - sum(sides), sum(sides))
    held = {position(str(row["patient"])) < 0.3 for row, side in zip(PATIENTS, sides, strict=True) if side}
    assert held == {True}


def test_the_newest_rows_are_held_back(tmp_path: Path) -> None:
    dataset = imported(tmp_path, time="day")
    assert dataset.info.split == Split(by="time", column="day")
    assert dataset.sides(0.1) == [False] * 126 + [True] * 14
    EditLog(dataset.folder, 140).apply(Exclude(tuple(range(60))))
    assert open_dataset(dataset.folder).sides(0.1) == [False] * 66 + [True] * 14


def test_the_engine_reads_a_dataset_with_these_columns(tmp_path: Path) -> None:
    dataset = imported(tmp_path, group="patient", time="day")
    assert dataset.table.column_names[-2:] == ["group", "time"]
    assert dataset.record(3).messages[0].content == "What is 3?"


def test_another_rule_can_be_chosen_for_what_the_import_kept(tmp_path: Path) -> None:
    dataset = imported(tmp_path, group="patient")
    keys = dataset.keys()
    by_hash = [is_held_back(key, 0.3) for key in keys]
    change_split(dataset.info, Split())
    assert open_dataset(dataset.folder).sides(0.3) == by_hash
    change_split(dataset.folder, Split(seed=7))
    other = open_dataset(dataset.folder)
    assert other.sides(0.3) == [position(key, 7) < 0.3 for key in keys]
    assert other.sides(0.3) != by_hash
    assert refused(lambda: change_split(dataset.folder, Split(by="time"))).code == "data.no_split_column"


def test_a_dataset_of_an_earlier_version_is_split_by_hash(tmp_path: Path) -> None:
    run_import(write_jsonl(tmp_path / "faq.jsonl", QA), tmp_path / "set")
    assert b"split" not in (tmp_path / "set" / "dataset.json").read_bytes().replace(b'"split": {}', b"")
    assert read_info(tmp_path / "set").split == Split()


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    problem = refused(lambda: imported(tmp_path, group="customer"))
    assert problem.code == "data.no_column"
    assert '"patient"' in problem.why
    assert not (tmp_path / "set").exists()


def test_rows_without_a_readable_date_are_counted(tmp_path: Path) -> None:
    rows = [row | {"day": "05/06/2024"} if n < 3 else row for n, row in enumerate(PATIENTS)]
    source = write_jsonl(tmp_path / "some.jsonl", rows)
    work = ImportJob(source=str(source), destination=str(tmp_path / "some"), name="some", time="day")
    problems = import_dataset(work, lambda event: None, Going()).problems
    assert [(problem.code, problem.what) for problem in problems] == [
        ("data.no_time", "3 rows have no time that can be read.")
    ]


def test_a_column_without_any_date_is_refused_and_one_with_few_is_not_whatever_the_weight(tmp_path: Path) -> None:
    rows = [{**row, "day": row["day"] if n % 4 == 0 else "soon"} for n, row in enumerate(PATIENTS)]
    source = write_jsonl(tmp_path / "few.jsonl", rows)
    work = ImportJob(source=str(source), destination=str(tmp_path / "few"), name="few", time="day", weights=(0.5,))
    found = import_dataset(work, lambda event: None, Going())
    assert "data.no_time" in {problem.code for problem in found.problems}
    write_jsonl(source, [{**row, "day": "soon"} for row in PATIENTS])
    work = ImportJob(source=str(source), destination=str(tmp_path / "no"), name="no", time="day", weights=(2.0,))
    assert refused(lambda: import_dataset(work, lambda event: None, Going())).code == "data.no_time"
    assert not (tmp_path / "no").exists()


def test_an_own_test_file_stands_above_every_rule(tmp_path: Path) -> None:
    test = write_jsonl(tmp_path / "test.jsonl", PATIENTS[:7])
    dataset = imported(tmp_path, group="patient", held_back=str(test))
    assert dataset.sides(0.5) == dataset.sides(0.0) == [False] * 140 + [True] * 7


@given(
    times=st.lists(st.none() | st.integers(0, 5).map(float), min_size=1, max_size=40),
    share=st.floats(0, 0.5),
    larger=st.floats(0, 0.5),
)
def test_by_time_no_tested_row_is_older_than_a_learned_one(
    times: list[float | None], share: float, larger: float
) -> None:
    keys, sides = [str(n) for n in range(len(times))], [""] * len(times)
    places = positions(Split(by="time"), keys, (), times, sides)
    held = [time for time, place in zip(times, places, strict=True) if place < share]
    learned = [time for time, place in zip(times, places, strict=True) if place >= share and time is not None]
    assert None not in held
    assert not held or not learned or min(time for time in held if time is not None) > max(learned)
    assert {n for n, p in enumerate(places) if p < min(share, larger)} <= {
        n for n, p in enumerate(places) if p < larger
    }


def test_rows_of_one_time_go_to_the_side_where_their_middle_lies() -> None:
    def places(times: list[float]) -> list[float]:
        return positions(Split(by="time"), [""] * len(times), (), times, [""] * len(times))

    assert places([3.0, 3.0, 3.0, 3.0]) == [0.5] * 4
    assert places([1.0, 2.0, 3.0, 4.0]) == [0.875, 0.625, 0.375, 0.125]
    assert places([1.0, 9.0, 9.0, 1.0]) == [0.75, 0.25, 0.25, 0.75]


def test_a_row_without_a_group_stands_for_itself() -> None:
    places = positions(Split(by="group"), ["a", "b"], [None, None], (), ["", ""])
    assert places == [position("a"), position("b")]
    assert [group_of(value) for value in (" x ", 7, 7.0, True, None, "", [1])] == [
        "x",
        "7",
        "7",
        "True",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (5, 5.0), (2.5, 2.5), ("1700000000", 1700000000.0), ("1970-01-02", 86400.0), ("02.01.1970", 86400.0),
        ("1970/01/02 00:01", 86460.0), ("1970-01-01T01:00:00+01:00", 0.0), ("1970-01-02T00:00:00Z", 86400.0),
        (datetime.date(1970, 1, 2), 86400.0), (datetime.datetime(1970, 1, 2), 86400.0),
        ("01/02/1970", None), ("yesterday", None), ("", None), (None, None), (True, None), (float("nan"), None),
        ("nan", None), ("1e400", None),
    ],
)  # fmt: skip
def test_a_time_is_read_where_it_can_mean_one_thing_only(value: object, seconds: float | None) -> None:
    assert time_of(value) == seconds


def test_with_few_groups_one_is_held_back_whatever_the_seed_and_never_most_of_the_rows() -> None:
    groups = ["big"] * 70 + ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    keys = [f"{n:016x}" for n in range(100)]
    for seed in range(40):
        places = positions(Split(by="group", seed=seed), keys, groups, (), [""] * 100)
        held = {group for group, place in zip(groups, places, strict=True) if place < 0.1}
        assert held
        assert held != {"big"}
        assert {place for place in places if place < 1e-9} == {0.0}
    assert not any(place < 0.0 for place in places)
    alone = positions(Split(by="group"), keys[:3], ["x"] * 3, (), [""] * 3)
    assert alone != [0.0] * 3
