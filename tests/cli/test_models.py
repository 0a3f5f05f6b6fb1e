"""`apprentice models` and `apprentice combine`: what they print, and one clear message where they cannot."""

import json
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.contract.run_folder import models_folder, runs_folder
from studio.data import model_library
from tests.engine.exported_run import learned_run
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
    assert [m["name"] for m in told(capsys, "models", "list")["models"]] == ["tiny"]
    assert told(capsys, "models", "check", "tiny", "--files")["changed_files"] == []
    path = Path(row["path"]) / "README.md"
    path.write_text("new")
    (Path(row["path"]) / "tokenizer_config.json").write_text(
        (model / "tokenizer_config.json").read_text().replace("512", "511")
    )
    assert main(["models", "check", "tiny", "--files"]) == 2
    assert "tokenizer_config.json was changed" in capsys.readouterr().err
    assert told(capsys, "models", "remove", "tiny", "--delete-copy")["deleted"]
    assert not Path(row["path"]).exists()
    assert model_library.list_models() == []
    assert refused(capsys, "models", "remove", "tiny") == "model.not_added"


def test_a_referenced_model_stays_where_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny")
    assert main(["models", "add", str(model)]) == 0
    assert main(["models", "list"]) == 0
    said = capsys.readouterr().out
    assert "LlamaForCausalLM" in said
    assert "chat: fits" in said
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
    assert (
        refused(capsys, "export", "both", "--to", str(tmp_path / "x"), "--numbers", "f16") == "export.unknown_numbers"
    )
