"""Damage in a dataset's rows is named when they are read, whatever it hits: it never ends the process."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from studio.contract.errors import StudioError
from studio.data import dataset, stored_rows
from studio.data.arrow_file import open_table
from studio.data.dataset import ROWS_FILE, open_dataset
from studio.data.doctor.diagnosing import diagnose
from studio.data.exporting_rows import export
from studio.data.formats import jsonl
from studio.data.row_split import RowSplit
from tests.data.files import QA, refused, run_import, write_jsonl

FUZZ = """
import json, random, sys
from pathlib import Path
from studio.contract.errors import StudioError
from studio.data.dataset import open_dataset

folder, chance = Path(sys.argv[1]), random.Random(11)
whole = (folder / "rows.arrow").read_bytes()
ends = {"read": 0, "refused": 0}
for number in range(int(sys.argv[2])):
    damaged = bytearray(whole)
    if number % 3:
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    else:
        place = chance.randrange(len(damaged) - 8)
        damaged[place : place + 4] = bytes.fromhex(chance.choice(("ffffff7f", "ffffffff", "00000080")))
    if damaged == whole:  # these very bytes stood there
        damaged[0] ^= 1
    (folder / "rows.arrow").unlink()  # no process may have mapped what is written over
    (folder / "rows.arrow").write_bytes(damaged)
    try:
        rows = open_dataset(folder)
        rows.sides(0.1), rows.keys(), rows.given_sides()
        [record.key for record in rows.records()]
        ends["read"] += 1
    except StudioError as error:
        assert error.problem.code == "data.damaged", error.problem
        ends["refused"] += 1
print(json.dumps(ends))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """3,000 rows in several record batches."""
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 20_000)
    run_import(write_jsonl(tmp_path / "faq.jsonl", QA * 150), tmp_path / "set")
    return tmp_path / "set"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    run_import(write_jsonl(tmp_path / "few.jsonl", QA), tmp_path / "few")
    return tmp_path / "few"


def flip(folder: Path, place: int, bit: int = 0) -> None:
    """Flip a bit of the rows' file, as a new file: the old one may be mapped."""
    path = folder / ROWS_FILE
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.unlink()
    path.write_bytes(content)


def damage_word(folder: Path, word: bytes) -> None:
    """Change the first letter of a text where it stands for the last time, so that it stays a text."""
    flip(folder, (folder / ROWS_FILE).read_bytes().rindex(word))


def read_all(folder: Path) -> None:
    opened = open_dataset(folder)
    opened.sides(0.1)
    for _ in opened.records():
        pass


def fuzz(folder: Path, times: int) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(folder), str(times)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_every_flipped_bit_is_noticed(small: Path) -> None:
    assert fuzz(small, 400) == {"read": 0, "refused": 400}


def test_damage_in_rows_without_checksums_never_ends_the_process(small: Path) -> None:
    """As older versions left them; what stays a text there cannot be told from one."""
    (small / "rows.sums").unlink()
    ends = fuzz(small, 400)
    assert ends["read"] + ends["refused"] == 400
    assert ends["refused"] > 50


def test_changed_letters_are_told_when_their_rows_are_read_and_not_before(folder: Path) -> None:
    damage_word(folder, b"What is 19 plus one?")
    opened = open_dataset(folder)
    assert opened.record(0).messages[0].content == "What is 0 plus one?"
    assert len(opened[:1000]) == 1000  # type: ignore[arg-type]
    problem = refused(lambda: opened.record(2999))
    assert problem.code == "data.damaged"
    assert "damaged" in problem.what
    assert "3,000" in problem.why
    assert problem.where == "set"
    assert refused(lambda: list(opened.records())).code == "data.damaged"
    assert refused(opened.table.check).code == "data.damaged"


def test_rows_are_checked_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_dataset(folder)
    checked: list[object] = []
    digest = stored_rows.digest
    monkeypatch.setattr(stored_rows, "digest", lambda stretch: checked.append(stretch) or digest(stretch))
    opened.record(0)
    opened.record(1)
    assert len(checked) == 1
    opened.table.check()
    once = len(checked)
    list(opened.records())
    opened.table.check()
    assert len(checked) == once > 1


def test_a_column_that_is_wanted_whole_is_checked_without_reading_the_rest(folder: Path) -> None:
    damage_word(folder, b"What is 19 plus one?")
    assert len(open_dataset(folder).sides(0.1)) == 3000
    assert RowSplit(folder).rows == 3000


@pytest.mark.parametrize("content", [b"", b"oops", b"{}\n0000000000000000\n", b"\xff\n\xff\n", None])
def test_without_sound_checksums_the_rows_are_looked_at_instead(folder: Path, content: bytes | None) -> None:
    sums = folder / "rows.sums"
    sums.unlink() if content is None else sums.write_bytes(content)
    read_all(folder)
    path = folder / ROWS_FILE
    broken = path.read_bytes().replace(b"What is 7 plus", b"What is \xff plus")
    path.unlink()
    path.write_bytes(broken)
    problem = refused(lambda: read_all(folder))
    assert problem.code == "data.damaged"
    assert problem.why.startswith("Rows 1 to ")
    assert "UTF" in problem.details


def test_checksums_with_a_wrong_digit_are_not_believed(folder: Path) -> None:
    sums = folder / "rows.sums"
    content = bytearray(sums.read_bytes())
    place = content.index(b'"digests":["') + 12
    content[place] = ord("1") if content[place] != ord("1") else ord("2")
    sums.write_bytes(content)
    read_all(folder)


def test_rows_of_another_import_are_noticed(folder: Path, tmp_path: Path) -> None:
    run_import(write_jsonl(tmp_path / "other.jsonl", [*QA, *QA[:1]] + QA * 149 + QA[:19]), tmp_path / "other")
    shutil.copyfile(tmp_path / "other" / ROWS_FILE, folder / ROWS_FILE)
    assert refused(lambda: read_all(folder)).code == "data.damaged"


def test_whoever_reads_damaged_rows_says_so(folder: Path, tmp_path: Path) -> None:
    from studio.contract.control import Going
    from studio.contract.job import DoctorJob

    damage_word(folder, b"What is 19 plus one?")
    assert refused(lambda: export(open_dataset(folder), tmp_path / "out.jsonl")).code == "data.damaged"
    assert not (tmp_path / "out.jsonl").exists()
    work = DoctorJob(dataset=str(folder))
    assert refused(lambda: diagnose(work, lambda event: None, Going())).code == "data.damaged"


def test_names_of_columns_that_are_no_text_are_damage(small: Path) -> None:
    (small / "rows.sums").unlink()
    path = small / ROWS_FILE
    broken = path.read_bytes().replace(b"source_row", b"source\xff\xff\xff\xff", 1)
    path.unlink()
    path.write_bytes(broken)
    assert refused(lambda: open_table(path)).code == "data.damaged"


def test_a_random_damage_of_many_rows_is_told_by_the_rows_it_hits(folder: Path) -> None:
    chance = random.Random(3)
    size = (folder / ROWS_FILE).stat().st_size
    for _ in range(5):
        place = chance.randrange(size)
        flip(folder, place)
        with pytest.raises(StudioError, match="damaged"):
            read_all(folder)
        flip(folder, place)
        read_all(folder)
    assert dataset.read_info(folder).usable == 3000
