"""A file named on the command line: imported once, and told from datasets and jobs."""

import json
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.contract.errors import StudioError
from studio.data import run_queue
from tests.cli.refusals import GOOD, refused
from tests.cli.refusals import rows as rows


@pytest.mark.parametrize(
    ("content", "code", "where", "words"),
    [
        ("", "data.empty_file", "bad.jsonl", "empty"),
        (GOOD + '{"prompt": "cut', "data.truncated", "bad.jsonl:7", "cut off"),
        ('{"prompt": "a", "completion": "b"}\n{broken\n', "data.broken_json", "bad.jsonl:2", "JSON"),
        ('{"alpha": 1, "beta": 2}\n{"alpha": 3, "beta": 4}\n', "data.no_mapping", "bad.jsonl", '"alpha"'),
        ('{"prompt": "a", "completion": "b"}\n', "data.one_row", "bad.jsonl", "one usable row"),
    ],
    ids=["empty file", "cut last line", "broken JSON at line 2", "no mappable column", "one row"],
)
def test_a_bad_data_file_is_refused_with_its_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, code: str, where: str, words: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    problem = refused(capsys, "train", "--data", str(path))
    assert (problem["code"], problem["where"]) == (code, where)
    assert words in " ".join(problem.values())
    assert path.read_text() == content


def test_damaged_lines_can_be_left_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(GOOD + "{broken\n")
    assert "leave damaged lines out" in refused(capsys, "data", "import", str(path))["fix"]
    assert main(["data", "import", str(path)]) == 2
    assert "--skip-damaged" in capsys.readouterr().err
    assert main(["data", "import", str(path), "--skip-damaged", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["usable"] == 6


def test_a_file_wins_over_a_dataset_of_its_name_and_is_imported_once_while_it_stays_the_same(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.cli.places import find_dataset
    from studio.data.dataset import list_datasets

    monkeypatch.chdir(tmp_path)
    file = tmp_path / "rows.jsonl"
    file.write_text(GOOD)
    first = find_dataset("rows.jsonl")
    assert find_dataset("rows.jsonl").id == first.id
    assert find_dataset(str(file)).id == first.id
    file.write_text(GOOD + GOOD.replace("What is", "Which is"))
    assert find_dataset("rows.jsonl").usable == 2 * first.usable
    assert len(list_datasets()) == 2
    file.unlink()
    with pytest.raises(StudioError) as caught:
        find_dataset("rows.jsonl")
    assert (caught.value.problem.code, first.id in caught.value.problem.why) == ("data.ambiguous", True)
    assert find_dataset(first.id).id == first.id


def test_a_file_whose_columns_begin_late_is_imported_once(tmp_path: Path, own_home: Path) -> None:
    from studio.cli.places import find_dataset

    file = tmp_path / "late.jsonl"
    rows = [{"question": f"What is {n}?", "answer": f"It is {n}."} for n in range(260)]
    rows[251:] = [{**row, "system": "Be kind."} for row in rows[251:]]
    file.write_text("\n".join(map(json.dumps, rows)))
    first = find_dataset(str(file))
    assert first.mapping.system == "system"
    assert find_dataset(str(file)).id == first.id


def test_a_file_is_what_lies_there_whatever_was_done_to_its_dataset(tmp_path: Path, own_home: Path) -> None:
    from studio.cli.places import find_dataset
    from studio.data.dataset import open_dataset
    from studio.data.edits import EditLog, Exclude

    file = tmp_path / "rows.jsonl"
    file.write_text(GOOD)
    first = find_dataset(str(file))
    EditLog(Path(first.folder), first.usable).apply(Exclude((0,)))
    again = find_dataset(str(file))
    assert again.id != first.id
    assert len(open_dataset(Path(again.folder))) == first.usable
    assert find_dataset(str(file)).id == again.id


@pytest.mark.parametrize("asked", [["--weight", "2"], ["--mend-turns"]])
def test_a_file_is_not_taken_for_what_an_import_made_of_it_by_choice(
    tmp_path: Path, own_home: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from studio.cli.places import find_dataset
    from studio.data.dataset import list_datasets

    file = tmp_path / "rows.jsonl"
    file.write_text(GOOD)
    assert main(["data", "import", str(file), *asked]) == 0
    (made,) = list_datasets()
    assert find_dataset(str(file)).id != made.id


def test_a_choice_of_columns_that_is_used_again_is_said(tmp_path: Path, own_home: Path) -> None:
    from studio.cli.places import find_dataset, import_file
    from studio.contract.job import Mapping

    file = tmp_path / "rows.jsonl"
    file.write_text(GOOD)
    shape = find_dataset(str(file)).mapping
    turned = Mapping(shape="prompt_completion", prompt=shape.completion, completion=shape.prompt)
    import_file(file, "turned", mapping=turned)
    told: list[Any] = []
    assert find_dataset(str(file), show=told.append).mapping.same_columns(turned)
    assert "data.choice_used" in {event.problem.code for event in told if hasattr(event, "problem")}


def test_doctor_mends_datasets_not_files(tmp_path: Path, own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(GOOD)
    assert refused(capsys, "data", "doctor", str(file), "--fix", "drop_duplicates")["code"] == "doctor.fix_of_file"
    assert refused(capsys, "data", "doctor", str(file), "--max-tokens", "-3")["code"] == "settings.range"


def test_a_shape_alone_asks_for_its_columns(capsys: pytest.CaptureFixture[str], rows: Path, own_home: Path) -> None:
    assert refused(capsys, "data", "import", str(rows), "--shape", "chat")["code"] == "data.mapping_incomplete"
    assert main(["data", "import", str(rows), "--shape", "chat"]) == 2
    assert "--messages" in capsys.readouterr().err


def test_probes_that_are_not_there_are_told_before_anything_is_imported(
    capsys: pytest.CaptureFixture[str], rows: Path, own_home: Path
) -> None:
    assert "gone.jsonl" in refused(capsys, "train", "--data", str(rows), "--probes", "gone.jsonl")["what"]
    assert not (own_home / "datasets").exists() or not list((own_home / "datasets").iterdir())


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "lines.json", "nested.json"])
def test_train_takes_a_dataset_by_file_or_name_as_plan_does(
    capsys: pytest.CaptureFixture[str], own_home: Path, tmp_path: Path, name: str
) -> None:
    rows = [json.loads(line) for line in GOOD.splitlines()]
    content = {"rows.json": json.dumps(rows), "nested.json": json.dumps({"data": rows})}.get(name, GOOD)
    file = tmp_path / name
    file.write_text(content)
    assert main(["data", "import", str(file), "--to", "mine"]) == 0
    for word in (str(file), "mine"):
        assert main(["train", word, "--name", f"on {Path(word).name}", "--max-steps", "3", "--queue"]) == 0
    assert [one.work.name for one in run_queue.waiting()] == [f"on {name}", "on mine"]
    assert len({one.work.dataset for one in run_queue.waiting()}) == 1


def test_a_word_that_is_neither_a_job_nor_a_dataset_is_told_as_such(
    capsys: pytest.CaptureFixture[str], own_home: Path, rows: Path
) -> None:
    problem = refused(capsys, "train", "nothing")
    assert problem["code"] == "train.no_such"
    assert "no job file, no data file and no imported dataset nothing" in problem["what"]
    assert "data list" in problem["fix"]
    assert refused(capsys, "train", "nothing.json")["code"] == "train.no_such"
    assert refused(capsys, "train", "nothing.toml")["code"] == "job.unreadable"
    twice = refused(capsys, "train", str(rows), "--data", "other")
    assert twice["code"] == "train.options"
    assert "Two datasets" in twice["what"]
