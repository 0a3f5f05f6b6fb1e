"""Few rows of which chance holds back none: it is said, and another seed holds some back, for good."""

from pathlib import Path

import msgspec
import pytest

from studio.contract.splits import Split
from studio.data.dataset import Dataset, open_dataset
from studio.data.holding_back import seed_that_holds_back
from studio.data.row_split import RowSplit, change_split
from tests.data.doctor.sets import examine, finding, found, sound, write_set


def few(folder: Path, rows: int) -> Dataset:
    """The first sound rows of which none is held back at 10 %."""
    for start in range(100):
        dataset = write_set(folder / f"{start}", sound(rows, 100 * start))
        if not any(dataset.sides(0.1)):
            return dataset
    raise AssertionError("chance held some back, a hundred times")


@pytest.mark.parametrize("rows", [2, 3, 6, 12, 20])
def test_the_seed_that_is_offered_holds_back_about_the_share_and_never_all(tmp_path: Path, rows: int) -> None:
    dataset = few(tmp_path, rows)
    other = seed_that_holds_back(dataset, 0.1)
    assert other is not None
    assert other[1] == max(1, round(0.1 * rows))
    change_split(dataset.info, Split(seed=other[0]))
    assert RowSplit(dataset.folder).counts(0.1) == (rows - other[1], other[1])


def test_the_rows_that_are_held_back_stay_so_when_others_are_left_out_or_come_to_them(tmp_path: Path) -> None:
    dataset = few(tmp_path, 6)
    other = seed_that_holds_back(dataset, 0.1)
    assert other is not None
    seeded = change_split(dataset.info, Split(seed=other[0])).split
    keys = {key for key, held in zip(dataset.keys(), open_dataset(dataset.folder).sides(0.1), strict=True) if held}
    rows = [(record.messages[0].content, record.messages[1].content) for record in dataset.records()]
    for name, changed in (("fewer", rows[1:]), ("more", [*sound(200, 5000), *rows])):
        changed_set = write_set(tmp_path / name, changed, split=seeded)
        still = dict(zip(changed_set.keys(), changed_set.sides(0.1), strict=True))
        before = dataset.keys()
        assert {key for key in before if still.get(key)} == keys & still.keys()


def test_there_is_no_such_seed_for_rows_that_are_all_the_same_or_a_share_of_none(tmp_path: Path) -> None:
    same = write_set(tmp_path / "same", sound(1) * 5)
    assert seed_that_holds_back(same, 0.1) is None
    assert seed_that_holds_back(few(tmp_path, 6), 0.0) is None
    newest = msgspec.structs.replace(same.info, split=Split(by="time", column="day"))
    assert seed_that_holds_back(Dataset(same.folder, newest, same.table, same.edits), 0.1) is None


def test_the_doctor_says_that_no_row_is_held_back_and_what_that_means(tmp_path: Path) -> None:
    dataset = few(tmp_path, 6)
    diagnosed = examine(dataset)
    one = found(diagnosed, "none_held_back")
    assert (one.fix, one.fix_rows, one.count) == ("hold_back", 1, 6)
    assert diagnosed.verdict == (
        "All 6 rows are usable. No row is held back for testing, so nothing would show whether the model learns or "
        "only repeats."
    )
    assert finding(examine(dataset, held_back_share=0.0), "none_held_back") is None
    other = seed_that_holds_back(dataset, 0.1)
    assert other is not None
    change_split(dataset.info, Split(seed=other[0]))
    mended = examine(open_dataset(dataset.folder))
    assert finding(mended, "none_held_back") is None
    assert mended.split == Split(seed=other[0])


def test_the_verdict_tells_it_beside_what_else_is_wrong(tmp_path: Path) -> None:
    rows = [(record.messages[0].content, record.messages[1].content) for record in few(tmp_path, 5).records()]
    diagnosed = examine(write_set(tmp_path / "set", [*rows, rows[0]]))
    assert found(diagnosed, "exact_duplicates").title in diagnosed.verdict
    assert "No row is held back" in diagnosed.verdict


def test_rows_that_are_all_the_same_are_told_what_helps_and_offered_no_click(tmp_path: Path) -> None:
    for start in range(100):
        dataset = write_set(tmp_path / f"{start}", sound(1, start) * 4)
        if not any(dataset.sides(0.1)):
            break
    one = found(examine(dataset), "none_held_back")
    assert one.fix == ""
    assert "Add rows that differ" in one.advice
