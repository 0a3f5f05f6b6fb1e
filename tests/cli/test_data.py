"""`apprentice data`: what the Data page does, without a window."""

import json
import re
from pathlib import Path

import pytest

from studio.cli import main
from studio.contract.job import COLUMN_FIELDS
from studio.contract.run_folder import jobs_folder
from studio.data.dataset import list_datasets
from tests.cli.refusals import refused
from tests.helpers.shared_data import shared_data

ROWS = [{"prompt": f"What is {n}?", "completion": f"It is the number {n}, of course."} for n in range(12)]
SHAPES = {
    "chat": [
        {"messages": [{"role": "user", "content": f"Hi {n}"}, {"role": "assistant", "content": f"Hello {n}"}]}
        for n in range(3)
    ],
    "prompt_completion": ROWS[:3],
    "text": [{"text": f"A document about the number {n}."} for n in range(3)],
    "preference": [{"prompt": f"What is {n}?", "chosen": f"It is {n}.", "rejected": "No idea."} for n in range(3)],
    "label": [{"prompt": f"What is {n}?", "completion": f"It is {n}.", "label": n % 2 == 0} for n in range(3)],
}

pytestmark = pytest.mark.usefixtures("own_home")


def jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, dict)
    return answer


def test_an_imported_copy_is_deleted_only_on_explicit_request_and_the_file_stays(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = jsonl(tmp_path / "rows.jsonl", ROWS)
    told(capsys, "data", "import", str(file), "--to", "mine")
    assert told(capsys, "data", "delete", "mine")["deleted"] is False
    assert len(list_datasets()) == 1
    assert told(capsys, "data", "delete", "mine", "--for-good")["deleted"] is True
    assert list_datasets() == []
    assert file.is_file()
    assert refused(capsys, "data", "delete", str(file), "--for-good")["code"] == "data.missing"
    assert file.is_file()


@pytest.mark.parametrize("shape", SHAPES)
def test_inspect_tells_shape_and_counts_and_keeps_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shape: str
) -> None:
    file = jsonl(tmp_path / "rows.jsonl", SHAPES[shape])
    answer = told(capsys, "data", "inspect", str(file))
    assert (answer["rows"], answer["usable"], answer["shape"]) == (3, 3, shape)
    assert set(answer) >= {"mapping", "problems", "columns", "files"}
    assert list_datasets() == []
    assert list(jobs_folder().iterdir()) == []


def test_rows_out_of_order_are_told_with_the_option_that_keeps_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    greeting = {"role": "assistant", "content": "Hello, I am Tom."}
    odd: list[dict[str, object]] = [{"messages": [greeting, *row["messages"]]} for row in SHAPES["chat"]]  # type: ignore[misc]
    file = jsonl(tmp_path / "rows.jsonl", [*SHAPES["chat"], *odd])
    answer = told(capsys, "data", "inspect", str(file))
    assert answer["usable"] == 3
    (problem,) = (one for one in answer["problems"] if one["code"] == "row.assistant_first")  # type: ignore[attr-defined]
    assert problem["fix"].startswith("Mend the order of turns: ")
    assert main(["data", "inspect", str(file)]) == 0
    assert "`apprentice data import FILE --mend-turns` does so." in capsys.readouterr().out
    assert told(capsys, "data", "inspect", str(file), "--mend-turns")["usable"] == 6
    assert told(capsys, "data", "import", str(file), "--mend-turns", "--to", "Chats")["usable"] == 6
    only = jsonl(tmp_path / "only.jsonl", odd)
    assert refused(capsys, "data", "inspect", str(only))["fix"].startswith("Mend the order of turns: ")


@pytest.mark.parametrize(
    ("name", "rows", "shape"),
    [
        ("alpaca_en_demo.json", 999, "prompt_completion"),
        ("dpo_en_demo.json", 300, "preference"),
        ("kto_en_demo.json", 300, "label"),
        ("wiki_demo.txt", 30, "text"),
        ("tinyshakespeare.txt", 7222, "text"),
        ("gsm8k_test.jsonl", 1319, "prompt_completion"),
        ("gsm8k_train.jsonl", 7473, "prompt_completion"),
    ],
)
def test_real_files_are_understood_without_a_word(
    capsys: pytest.CaptureFixture[str], name: str, rows: int, shape: str
) -> None:
    answer = told(capsys, "data", "inspect", str(shared_data(name)))
    assert (answer["rows"], answer["usable"], answer["shape"]) == (rows, rows, shape)


def test_a_dataset_is_imported_looked_through_mended_and_exported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = jsonl(tmp_path / "rows.jsonl", [*ROWS, ROWS[3], ROWS[4]])
    assert told(capsys, "data", "import", str(file), "--to", "mine")["usable"] == 14
    found = told(capsys, "data", "doctor", "mine", "--model", "starter")
    assert found["usable"] == 14
    fixes = {finding["fix"]: finding["count"] for finding in found["findings"] if finding.get("fix")}  # type: ignore[attr-defined]
    assert fixes["drop_duplicates"] == 2
    assert told(capsys, "data", "doctor", "mine", "--fix", "drop_duplicates")["usable"] == 12
    out = tmp_path / "out.jsonl"
    assert told(capsys, "data", "export", "mine", "--to", str(out)) == {"rows": 12, "path": str(out)}
    written = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["messages"][0]["content"] for row in written] == [row["prompt"] for row in ROWS]
    assert refused(capsys, "data", "export", "mine", "--to", str(out))["code"] == "data.export_exists"
    assert refused(capsys, "data", "doctor", "mine", "--fix", "drop_duplicates")["code"] == "doctor.no_fix"


def test_a_finding_is_told_with_why_the_command_that_mends_it_and_rows_by_the_numbers_of_preview(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    gaps: list[dict[str, object]] = [{"prompt": f"Gap {n}?", "completion": ""} for n in range(5)]
    long: dict[str, object] = {"prompt": "Wer?", "completion": "Das sagt die Leitung des Hauses. " * 9}
    file = jsonl(tmp_path / "rows.jsonl", [*gaps, *ROWS, long, *[long] * 4])
    told(capsys, "data", "import", str(file), "--to", "my rows")
    assert main(["data", "doctor", "my rows"]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("- 4 rows repeat"))
    assert "learned more strongly" in lines[start + 1]
    assert lines[start + 2] == "    To leave 4 rows out: apprentice data doctor 'my rows' --fix drop_duplicates"
    assert lines[start + 3] == "    The way back: apprentice data restore 'my rows'"
    examples = lines[start + 4 : start + 7]
    assert [line.split(":")[0] for line in examples] == ["    row 19", "    row 20", "    row 21"]
    assert max(map(len, examples)) <= 100
    assert not any(line.startswith("    row 22") for line in lines)
    assert any("Fill it in or delete the row." in line for line in lines), "advice where no command mends it"
    found = told(capsys, "data", "doctor", "my rows")
    (copies,) = (one for one in found["findings"] if one.get("fix") == "drop_duplicates")  # type: ignore[attr-defined]
    assert [example["row"] for example in copies["examples"]] == [19, 20, 21, 22]
    assert told(capsys, "preview", "my rows", "--row", "19")["row"] == 19
    assert "Das sagt" in "".join(told(capsys, "preview", "my rows", "--row", "19")["pieces"])  # type: ignore[arg-type]


def test_rows_of_several_files_are_told_by_their_place_and_by_their_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one, two = jsonl(tmp_path / "one.jsonl", ROWS), jsonl(tmp_path / "two.jsonl", [ROWS[3]])
    told(capsys, "data", "import", str(one), "--more", str(two), "--to", "mine")
    assert main(["data", "doctor", "mine"]) == 0
    assert "    row 13 (row 1 of two.jsonl): What is 3?" in capsys.readouterr().out
    assert "".join(told(capsys, "preview", "mine", "--row", "13")["pieces"]).count("What is 3?")  # type: ignore[arg-type]


def test_the_command_that_mends_is_told_so_that_it_works_beside_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    jsonl(tmp_path / "rows.jsonl", [*ROWS, ROWS[3]])
    assert main(["data", "doctor", "rows.jsonl"]) == 0
    (line,) = (one for one in capsys.readouterr().out.splitlines() if "--fix drop_duplicates" in one)
    assert told(capsys, *line.partition("apprentice ")[2].split())["usable"] == 12


def test_files_are_put_together_with_weights_and_columns_of_ones_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one = jsonl(tmp_path / "a.jsonl", [{"x": f"Answer {n}", "y": f"Question {n}?"} for n in range(4)])
    two = jsonl(tmp_path / "b.jsonl", [{"x": f"Reply {n}", "y": f"Query {n}?"} for n in range(5)])
    words = ["--more", str(two), "--weight", "1", "--weight", "2", "--prompt", "y", "--completion", "x"]
    imported = told(capsys, "data", "import", str(one), *words)
    assert imported["usable"] == 4 + 2 * 5
    assert refused(capsys, "data", "import", str(one), "--weight", "much")["code"] == "data.weights"
    assert refused(capsys, "data", "import", str(one), "--weight", "1", "--weight", "2")["code"] == "data.weights"


def test_rows_of_one_group_stay_together(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = [{"prompt": f"Q{n}?", "completion": f"A{n}.", "patient": f"p{n % 4}"} for n in range(40)]
    file = jsonl(tmp_path / "rows.jsonl", rows)
    told(capsys, "data", "import", str(file), "--group", "patient", "--to", "grouped")
    sides: dict[str, set[bool]] = {}
    for number in range(1, 41):
        row = told(capsys, "preview", "grouped", "--row", str(number), "--held-back-share", "0.5")
        sides.setdefault(f"p{(number - 1) % 4}", set()).add(bool(row["held_back"]))
    assert all(len(side) == 1 for side in sides.values())


def test_every_column_of_a_mapping_has_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["data", "import", "--help"])
    help_text = capsys.readouterr().out
    assert [name for name in COLUMN_FIELDS if f"--{name}" not in help_text] == []


def test_help_needs_no_table_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys, studio.cli\nstudio.cli.build_parser()\n"
        "print([name for name in ('pyarrow', 'torch', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


FEW = [{"question": f"What is {n}?", "answer": f"It is {n}."} for n in range(6)]
"""Chance holds none of them back."""


def test_where_no_row_is_held_back_it_is_said_with_the_command_that_holds_one_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = str(jsonl(tmp_path / "few rows.jsonl", FEW))
    assert main(["data", "inspect", file]) == 0
    words = capsys.readouterr().out
    assert "0 of 6 rows held back" in words
    assert f"`apprentice data import '{file}' --seed 2` holds 1 row back." in words
    assert main(["data", "import", file, "--to", "few"]) == 0
    assert "`apprentice data split few --seed 2` holds 1 row back." in capsys.readouterr().out
    assert main(["data", "doctor", "few"]) == 0
    words = capsys.readouterr().out
    assert "No row is held back for testing, so nothing would show whether the model learns" in words
    assert "To hold 1 row back: apprentice data doctor few --fix hold_back" in words
    assert told(capsys, "data", "doctor", "few", "--fix", "hold_back")["findings"] == []
    split = told(capsys, "data", "split", "few")
    assert (split["seed"], split["train_rows"], split["held_back_rows"]) == (2, 5, 1)
    assert told(capsys, "data", "split", "few", "--seed", "0")["held_back_rows"] == 0  # the way back


def test_the_doctor_says_in_words_what_is_in_a_dataset(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    long = [{"question": f"Who is number {n}?", "answer": f"As far as I know, it is {n} again."} for n in range(60)]
    file = jsonl(tmp_path / "long.jsonl", [*long, {"question": "Who is last?", "answer": "Nobody of us is the last."}])
    assert main(["data", "doctor", str(file), "--model", "starter", "--max-tokens", "100"]) == 0
    words = capsys.readouterr().out
    lengths = re.search(r"Lengths in tokens: half of the rows up to (\d+), 95 % up to (\d+), the longest (\d+)", words)
    assert lengths is not None
    assert 0 < int(lengths[1]) <= int(lengths[2]) <= int(lengths[3])
    assert "; the longest text is 100." in words
    assert "Languages (a guess): English (61 rows)." in words
    assert "Answers begin with: As far as (60 rows)." in words
    assert "as classes" not in words
    assert words.index("Lengths in") < words.index("\n- "), "before what is wrong"
    classes = [{"question": f"Is {n} even?", "answer": "no" if n % 4 else "yes"} for n in range(40)]
    assert main(["data", "doctor", str(jsonl(tmp_path / "classes.jsonl", classes))]) == 0
    words = capsys.readouterr().out
    assert "Lengths in characters: half of the rows up to" in words
    assert "Answers, as classes: no (30 rows), yes (10 rows)." in words
    each = [{"question": f"Who is {n}?", "answer": f"{n} is one of us, as you know."} for n in range(9)]
    assert main(["data", "doctor", str(jsonl(tmp_path / "each.jsonl", each))]) == 0
    assert "No two longer answers begin alike." in capsys.readouterr().out


def test_the_rows_held_back_are_counted_alike_wherever_a_file_is_told_about(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = str(
        jsonl(tmp_path / "rows.jsonl", [{"question": f"What is {n}?", "answer": f"It is {n}."} for n in range(60)])
    )
    for words in (("inspect", file), ("import", file, "--to", "mine")):
        answer = told(capsys, "data", *words)
        assert answer["held_back_rows"] == answer["split"]["held_back_rows"] > 0
    tests = str(jsonl(tmp_path / "tests.jsonl", ROWS[:2]))
    assert told(capsys, "data", "inspect", file, "--held-back", tests)["held_back_rows"] == 2


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    file = str(jsonl(tmp_path / "few.jsonl", FEW))
    assert refused(capsys, "data", "import", file, "--to", name)["code"] == "data.no_name"
    assert list_datasets() == []
    told(capsys, "data", "import", file)
    assert refused(capsys, "data", "export", "few.jsonl", "--to", name)["code"] == "data.no_name"


def test_a_command_given_a_file_says_once_that_a_copy_is_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = jsonl(tmp_path / "patients.jsonl", ROWS)
    said = []
    for _ in range(2):
        assert main(["data", "doctor", str(file)]) == 0
        printed = capsys.readouterr()
        said.append("data delete patients.jsonl --for-good" in printed.out + printed.err)
    assert said == [True, False], "the same file is not copied twice"


@pytest.mark.parametrize("with_sums", [True, False])
@pytest.mark.parametrize("command", [("data", "doctor", "mine"), ("data", "export", "mine", "--to", "out.jsonl")])
def test_damaged_rows_are_named_in_one_message(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    with_sums: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "import", str(jsonl(tmp_path / "rows.jsonl", ROWS)), "--to", "mine"]) == 0
    (info,) = list_datasets()
    rows = Path(info.folder) / "rows.arrow"
    content = rows.read_bytes()
    question = str(ROWS[0]["prompt"]).encode()
    assert question in content
    rows.unlink()
    rows.write_bytes(content.replace(question, b"\xff" * len(question)))
    if not with_sums:
        (rows.parent / "rows.sums").unlink()
    capsys.readouterr()
    assert main(command) == 2
    said = capsys.readouterr()
    assert "The rows of this dataset are damaged and cannot be read." in said.err
    assert "Import the original file again." in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "out.jsonl").exists()


def test_a_second_file_without_its_option_is_told_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    for what in ("import", "inspect"):
        assert main(["data", what, "a.csv", "b.csv"]) == 2
        assert "--more FILE" in capsys.readouterr().err
