"""The command line: the same contract, exit code 2 and one clear message on bad input."""

import json
import os
from pathlib import Path

import pytest

from studio.cli import main
from studio.cli.options import settings_from
from studio.contract.errors import StudioError
from studio.contract.fields import build, fields, flatten
from studio.contract.method_choice import values_of
from studio.contract.methods import METHODS
from studio.contract.records import Message, Record
from studio.contract.run_folder import starter_folder
from studio.contract.setting_facts import IDLE_WITH
from studio.contract.settings import TrainSettings
from studio.data.split import is_held_back
from tests.cli.refusals import refused
from tests.cli.refusals import rows as rows


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
