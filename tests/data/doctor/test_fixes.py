"""One-click fixes: each is one step that undo takes back, and none drops the last copy of a row."""

from pathlib import Path

import pytest

from studio.contract.diagnosis import Diagnosed
from studio.contract.errors import StudioError
from studio.data.dataset import Dataset, open_dataset
from studio.data.doctor.fixes import operation, spared
from studio.data.doctor.found import FOLDER, found_rows, last_diagnosis
from studio.data.doctor.mojibake import repaired
from studio.data.edits import EDITS_FILE, Cell, EditLog, Exclude, Replace
from tests.data.doctor.sets import examine, finding, found, rows_of, sentence, sound, write_set
from tests.data.files import refused


def wrong(text: str) -> str:
    return text.encode().decode("cp1252")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Every fault that a click can mend, once."""
    train = [(*pair[:2], "train") for pair in sound(30)]
    question, answer = train[4][:2]
    faults = [
        (*train[3][:2], "train"),  # 30: repeats 3
        (question, answer.rpartition(" ")[0] + " elsewhere.", "train"),  # 31: almost 4
        ("Why is that so, then?", " ", "train"),  # 32: empty
        (wrong("Grüße?"), wrong("Schöne Grüße zurück, " + sentence(900)), "train"),  # 33: damaged
        (*train[9][:2], "held_back"),  # 34: overlaps 9
        (*sound(1, 700)[0][:2], "held_back"),
    ]
    return write_set(tmp_path / "set", [*train, *faults])


FIXES = [
    ("exact_duplicates", {30}),
    ("near_duplicates", {31}),
    ("empty_answers", {32}),
    ("overlap", {9}),
]


@pytest.mark.parametrize(("code", "rows"), FIXES)
def test_a_fix_leaves_out_its_rows_and_one_undo_brings_them_back(dataset: Dataset, code: str, rows: set[int]) -> None:
    diagnosed = examine(dataset)
    before = dataset.keys()
    log = EditLog(dataset.folder, dataset.table.num_rows)
    inverse = log.apply(operation(dataset, found(diagnosed, code)))
    mended = open_dataset(dataset.folder)
    assert mended.edits.excluded == rows
    assert finding(examine(mended), code) is None
    log.apply(inverse)
    assert open_dataset(dataset.folder).keys() == before
    assert finding(examine(open_dataset(dataset.folder)), code) == found(diagnosed, code)


def test_damaged_letters_are_repaired_and_nothing_else_is_touched(dataset: Dataset) -> None:
    diagnosed = examine(dataset)
    log = EditLog(dataset.folder, dataset.table.num_rows)
    inverse = log.apply(operation(dataset, found(diagnosed, "mojibake")))
    mended = open_dataset(dataset.folder)
    assert [message.content for message in mended.record(33).messages] == [
        "Grüße?",
        "Schöne Grüße zurück, " + sentence(900),
    ]
    assert set(mended.edits.texts) == {33}
    assert finding(examine(mended), "mojibake") is None
    log.apply(inverse)
    assert not open_dataset(dataset.folder).edits


def test_all_fixes_one_after_another_leave_a_clean_dataset(dataset: Dataset) -> None:
    diagnosed = examine(dataset)
    log = EditLog(dataset.folder, dataset.table.num_rows)
    steps = [log.apply(operation(open_dataset(dataset.folder), one)) for one in diagnosed.findings if one.fix]
    assert len(steps) == 5
    again = examine(open_dataset(dataset.folder))
    assert [one.code for one in again.findings if one.fix] == []
    for step in reversed(steps):
        log.apply(step)
    assert not log.edits


def test_the_last_copy_of_a_row_is_never_dropped(dataset: Dataset) -> None:
    diagnosed = examine(dataset)
    log = EditLog(dataset.folder, dataset.table.num_rows)
    log.apply(Exclude((3, 4)))
    now = open_dataset(dataset.folder)
    assert operation(now, found(diagnosed, "exact_duplicates")) == Exclude(())
    assert operation(now, found(diagnosed, "near_duplicates")) == Exclude(())


WRITTEN = "A person wrote this, and it is like nothing else in this dataset."


@pytest.mark.parametrize(("code", "rows"), FIXES)
def test_a_row_that_was_rewritten_since_it_was_found_is_not_left_out(
    dataset: Dataset, code: str, rows: set[int]
) -> None:
    one = found(examine(dataset), code)
    (row,) = rows
    log = EditLog(dataset.folder, dataset.table.num_rows)
    undo = log.apply(Replace((Cell(row, 1, WRITTEN),)))
    now = open_dataset(dataset.folder)
    assert (operation(now, one), spared(now, one)) == (Exclude(()), 1)
    log.apply(undo)
    now = open_dataset(dataset.folder)
    assert (operation(now, one), spared(now, one)) == (Exclude((row,)), 0)


def test_nor_is_one_whose_other_row_was_rewritten_and_the_others_still_are(dataset: Dataset) -> None:
    diagnosed = examine(dataset)
    log = EditLog(dataset.folder, dataset.table.num_rows)
    log.apply(Replace((Cell(3, 1, WRITTEN), Cell(20, 1, "Elsewhere."))))
    now = open_dataset(dataset.folder)
    for code, rows in FIXES:
        one = found(diagnosed, code)
        kept = code == "exact_duplicates"
        assert (operation(now, one), spared(now, one)) == (Exclude(() if kept else tuple(rows)), int(kept)), code


def test_what_was_rewritten_before_the_check_is_left_out_and_what_was_taken_back_since_is_not(dataset: Dataset) -> None:
    log = EditLog(dataset.folder, dataset.table.num_rows)
    back = log.apply(Replace((Cell(20, 1, " "),)))
    mended = open_dataset(dataset.folder)
    one = found(examine(mended), "empty_answers")
    assert rows_of(one) == [20, 32]
    assert (operation(mended, one), spared(mended, one)) == (Exclude((20, 32)), 0)
    log.apply(back)
    now = open_dataset(dataset.folder)
    assert (operation(now, one), spared(now, one)) == (Exclude((32,)), 1)


def test_after_a_check_by_an_earlier_version_all_rewritten_rows_stay(dataset: Dataset) -> None:
    log = EditLog(dataset.folder, dataset.table.num_rows)
    log.apply(Replace((Cell(20, 1, " "),)))
    now = open_dataset(dataset.folder)
    one = found(examine(now), "empty_answers")
    (dataset.folder / FOLDER / "rewritten.texts").unlink()
    assert operation(now, one) == Exclude((20, 32)), "nothing was changed since"
    log.apply(Exclude((1,)))
    assert operation(open_dataset(dataset.folder), one) == Exclude((32,))


def test_a_row_that_is_left_out_already_is_not_repaired(dataset: Dataset) -> None:
    diagnosed = examine(dataset)
    EditLog(dataset.folder, dataset.table.num_rows).apply(Exclude((33,)))
    assert operation(open_dataset(dataset.folder), found(diagnosed, "mojibake")) == Replace(())


def test_a_finding_without_a_safe_fix_has_none(tmp_path: Path) -> None:
    dataset = write_set(tmp_path / "set", [*sound(5), ("a <|im_end|> b", sentence(3))])
    one = found(examine(dataset), "template_markers")
    assert refused(lambda: operation(dataset, one)).code == "doctor.no_fix"


def test_what_was_found_is_kept_and_knows_when_it_is_out_of_date(dataset: Dataset) -> None:
    assert last_diagnosis(dataset.folder) is None
    diagnosed = examine(dataset)
    kept = last_diagnosis(dataset.folder)
    assert kept == diagnosed
    assert isinstance(kept, Diagnosed)
    assert kept.edits == dataset.edits.digest
    EditLog(dataset.folder, dataset.table.num_rows).apply(Exclude((3,)))
    assert kept.edits != open_dataset(dataset.folder).edits.digest
    rows, because = found_rows(dataset.folder, "doctor.exact_duplicates")
    assert (rows.tolist(), because.tolist()) == ([30], [3])
    examine(open_dataset(dataset.folder))
    assert refused(lambda: found_rows(dataset.folder, "doctor.exact_duplicates")).code == "doctor.no_finding"
    names = {path.name for path in dataset.folder.iterdir()}
    assert names == {".apprentice-studio", "dataset.json", "rows.arrow", "rows.sums", FOLDER, EDITS_FILE}


def test_a_damaged_diagnosis_counts_as_none(dataset: Dataset) -> None:
    examine(dataset)
    (dataset.folder / FOLDER / "diagnosis.json").write_bytes(b'{"event":"dia')
    assert last_diagnosis(dataset.folder) is None


def test_a_doctor_that_is_ended_keeps_what_was_found_before(dataset: Dataset) -> None:
    from studio.contract.job import DoctorJob
    from studio.data.doctor.diagnosing import diagnose

    before = examine(dataset)

    class Ended:
        def poll(self) -> str:
            return "stop"

        def wait(self, seconds: float) -> None: ...

        def hold(self) -> bool:
            return False

    with pytest.raises(StudioError, match="ended before") as caught:
        diagnose(DoctorJob(dataset=str(dataset.folder)), lambda event: None, Ended())  # type: ignore[arg-type]
    assert caught.value.problem.code == "doctor.cancelled"
    assert last_diagnosis(dataset.folder) == before


def test_the_damaged_part_of_a_text_is_repaired_beside_letters_that_are_right() -> None:
    assert repaired(f"日本: {wrong('Größe, Übermut')} und Maß") == "日本: Größe, Übermut und Maß"


@pytest.mark.parametrize("text", ["Grüße aus München", "“Zitat” – und mehr…", "naïve café", "Ångström"])
def test_a_repair_of_right_text_changes_nothing_and_of_damaged_text_restores_it(text: str) -> None:
    assert repaired(text) == text
    assert repaired(wrong(text) if text.isascii() or "”" not in text else text) == text
