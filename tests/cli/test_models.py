"""`apprentice models` and `apprentice combine`: what they print, and one clear message where they cannot."""

import errno
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main, places
from studio.contract.run_folder import jobs_folder, models_folder, runs_folder
from studio.data import model_library
from studio.engine import fingerprint
from tests.engine.exported_run import learned_run
from tests.helpers.hub import Hub
from tests.helpers.tiny_models import tiny_model


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words, "--json"]) == 2
    return str(json.loads(capsys.readouterr().out)["error"]["code"])


def test_models_are_added_listed_checked_and_removed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "stick" / "tiny")
    (row,) = told(capsys, "models", "add", str(tmp_path / "stick"), "--copy")["models"]
    assert row["copied"]
    assert Path(row["path"]).parent == models_folder()
    assert row["chat"]["how"] in ("fits", "tight", "too_large")
    assert [m["name"] for m in told(capsys, "models", "list")["models"]] == ["Starter", "tiny"]
    assert told(capsys, "models", "check", "tiny", "--files")["changed_files"] == []
    path = Path(row["path"]) / "README.md"
    path.write_text("new")
    (Path(row["path"]) / "tokenizer_config.json").write_text(
        (model / "tokenizer_config.json").read_text().replace("512", "511")
    )
    assert main(["models", "check", "tiny", "--files"]) == 2
    assert "tokenizer_config.json was changed" in capsys.readouterr().err
    assert not told(capsys, "models", "remove", "tiny")["deleted"]
    told(capsys, "models", "add", row["path"])  # it is a copy of ours as before
    assert told(capsys, "models", "remove", "tiny", "--delete-copy")["deleted"]
    assert not Path(row["path"]).exists()
    assert [m["name"] for m in told(capsys, "models", "list")["models"]] == ["Starter"]
    assert refused(capsys, "models", "remove", "tiny") == "model.not_added"
    assert refused(capsys, "models", "remove", "starter") == "model.built_in"


def test_a_referenced_model_stays_where_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny")
    assert main(["models", "add", str(model)]) == 0
    assert main(["models", "list"]) == 0
    said = capsys.readouterr().out
    assert "LlamaForCausalLM" in said
    assert "chat: fits" in said
    assert main(["models", "check", str(model)]) == 0
    print_ = fingerprint.of(model)
    assert f"Fingerprint {print_}\n" in capsys.readouterr().out
    assert told(capsys, "models", "check", str(model))["fingerprint"] == print_
    assert not told(capsys, "models", "remove", str(model), "--delete-copy")["deleted"]
    assert (model / "config.json").is_file()


def test_places_without_a_model_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no cache"))
    assert refused(capsys, "models", "add", str(tmp_path)) == "model.none_there"
    assert refused(capsys, "models", "add", "--cache") == "model.none_there"
    assert refused(capsys, "models", "add") == "model.which"
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.json").write_text('{"model_type": "mamba", "architectures": ["MambaForCausalLM"]}')
    assert refused(capsys, "models", "add", str(tmp_path / "odd")) == "model.unsupported"


def test_what_looks_like_a_model_and_is_none_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "some.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "model.safetensors").touch()
    assert refused(capsys, "models", "add", str(tmp_path / "some.gguf")) == "model.gguf"
    assert refused(capsys, "models", "add", str(tmp_path / "adapter")) == "model.is_adapter"
    assert refused(capsys, "models", "add", str(tmp_path / "half")) == "model.no_config"
    (tmp_path / "notes.txt").touch()
    assert refused(capsys, "models", "add", str(tmp_path / "notes.txt")) == "model.none_there"


def test_every_problem_of_a_model_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny")
    (model / "tokenizer.json").write_text("{")
    (model / "model.safetensors").write_bytes(b"short")
    for words in (["models", "check", str(model)], ["models", "add", str(model)]):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert "tokenizer.json" in said
        assert "model.safetensors" in said
        assert "Traceback" not in said


def test_a_folder_of_many_models_is_added_only_when_all_are_meant(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for number in range(6):
        tiny_model(tmp_path / "stick" / f"tiny-{number}")
    assert refused(capsys, "models", "add", str(tmp_path / "stick")) == "model.many"
    assert model_library.list_models() == []
    assert len(told(capsys, "models", "add", str(tmp_path / "stick"), "--all")["models"]) == 6


def test_of_several_models_those_that_cannot_be_used_are_told_and_left_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    good, pickled, cut = (tiny_model(tmp_path / "stick" / name) for name in ("good", "pickled", "cut"))
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with (cut / "model.safetensors").open("rb+") as file:
        file.truncate(100_000)
    assert main(["models", "add", str(tmp_path / "stick"), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "cut  cannot be used: The file model.safetensors is cut." in lines[0]
    assert lines[1] == str(good)
    assert "only there as pickle files" in lines[2]
    assert main(["models", "add", str(tmp_path / "stick")]) == 0
    said = capsys.readouterr()
    assert "good: Checking the model" in said.err
    assert said.out.splitlines()[-1] == "1 added, 2 left out"
    assert "cut  left out: The file model.safetensors is cut." in said.out
    assert "0 files" not in said.out
    assert [row["usable"] for row in told(capsys, "models", "list")["models"]] == [True, True]
    shutil.rmtree(good)
    assert main(["models", "add", str(tmp_path / "stick")]) == 2
    assert capsys.readouterr().out.splitlines()[-1] == "0 added, 2 left out"


def test_a_model_of_the_hugging_face_cache_is_its_current_snapshot(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cached = tmp_path / "hub" / "models--org--tiny"
    older, newer = (tiny_model(cached / "snapshots" / name) for name in ("abc1234567", "def1234567"))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("def1234567")
    assert main(["models", "check", str(cached)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("org/tiny: LlamaForCausalLM")
    assert "licence not stated, has a chat template" in said
    assert "  training: fits, about" in said
    assert [row["path"] for row in told(capsys, "models", "add", str(tmp_path / "hub"))["models"]] == [str(newer)]
    (row,) = told(capsys, "models", "add", str(older))["models"]
    assert row["name"] == "org/tiny@abc1234"
    assert len(told(capsys, "models", "add", str(cached / "snapshots"), "--dry-run")["models"]) == 2


def test_a_snapshot_that_is_half_there_does_not_hide_the_older_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cached = tmp_path / "hub" / "models--org--tiny"
    older, half = (tiny_model(cached / "snapshots" / name) for name in ("abc1234567", "def1234567"))
    (half / "model.safetensors").unlink()
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("def1234567")
    assert main(["models", "check", str(cached)]) == 0
    assert capsys.readouterr().out.startswith("org/tiny: LlamaForCausalLM")
    rows = told(capsys, "models", "add", str(tmp_path / "hub"))["models"]
    assert [row["path"] for row in rows if row["usable"]] == [str(older)]


def test_of_two_models_of_one_name_the_one_that_is_meant_must_be_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one, other = (tiny_model(tmp_path / maker / "tiny") for maker in ("one", "other"))
    assert len(told(capsys, "models", "add", str(tmp_path))["models"]) == 2
    for command in ("remove", "check"):
        assert refused(capsys, "models", command, "tiny") == "model.several"
    assert told(capsys, "models", "remove", str(one))["path"] == str(one)
    assert told(capsys, "models", "remove", "tiny")["path"] == str(other)


def test_a_model_whose_stick_is_away_stays_on_the_list_and_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = tiny_model(tmp_path / "stick" / "tiny")
    told(capsys, "models", "add", str(model))
    (tmp_path / "stick").rename(tmp_path / "pulled")
    assert main(["models", "list"]) == 0
    said = capsys.readouterr().out
    assert f"NOT USABLE  {model}\n  Not there now: plug the stick in or add the model again." in said
    assert [row["away"] for row in told(capsys, "models", "list")["models"]] == [False, True]
    assert refused(capsys, "models", "check", "tiny") == "model.away"
    assert main(["models", "remove", "tiny"]) == 0
    assert f"its files are not there now: {model}" in capsys.readouterr().out


def test_an_added_model_is_found_by_its_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (tiny_model(tmp_path / maker / "tiny") for maker in ("one", "other"))
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(f'{{"prompt": "Who is {n}?", "completion": "Number {n}."}}\n' for n in range(40)))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    given = (
        ["plan", str(data), "--model", "tiny"],
        ["preview", str(data), "--model", "tiny"],
        ["chat", "--model", "tiny", "--prompt", "Who?", "--max-new-tokens", "1"],
        ["train", "--model", "tiny", "--data", str(data), "--max-steps", "1"],
    )
    for words in given:
        assert refused(capsys, *words) == "model.missing"
    told(capsys, "models", "add", str(one))
    assert told(capsys, *given[0])
    assert told(capsys, *given[1])
    assert places.find_model("tiny") == one
    told(capsys, "models", "add", str(other))
    for words in given:
        assert refused(capsys, *words) == "model.several"
    here = tiny_model(tmp_path / "elsewhere" / "tiny")
    assert places.find_model("tiny") == here  # what lies here goes first
    assert told(capsys, "models", "check", "tiny")["path"] == str(here)
    shutil.rmtree(here)
    told(capsys, "models", "remove", str(other))
    one.rename(tmp_path / "pulled")
    for words in given:
        assert refused(capsys, *words) == "model.away"


def test_of_two_runs_of_one_name_the_one_that_is_meant_must_be_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = tiny_model(tmp_path / "tiny")
    one, other = (learned_run(runs_folder(), model, seed=seed) for seed in (1, 2))
    for run in (one, other):
        told(capsys, "runs", "label", run.id, "--name", "twin")
    for words in (
        ["runs", "show", "twin"],
        ["export", "twin", "--to", str(tmp_path / "out")],
        ["combine", "twin", one.id],
        ["chat", "--adapter", "twin", "--prompt", "Hi"],
        ["train", str(tmp_path), "--from-adapter", "twin"],
    ):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert said.index(max(one.id, other.id)) < said.index(min(one.id, other.id)), "the newest first"
    assert told(capsys, "runs", "show", one.id)["name"] == "twin"


def test_two_runs_are_combined_and_the_result_is_exported_and_chats(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = tiny_model(tmp_path / "tiny")
    one, other = (learned_run(runs_folder(), model, seed=seed) for seed in (1, 2))
    made = told(capsys, "combine", f"{one.id}=0.5", other.id, "--how", "ties", "--name", "both")
    assert made["name"] == "both"
    exported = told(capsys, "export", "both", "--to", str(tmp_path / "out"), "--form", "gguf", "--numbers", "f32")
    assert exported["parity"]["same_answers"] == exported["parity"]["prompts"] == 8
    assert main(["chat", "--adapter", "both", "--prompt", "Hi", "--max-new-tokens", "4"]) == 0
    capsys.readouterr()
    assert refused(capsys, "combine", one.id, f"{other.id}=much") == "combine.wrong_weight"
    assert refused(capsys, "combine", one.id) == "combine.wrong_values"
    for option in (["--rank", "4"], ["--density", "0.3"]):  # of other ways: added up as it is, it would go unheard
        assert refused(capsys, "combine", one.id, other.id, "--how", "weighted", *option) == "combine.not_of_this_way"
    assert refused(capsys, "combine", one.id, other.id, "--how", "ties", "--rank", "4") == "combine.not_of_this_way"
    wrong = ["export", "both", "--to", str(tmp_path / "x"), "--numbers"]
    assert refused(capsys, *wrong, "f16") == "export.unknown_numbers"
    assert main([*wrong, "q4_0"]) == 2
    fix = "Leave --numbers out, or choose a form that has it (--form): gguf, ollama, lm_studio."
    assert fix in " ".join(capsys.readouterr().err.split())


# --- what goes wrong on the way out ---------------------------------------------------------------------------------


def test_a_base_that_is_gone_or_another_is_named_with_its_hash(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = tiny_model(tmp_path / "tiny")
    run = learned_run(runs_folder(), model)
    fingerprint.write(run.adapter, model)
    export = ["export", run.id, "--to", str(tmp_path / "out"), "--form", "gguf"]
    model.rename(tmp_path / "away")
    assert refused(capsys, *export) == "export.base_missing"
    assert main(export) == 2
    said = capsys.readouterr().err
    assert "Bring back the model tiny, fingerprint " in said
    assert "Traceback" not in said
    tiny_model(model, seed=7)
    assert refused(capsys, *export) == "export.other_base"
    assert refused(capsys, "chat", "--model", str(model), "--adapter", run.id, "--prompt", "Hi") == "adapter.other_base"
    assert not (tmp_path / "out").exists()
    assert main(["models", "add", str(tmp_path / "away")]) == 0  # under another name, it is found again
    capsys.readouterr()
    assert told(capsys, *export)["parity"]["prompts"] == 8


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing_and_the_next_export_succeeds(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gguf

    run = learned_run(runs_folder(), tiny_model(tmp_path / "tiny"))
    export = ["export", run.id, "--to", str(tmp_path / "out" / "x"), "--form", "gguf"]
    written, real = [], gguf.GGUFWriter.write_tensor_data

    def fill_up(writer: Any, data: Any) -> None:
        written.append(data)
        if len(written) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(writer, data)

    with monkeypatch.context() as patch:
        patch.setattr(gguf.GGUFWriter, "write_tensor_data", fill_up)
        assert refused(capsys, *export) == "export.disk_full"
    assert len(written) == 6
    assert list((tmp_path / "out").iterdir()) == []
    assert told(capsys, *export)["files"] == ["README.md", "x-F16.gguf"]


# --- from the hub -------------------------------------------------------------------------------------------------


def test_a_model_is_downloaded_by_its_name_and_taught_afterwards(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(tmp_path / "hub")
    try:
        tiny_model(hub.place("maker/tiny"))
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        assert main(["models", "download", "maker/tiny"]) == 0
        said = capsys.readouterr()
        assert said.out.startswith("This connects to 127.0.0.1 over the internet and fetches maker/tiny (main).")
        assert "Fetching model.safetensors" in said.err
        (_, row) = told(capsys, "models", "list")["models"]  # the built-in one first
        assert (row["name"], row["copied"], row["usable"]) == ("maker/tiny", True, True)
        assert told(capsys, "models", "check", "maker/tiny", "--files")["changed_files"] == []
        assert refused(capsys, "models", "download", "maker/other") == "hub.no_such_model"
        assert not list(jobs_folder().iterdir())
    finally:
        hub.close()
    assert refused(capsys, "models", "download", "maker/tiny") == "hub.no_connection"


@pytest.mark.parametrize(
    ("words", "code"),
    [(["a/b/c"], "hub.name"), (["a/b", "--revision", "../x"], "hub.revision"), ([], "cli.options")],
)
def test_names_that_are_none_start_no_process(
    capsys: pytest.CaptureFixture[str], words: list[str], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    assert refused(capsys, "models", "download", *words) == code


def test_a_mirror_that_anyone_could_listen_to_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example")
    assert refused(capsys, "models", "download", "a/b") == "hub.endpoint"


@pytest.mark.parametrize(
    "words", [["models", "add"], ["models", "check"], ["export"], ["chat", "Hi", "--model"], ["data", "inspect"]]
)
def test_a_name_that_is_longer_than_any_disk_holds_is_bad_input(
    capsys: pytest.CaptureFixture[str], own_home: Path, words: list[str]
) -> None:
    assert main([*words, "x" * 300, *(["--as", "adapter"] if words == ["export"] else [])]) == 2
    said = capsys.readouterr().err
    assert "did not expect" not in said
    assert "Errno" not in said.splitlines()[0]
