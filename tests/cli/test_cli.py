"""The command line: the same contract, exit code 2 and one clear message on bad input."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from studio.cli import main, training
from studio.cli.options import settings_from
from studio.contract import events, job
from studio.contract.control import Going
from studio.contract.errors import StudioError
from studio.contract.fields import build, fields, flatten
from studio.contract.method_choice import values_of
from studio.contract.methods import METHODS
from studio.contract.presets import load_preset
from studio.contract.records import Message, Record
from studio.contract.run_folder import MARKER, make_folder, starter_folder
from studio.contract.setting_facts import IDLE_WITH
from studio.contract.settings import TrainSettings
from studio.data import run_queue
from studio.data.split import is_held_back
from studio.engine.metrics import exact_match
from studio.worker.exporting import export
from tests.ui import run_stream

GOOD = "".join(json.dumps({"prompt": f"What is {n}?", "completion": f"It is {n}."}) + "\n" for n in range(6))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(GOOD)
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    """Run a command that must be refused, twice: for a person and as JSON; gives the problem."""
    assert main(list(arguments)) == 2
    plain = capsys.readouterr()
    assert plain.out == ""
    assert plain.err.count("apprentice: ") == 1  # after what was told of the progress
    assert "Traceback" not in plain.err
    assert main([*arguments, "--json"]) == 2
    as_json = capsys.readouterr()
    assert as_json.err == ""
    problem = json.loads(as_json.out)["error"]
    assert isinstance(problem, dict)
    assert problem["what"] in plain.err
    return problem


def test_every_setting_has_an_option_and_reaches_the_settings() -> None:
    from studio.cli import build_parser

    given = {
        "int": "3",
        "float": "0.25",
        "bool": None,
        "choice": None,
        "text": None,
    }
    every = [(name, field) for name in METHODS for field in fields(build(TrainSettings, values_of(name)))]
    for method, field in every:
        if method not in ("lora", "qlora") and field.group != "adapter":
            continue  # the same for all ways of tuning
        option = "--" + field.name.replace("_", "-")
        if field.kind == "bool":
            words = [f"--no-{option[2:]}" if field.default else option]
            expected: object = not field.default
        elif field.kind == "choice":
            expected = next(choice for choice in field.choices if choice != field.default)
            words = [option, str(expected)]
        elif field.kind == "text":
            expected = "cpu" if field.name == "device" else "attention"
            words = [option, str(expected)]
        else:
            low, high = field.minimum or 0.0, field.maximum or 1.0
            number = min(max(float(given[field.kind] or 0), low), high)
            expected = int(number) if field.kind == "int" else number
            words = [option, str(expected)]
        method_words = [] if field.path == "method" else ["--method", method]
        other, idle = IDLE_WITH.get(field.path, ("", ()))
        if other == "schedule":  # one of its values with which the setting counts
            kinds = next(f for f in fields(TrainSettings) if f.path == other).choices
            method_words += ["--schedule", next(kind for kind in kinds if kind not in idle)]
        arguments = build_parser().parse_args(["train", *method_words, *words])
        assert flatten(settings_from(arguments))[field.path] == expected, (method, field.path)


def test_qlora_is_lora_on_a_four_bit_model() -> None:
    from studio.cli import build_parser

    arguments = build_parser().parse_args(["train", "--method", "qlora"])
    assert settings_from(arguments).quantisation == "nf4"


def test_all_wrong_settings_are_told_at_once(capsys: pytest.CaptureFixture[str], rows: Path) -> None:
    assert main(["train", "--data", str(rows), "--learning-rate", "10", "--rank", "0", "--epochs", "nan"]) == 2
    told = capsys.readouterr().err
    assert "Learning speed (learning rate) cannot be '10'" in told
    assert "Adapter size (rank) cannot be '0'" in told
    assert "Passes over data (epochs) cannot be 'nan'" in told
    assert "at most 1" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--method", "ia4"], "Did you mean ia3?"),
        (["--method", "ia3", "--rank", "8"], "has no setting named rank"),
        (["--method", "prompt", "--virtual-tokens", "0"], "at least 1"),
        (["--method", "prompt", "--packing"], "Switch filling the gaps off"),
        (["--method", "full", "--quantisation", "nf4"], "choose QLoRA"),
        (["--method", "full", "--learning-rate", "0.5"], "at most 0.01"),
        (["--schedule-cycles", "4"], "--schedule-cycles changes nothing while --schedule is cosine"),
        (["--no-learn-answers-only", "--learned-turns", "last"], "while --learn-answers-only is off"),
        (["--learning-rate", "nan"], "must be a number"),
        (["--learning-rate", "-1"], "above 0"),
        (["--method", "loha", "--quantisation", "fp4"], "off or 8-bit"),
        (["--initialisation", "pissa", "--dora"], "does not go with this beginning"),
        (["--initialisation", "loftq"], "Set compressed loading to 4-bit"),
        (["--rank", "1024"], "at most"),
        (["--target-modules", "q_proj, nothing"], "no layer named 'nothing'"),
        (["--method", "prefix", "--virtual-tokens", "4000"], "do not fit into the model's context"),
    ],
)
def test_what_a_way_of_tuning_cannot_do_ends_with_one_message_and_code_2(
    capsys: pytest.CaptureFixture[str], rows: Path, own_home: Path, words: list[str], told: str
) -> None:
    assert main(["train", "--data", str(rows), *words]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said
    assert not list((own_home / "runs").glob("*")) if (own_home / "runs").exists() else True


def test_a_run_goes_on_from_an_earlier_adapter_with_its_way_of_tuning(
    capsys: pytest.CaptureFixture[str], rows: Path, own_home: Path
) -> None:
    short = ["--max-steps", "2", "--evaluations", "0", "--batch-size", "2", "--held-back-share", "0"]
    words = ["train", "--data", str(rows), "--probes", "", "--general", "", "--json", *short]
    assert main([*words, "--method", "ia3", "--name", "first"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main([*words, "--from-adapter", "first", "--name", "second"]) == 0
    second = json.loads(capsys.readouterr().out)
    saved = json.loads((own_home / "runs" / second["run"] / "job.json").read_text(encoding="utf-8"))
    assert saved["settings"]["method"]["name"] == "ia3"
    assert saved["start_from"] == first["adapter"]
    assert main([*words, "--from-adapter", "first", "--method", "lora"]) == 2
    assert "another way of tuning" in capsys.readouterr().out
    assert main([*words, "--from-adapter", "nobody"]) == 2


def test_a_wrong_setting_costs_no_import(rows: Path, own_home: Path) -> None:
    assert main(["train", "--data", str(rows), "--rank", "0", "--json"]) == 2
    assert not list((own_home / "datasets").glob("*")) if (own_home / "datasets").exists() else True


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


def test_missing_things_are_named(capsys: pytest.CaptureFixture[str], rows: Path) -> None:
    assert refused(capsys, "train", "--data", "gone.jsonl")["code"] == "data.missing"
    assert refused(capsys, "train")["code"] == "train.no_dataset"
    assert refused(capsys, "train", "--data", str(rows), "--model", "gone")["code"] == "model.missing"
    assert refused(capsys, "runs", "show", "run-99")["code"] == "run.missing"
    assert refused(capsys, "export", "run-99", "--to", "x")["code"] == "run.missing"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("job.toml", 'data = "a"\n[settings]\nrank = 4', "Did you mean method.rank?"),
        ("job.json", '{"kind": "train", "version": 99}', "newer version"),
        (
            "job.json",
            '{"kind": "train", "colour": 1, "settings": {"method": {"hue": 2}}}',
            "colour, settings.method.hue",
        ),
        ("job.json", '{"kind": "device"}', "no training job"),
        ("job.toml", "data = [", "no whole TOML file"),
        ("job.json", "{", "no whole JSON file"),
        ("job.json", "[1]", "no table of names and values"),
        ("job.toml", 'name = "a"', "what to learn from (data)"),
        ("job.toml", "data = 5\nmodel = 6", "'data' must be a text in quotes, not 5. The value of 'model' must be"),
        ("job.toml", 'data = "a"\nsettings = 3', "'settings' must be a table of settings, not 3."),
        ("job.toml", 'data = "a"\ncolour = "red"', "colour"),
        ("job.toml", 'data = "a"\npreset = "fast"', "fast"),
        ("job.toml", 'data = "a"\nmethod = "magic"', "magic"),
        ("job.toml", 'data = "a"\n[settings]\nlearning_speed = 1', "learning_speed"),
    ],
)
def test_a_bad_job_file_is_refused_with_what_is_wrong(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)
    assert words in json.dumps(refused(capsys, "train", str(tmp_path / name)))


def model_copy(folder: Path) -> Path:
    """The starter's files in a folder that can be spoilt."""
    folder.mkdir()
    for file in starter_folder().iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def lose_a_shard(folder: Path) -> None:
    """The index promises two files; one of them was never copied."""
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    (folder / "model.safetensors").rename(folder / first)
    names = {"model.embed_tokens.weight": first, "model.norm.weight": second}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


def spoil_config(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "pickle"),
        (lambda folder: (folder / "model.safetensors").unlink(), "The model's weights are missing."),
        (lambda folder: lose_a_shard(folder), "model-00002-of-00002.safetensors"),
        (lambda folder: spoil_config(folder, auto_map={"AutoModel": "x.Y"}), "auto_map"),
        (lambda folder: spoil_config(folder, model_type="mamba"), "mamba"),
    ],
    ids=["no config", "no tokenizer", "pickle only", "no weights", "no shard", "auto_map", "unknown type"],
)
def test_a_bad_model_folder_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rows: Path, spoil, words: str
) -> None:
    folder = model_copy(tmp_path / "model")
    spoil(folder)
    assert words in json.dumps(refused(capsys, "train", "--model", str(folder), "--data", str(rows)))


def test_all_rows_too_long_is_refused_with_the_count(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text(
        "".join(json.dumps({"prompt": "Tell me. " * 200, "completion": f"No {n}."}) + "\n" for n in range(4))
    )
    problem = refused(capsys, "train", "--data", str(path), "--max-tokens", "32")
    assert problem["code"] == "train.all_too_long"


def test_rows_longer_than_the_model_can_read_are_refused_with_advice_that_can_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, own_home: Path
) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text(
        "".join(json.dumps({"prompt": "Tell me. " * 400, "completion": f"No {n}."}) + "\n" for n in range(4))
    )
    problem = refused(capsys, "train", "--data", str(path))
    assert "512 tokens, the most that this model can read" in problem["what"]
    assert "longer context" in problem["fix"]
    assert main(["runs", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [], "what never began leaves no run"


def test_rows_that_are_all_the_same_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, own_home: Path
) -> None:
    def row(number: int) -> Record:
        return Record(messages=(Message("user", f"What is {number}?"), Message("assistant", "I do not know.")))

    held = next(number for number in range(99) if is_held_back(row(number).key, 0.5))
    path = tmp_path / "same.jsonl"
    path.write_text(json.dumps({"prompt": f"What is {held}?", "completion": "I do not know."}) + "\n")
    path.write_text(path.read_text() * 9)
    problem = refused(capsys, "train", "--data", str(path), "--held-back-share", "0.5")
    assert "all the same" in problem["why"]


def test_an_output_folder_that_is_read_only_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a file, no folder"
    file.write_text("")
    monkeypatch.setenv("APPRENTICE_HOME", str(file / "home"))
    problem = refused(capsys, "data", "list")
    assert problem["code"] == "disk.not_writable"


def test_lists_are_empty_in_a_fresh_home(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["data", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["runs", "list"]) == 0
    assert "no runs yet" in capsys.readouterr().out


def test_a_short_training_by_options_can_be_listed_shown_previewed_chatted_with_and_exported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rows: Path
) -> None:
    words = ["--max-steps", "3", "--batch-size", "2", "--held-back-share", "0.3", "--replay-share", "0", "--probes", ""]
    assert main(["train", "--data", str(rows), "--name", "mine", *words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["steps"] == 3
    assert Path(result["adapter"], "adapter_model.safetensors").is_file()

    assert refused(capsys, "train", "--resume", "mine")["code"] == "run.done"
    assert main(["runs", "show", "mine", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["state"] == "done"
    assert shown["changed_settings"]["max_steps"] == 3

    assert main(["preview", "rows.jsonl", "--row", "2", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    learned = "".join(piece for piece, is_learned in zip(row["pieces"], row["learned"], strict=True) if is_learned)
    assert row["row"] == 2
    assert "It is 1." in learned
    assert "What is" not in learned

    assert main(["chat", "--adapter", "mine", "--compare", "--prompt", "What is 3?", "--json"]) == 0
    reply = json.loads(capsys.readouterr().out)
    assert set(reply["replies"]) == {"base", "adapter"}
    assert main(["chat", "--adapter", "mine", "--compare", "--prompt", "What is 3?", "--max-new-tokens", "5"]) == 0
    said = capsys.readouterr().out
    assert said.index("[base]") < said.index("[adapter]")

    assert main(["export", "mine", "--to", str(tmp_path / "out"), "--json"]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert (tmp_path / "out" / "README.md").is_file()
    assert "adapter_model.safetensors" in " ".join(exported["files"])
    assert exported["run"] == Path(result["adapter"]).parent.name
    assert exported["parity"]["same_answers"] == exported["parity"]["prompts"] == 8
    assert main(["export", "mine", "--to", str(tmp_path / "again"), "--no-check"]) == 0
    assert f"Run {exported['run']}: " in capsys.readouterr().out
    assert refused(capsys, "export", "mine", "--to", str(tmp_path / "out"))["code"].startswith("export.")
    assert refused(capsys, "export", "mine", "--to", " ")["code"] == "export.no_folder"


@pytest.mark.parametrize("place", ["home", "home/x", "home/runs/x", "home/models/a/b", "link/x", "out/../home/x"])
def test_no_export_goes_into_the_programs_own_folders(place: str, tmp_path: Path, own_home: Path) -> None:
    (tmp_path / "out").mkdir()
    own_home.mkdir()
    (own_home / "runs").mkdir()
    (tmp_path / "link").symlink_to(own_home / "runs", target_is_directory=True)
    work = job.ExportJob(run=str(tmp_path / "gone"), export="adapter", destination=str(tmp_path / place))
    with pytest.raises(StudioError) as caught:
        export(work, lambda event: None, Going())
    assert caught.value.problem.code == "export.own_folder"
    beside = msgspec.structs.replace(work, destination=str(tmp_path / "homes" / "x"))
    with pytest.raises(StudioError) as caught:
        export(beside, lambda event: None, Going())
    assert caught.value.problem.code != "export.own_folder"


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


def test_options_that_a_job_file_or_a_resumed_run_would_ignore_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, own_home: Path, rows: Path
) -> None:
    job = tmp_path / "job.toml"
    job.write_text('data = "rows.jsonl"')
    problem = refused(capsys, "train", str(job), "--name", "mine", "--data", str(rows))
    assert problem["code"] == "train.options"
    assert "--data, --name" in problem["what"]
    resumed = refused(capsys, "train", "--resume", "run-1", "--max-steps", "5")
    assert "--max-steps" in resumed["what"]
    assert "job file" not in resumed["fix"]


def test_a_seed_that_is_none_is_refused_before_anything_is_made(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    assert "seed" in refused(capsys, "demo", "--seed", "-1")["where"]
    assert not (own_home / "runs").exists() or not list((own_home / "runs").iterdir())


def test_a_device_that_is_none_is_refused_in_chat(capsys: pytest.CaptureFixture[str], own_home: Path) -> None:
    assert "device" in refused(capsys, "chat", "--prompt", "Hello!", "--device", "foo")["where"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "--colour", "red"], "--colour"),
        (["trian"], "trian"),
        (["demo", "--method", "magic"], "magic"),
        (["demo", "--seed", "x"], "--seed"),
        (["chat", "--compare", "--prompt", "Hello!"], "Give --adapter"),
        (["chat", "--adapter", ".", "--prompt", "Hello!"], "no run and no adapter folder"),
        (["chat", "--temperature", "-1", "--seed", "3000000000", "--prompt", "Hello!"], "Temperature cannot be '-1'"),
        (["preview", "x.jsonl", "--learning-rate", "1e-3"], "--learning-rate"),
    ],
)
def test_options_that_make_no_sense_are_refused_like_any_bad_input(
    capsys: pytest.CaptureFixture[str], own_home: Path, words: list[str], told: str
) -> None:
    assert told in json.dumps(refused_first(capsys, *words))


def refused_first(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, str]:
    """The first problem, where several may be told."""
    assert main([*words, "--json"]) == 2
    return dict(json.loads(capsys.readouterr().out)["error"])


def test_wrong_values_are_explained_in_a_persons_words(capsys: pytest.CaptureFixture[str], rows: Path) -> None:
    words = ["--seed", "3000000000", "--rank", "2.5", "--epochs", "many", "--device", "gpu", "--learning-rate", "-1e-4"]
    assert main(["train", "--data", str(rows), *words]) == 2
    told = capsys.readouterr().err
    assert "at most 2147483647" in told
    assert "It must be a whole number." in told
    assert "It must be a number." in told
    assert "Choose auto, cpu, or a GPU such as cuda:0" in told
    assert "cannot be '-1e-4'" in told
    for raw in ("Expected", "`float`", "regex", "e+09"):
        assert raw not in told


def test_a_shape_alone_asks_for_its_columns(capsys: pytest.CaptureFixture[str], rows: Path, own_home: Path) -> None:
    assert refused(capsys, "data", "import", str(rows), "--shape", "chat")["code"] == "data.mapping_incomplete"
    assert main(["data", "import", str(rows), "--shape", "chat"]) == 2
    assert "--messages" in capsys.readouterr().err


def test_probes_that_are_not_there_are_told_before_anything_is_imported(
    capsys: pytest.CaptureFixture[str], rows: Path, own_home: Path
) -> None:
    assert "gone.jsonl" in refused(capsys, "train", "--data", str(rows), "--probes", "gone.jsonl")["what"]
    assert not (own_home / "datasets").exists() or not list((own_home / "datasets").iterdir())


def test_settings_of_an_older_version_are_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.contract import job

    monkeypatch.setitem(job.MIGRATIONS, 0, {"adapter.size": "method.rank", "speed": "learning_rate"})
    old = {
        "kind": "train", "name": "a", "model": "m", "model_name": "m", "dataset": "d", "dataset_name": "d",
        "version": 0, "settings": {"speed": 0.5e-3, "adapter": {"size": 4}},
    }  # fmt: skip
    made = job.convert(old, "job.json")
    assert isinstance(made, job.TrainJob)
    assert (made.settings.learning_rate, made.settings.method.rank, made.version) == (0.5e-3, 4, job.VERSION)
    old["settings"] = {"adapter": {"size": 4, "hue": 2}}
    with pytest.raises(StudioError, match=r"settings\.adapter"):
        job.convert(old, "job.json")  # what nobody knows is named, not dropped


def test_an_empty_prompt_is_refused(capsys: pytest.CaptureFixture[str], own_home: Path) -> None:
    assert refused(capsys, "chat", "--prompt", " ")["code"] == "chat.no_prompt"


def test_doctor_says_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["cores"] == os.cpu_count()
    assert report["versions"]["torch"].startswith("2.13.0")


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_the_demo_prints_what_it_measured_and_draws_the_loss(
    capsys: pytest.CaptureFixture[str], own_home: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The whole demo but for its length: four steps teach nothing, so its figures are those of a model that knows."""
    whole = load_preset("sample")
    short = msgspec.structs.replace(whole, values={**whole.values, "max_steps": 4})
    monkeypatch.setattr(training, "load_preset", lambda name: short)
    monkeypatch.setattr(exact_match, "PATIENCE_SECONDS", 600.0)  # a busy machine would ask fewer questions
    assert main(["demo", "--json", "--method", method, "--seed", "3"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {
        "seconds", "base_exact_match", "tuned_exact_match", "knowledge_kept", "method", "steps", "loss_first",
        "loss_last", "adapter", "plot", "seed", "held_back_questions", "probes_known_before", "probes_known_after",
        "memory_planned_bytes", "memory_planned_measured", "memory_peak_bytes",
    }  # fmt: skip
    assert (result["method"], result["steps"], result["seed"]) == (method, 4, 3)
    assert result["base_exact_match"] < 0.05
    assert result["held_back_questions"] == 60
    assert result["probes_known_before"] >= 270
    assert result["knowledge_kept"] > 0.9
    assert Path(result["plot"]).read_bytes().startswith(b"\x89PNG")
    config = json.loads(Path(result["adapter"], "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
    assert main(["runs", "show", "run-1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["job"]["settings"]["quantisation"] == ("nf4" if method == "qlora" else "none")


def test_runs_bear_tags_and_their_spare_checkpoints_are_freed_on_request(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    stream = list(run_stream.run())
    folder = run_stream.write_run("mine", stream, seed=1)
    make_folder(folder.checkpoints)
    (folder.checkpoints / "x").write_bytes(bytes(1000))
    assert main(["runs", "label", "mine", "--tag", "invoices", "--tag", "old", "--note", "It works.", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"name": "mine", "tags": ["invoices", "old"], "note": "It works."}
    assert main(["runs", "list", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["tags"] == ["invoices", "old"]
    assert main(["runs", "clean", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"checkpoints": [{"run": folder.id, "size_bytes": 1000}], "freed_bytes": 0}
    assert main(["runs", "clean", "--delete", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["freed_bytes"] == 1000
    assert not folder.checkpoints.exists()


def test_a_run_is_renamed_and_deleted_only_on_explicit_request(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    folder = run_stream.write_run("mine", list(run_stream.run()), seed=1)
    other = run_stream.write_run("other", list(run_stream.run()), seed=2)
    assert main(["runs", "label", "other", "--name", "mine"]) == 0
    assert capsys.readouterr().out == "mine\nTags: none\n"
    assert other.id in refused(capsys, "runs", "delete", "mine", "--for-good")["why"], "two runs bear the name"
    assert main(["runs", "delete", folder.id]) == 0
    assert "--for-good deletes it, and there is no way back" in capsys.readouterr().out
    assert folder.path.is_dir()
    assert main(["runs", "delete", folder.id, "--for-good", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deleted"] is True
    assert not folder.path.exists()
    assert other.path.is_dir()
    assert "There is no run" in refused(capsys, "runs", "delete", folder.id)["what"]
    (other.path / MARKER).unlink()
    assert refused(capsys, "runs", "delete", other.id, "--for-good")["code"] == "run.missing", "not ours any more"
    assert other.path.is_dir()


def test_the_best_adapter_of_a_run_can_be_used_and_the_last_one_again(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    folder = run_stream.write_run("mine", list(run_stream.run()), seed=1)
    assert refused(capsys, "runs", "use", "mine", "best")["code"] == "run.one_adapter"
    run_stream.give_best(folder, 25)
    assert main(["runs", "show", "mine"]) == 0
    assert f"of step 25.\nThe other one can be used: apprentice runs use {folder.id} best" in capsys.readouterr().out
    assert main(["runs", "use", "mine", "best", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["adapter"], told["step"]) == ("best", 25)
    assert json.loads((folder.adapter / "adapter_config.json").read_text()) == {"was": "adapter-best"}
    assert main(["runs", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "done"
    assert main(["runs", "use", "mine", "last"]) == 0
    assert f"step 100 from now on. The other one is kept:\n  apprentice runs use {folder.id} best" in (
        capsys.readouterr().out
    )
    assert json.loads((folder.adapter / "adapter_config.json").read_text()) == {"was": "adapter"}


def test_a_run_can_be_put_in_line_listed_and_taken_out_again(
    capsys: pytest.CaptureFixture[str], rows: Path, own_home: Path
) -> None:
    assert main(["runs", "queue"]) == 0
    assert capsys.readouterr().out == "No run waits in line.\n"
    assert main(["train", "--data", str(rows), "--name", "later", "--max-steps", "3", "--queue"]) == 0
    assert "later waits in line, at place 1." in capsys.readouterr().out
    assert main(["runs", "queue", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["place"], told["name"], told["dataset"]) == (1, "later", "rows.jsonl")
    assert not list((own_home / "runs").glob("*")), "it was begun"
    assert "There is no run never in line." in refused(capsys, "runs", "queue", "--remove", "never")["what"]
    assert main(["runs", "queue", "--remove", "later"]) == 0
    assert capsys.readouterr().out == "No run waits in line.\n"
    assert refused(capsys, "train", "--resume", "x", "--queue")["code"] == "run.missing"
    assert refused(capsys, "train", "--resume", "x", "--queue", "--beside")["code"] == "train.options"
    assert refused(capsys, "train", "--start-over")["code"] == "train.options"


def test_a_run_that_was_stopped_can_go_on_in_line_and_go_first(
    capsys: pytest.CaptureFixture[str], rows: Path, own_home: Path
) -> None:
    folder = run_stream.write_run("half", [one for one in run_stream.run() if not isinstance(one, events.Finished)])
    assert main(["train", str(rows), "--name", "later", "--max-steps", "3", "--queue"]) == 0
    capsys.readouterr()
    assert main(["train", "--resume", "half", "--queue", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["place"] == 2
    assert main(["train", "--resume", "half", "--queue", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["place"] == 2, "it stands there once"
    assert [one.run for one in run_queue.waiting()] == ["", folder.id]
    assert main(["runs", "queue", "--first", "half"]) == 0
    assert capsys.readouterr().out.startswith("1. half (goes on)")
    assert [one.run for one in run_queue.waiting()] == [folder.id, ""]


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
