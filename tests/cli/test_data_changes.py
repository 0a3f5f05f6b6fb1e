"""Changes of a dataset by command, and their way back."""

from pathlib import Path

import pytest

from studio.cli import main
from studio.data.dataset import list_datasets, open_dataset
from studio.data.edits import EditLog, Exclude, replaced
from tests.cli.refusals import refused
from tests.cli.test_data import FEW, ROWS, jsonl, told


def test_all_changes_are_taken_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = jsonl(tmp_path / "rows.jsonl", [*ROWS, ROWS[3]])
    told(capsys, "data", "import", str(file), "--to", "mine")
    told(capsys, "data", "doctor", "mine", "--fix", "drop_duplicates")
    (info,) = list_datasets()
    opened = open_dataset(Path(info.folder))
    EditLog(opened.folder, opened.table.num_rows).apply(replaced([(0, 1, "Other words.")]))
    restored = told(capsys, "data", "restore", "mine")
    assert restored == {"taken_in": 1, "texts_restored": 1, "seed_restored": None}
    records = list(open_dataset(opened.folder).records())
    assert [record.messages[1].content for record in records] == [row["completion"] for row in [*ROWS, ROWS[3]]]
    assert refused(capsys, "data", "restore", str(file))["code"] == "data.missing"


def test_restoring_says_what_it_took_back_and_that_there_was_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["data", "import", str(jsonl(tmp_path / "rows.jsonl", ROWS)), "--to", "mine"]) == 0
    capsys.readouterr()
    assert main(["data", "restore", "mine"]) == 0
    assert capsys.readouterr().out == "Nothing was changed in mine: its rows are as they were imported.\n"
    (info,) = list_datasets()
    for operation, words in (
        (Exclude((1, 2)), "2 rows taken in again.\n"),
        (replaced([(0, 1, "Other words.")]), "Texts of 1 row as imported.\n"),
    ):
        log = EditLog(Path(info.folder), info.usable)
        log.apply(operation)
        assert main(["data", "list"]) == 0
        kept = len(ROWS) - len(log.edits.excluded)
        assert f"{kept} of {len(ROWS)} rows usable" in capsys.readouterr().out
        assert main(["data", "restore", "mine"]) == 0
        assert capsys.readouterr().out == words


def test_the_split_is_told_and_another_seed_holds_back_other_rows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = jsonl(tmp_path / "rows.jsonl", [{"prompt": f"Q{n}?", "completion": f"A{n}.", "day": n} for n in range(40)])
    split = told(capsys, "data", "import", str(file), "--to", "mine", "--seed", "5")["split"]
    assert split == told(capsys, "data", "split", "mine")
    assert isinstance(split, dict)
    assert (split["by"], split["seed"], split["train_rows"] + split["held_back_rows"]) == ("hash", 5, 40)
    sides = [told(capsys, "preview", "mine", "--row", str(n))["held_back"] for n in range(1, 41)]
    assert sum(map(bool, sides)) == split["held_back_rows"]
    assert told(capsys, "data", "split", "mine", "--seed", "6")["seed"] == 6
    assert [told(capsys, "preview", "mine", "--row", str(n))["held_back"] for n in range(1, 41)] != sides
    assert told(capsys, "data", "split", "mine", "--held-back-share", "0")["held_back_rows"] == 0
    told(capsys, "data", "import", str(file), "--to", "newest", "--time", "day")
    assert refused(capsys, "data", "split", "newest", "--seed", "6")["code"] == "data.no_seed"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--group", "prompt", "--time", "completion"], "data.two_splits"),
        (["--held-back", "test.jsonl", "--group", "prompt"], "data.two_splits"),
        (["--held-back", "test.jsonl", "--time", "completion"], "data.two_splits"),
        (["--split", "train"], "data.no_split"),
        (["--documents", "line"], "data.no_documents"),
        (["--sheet", "One"], "data.no_sheets"),
    ],
)
def test_what_would_change_nothing_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], code: str
) -> None:
    file = jsonl(tmp_path / "rows.jsonl", ROWS)
    assert refused(capsys, "data", "inspect", str(file), *words)["code"] == code


@pytest.mark.parametrize("seed", [0, 9])
def test_restore_takes_back_that_other_rows_are_held_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, seed: int
) -> None:
    file = str(jsonl(tmp_path / "few.jsonl", FEW))
    told(capsys, "data", "import", file, "--to", "few", *(["--seed", str(seed)] if seed else []))
    told(capsys, "data", "split", "few", "--seed", "1")
    told(capsys, "data", "doctor", "few", "--fix", "hold_back")
    assert told(capsys, "data", "split", "few")["seed"] == 2
    assert told(capsys, "data", "restore", "few") == {"taken_in": 0, "texts_restored": 0, "seed_restored": seed}
    assert told(capsys, "data", "split", "few")["seed"] == seed
    assert told(capsys, "data", "restore", "few")["seed_restored"] is None
    told(capsys, "data", "split", "few", "--seed", "2")
    assert main(["data", "restore", "few"]) == 0
    assert f"Rows held back as imported (seed {seed})." in capsys.readouterr().out
    assert main(["data", "restore", "few"]) == 0
    assert "Nothing was changed" in capsys.readouterr().out
