"""`--from-adapter` with adapters that are kept at another size than the settings of their run say."""

import json
from pathlib import Path

import pytest

from studio.cli import main


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"prompt": "{i} + 1?", "completion": "{i + 1}"}}\n' for i in range(6)))
    return path


def test_a_run_goes_on_from_what_began_with_the_models_own_directions(
    capsys: pytest.CaptureFixture[str], rows: Path, own_home: Path
) -> None:
    short = ["--max-steps", "2", "--evaluations", "0", "--batch-size", "2", "--held-back-share", "0"]
    words = ["train", "--data", str(rows), "--probes", "", "--general", "", *short]
    assert main([*words, "--initialisation", "pissa", "--rank", "4", "--alpha", "8", "--name", "first"]) == 0
    capsys.readouterr()
    assert main([*words, "--from-adapter", "first", "--name", "second"]) == 0
    assert "goes on as it was kept: size 8, strength 16" in capsys.readouterr().err
    jobs = [json.loads(path.read_text(encoding="utf-8")) for path in (own_home / "runs").glob("*/job.json")]
    method = next(job["settings"]["method"] for job in jobs if job["name"] == "second")
    assert (method["rank"], method["alpha"], method["initialisation"]) == (8, 16, "standard")
    for command in (["plan", "--formula-only"], ["plan"]):
        assert main([*command, str(rows), "--from-adapter", "first"]) == 0
        assert "goes on as it was kept: size 8" in capsys.readouterr().err
        assert main([*command, str(rows), "--from-adapter", "first", "--json"]) == 0
        assert "size 8" in json.loads(capsys.readouterr().out)["notices"][0]["what"]
    datasets = sorted((own_home / "datasets").iterdir())
    other = rows.with_name("other.jsonl")
    other.write_text(rows.read_text(encoding="utf-8"), encoding="utf-8")
    for options, told in (
        (["--rank", "4", "--alpha", "8"], "The options are --rank 8 --alpha 16.0."),
        (["--initialisation", "eva"], "The options are --initialisation standard."),
    ):
        for command in (["train"], ["plan"], ["plan", "--formula-only"]):
            assert main([*command, str(other), "--from-adapter", "first", *options]) == 2
            assert told in capsys.readouterr().err
    assert sorted((own_home / "datasets").iterdir()) == datasets  # before anything is imported


def test_what_adalora_has_learned_goes_on_by_lora(
    capsys: pytest.CaptureFixture[str], rows: Path, own_home: Path
) -> None:
    short = ["--max-steps", "2", "--evaluations", "0", "--batch-size", "2", "--held-back-share", "0"]
    words = ["train", "--data", str(rows), "--probes", "", "--general", "", *short]
    sizes = ["--initial-rank", "4", "--target-rank", "2"]
    assert main([*words, "--method", "adalora", *sizes, "--name", "first"]) == 0
    for options in ([], ["--method", "lora"]):
        assert main([*words, "--from-adapter", "first", *options]) == 0
        assert "all go on at the largest" in capsys.readouterr().err
    assert main([*words, "--from-adapter", "first", "--method", "adalora"]) == 2
    assert "The options are --method lora." in capsys.readouterr().err
    methods = [json.loads(path.read_text())["settings"]["method"]["name"] for path in own_home.glob("runs/*/job.json")]
    assert sorted(methods) == ["adalora", "lora", "lora"]
