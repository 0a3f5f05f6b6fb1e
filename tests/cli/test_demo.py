"""The demo: the whole path without a window."""

import json
from pathlib import Path

import msgspec
import pytest

from studio.cli import main, training
from studio.contract.presets import load_preset
from studio.engine.metrics import exact_match
from tests.cli.refusals import refused


def test_a_seed_that_is_none_is_refused_before_anything_is_made(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    assert "seed" in refused(capsys, "demo", "--seed", "-1")["where"]
    assert not (own_home / "runs").exists() or not list((own_home / "runs").iterdir())


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
