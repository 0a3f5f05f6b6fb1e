"""`apprentice plan`, `apprentice range-test`, and a run that cannot fit: one JSON object, or one message and exit 2."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main, places
from studio.cli.options import require_method
from studio.contract.errors import StudioError
from studio.contract.run_folder import jobs_folder, runs_folder, starter_folder
from studio.data import run_queue
from studio.data.host_memory import LIMIT
from studio.engine import base_model
from tests.cli.refusals import refused

ROWS = "".join(
    json.dumps({"prompt": f"What is {n}?", "completion": f"It is {n}." + " Surely." * (n % 7)}) + "\n"
    for n in range(60)
)


@pytest.fixture
def rows(tmp_path: Path, own_home: Path) -> Path:
    if not (starter_folder() / "model.safetensors").is_file():
        pytest.skip("resources/starter holds no weights yet: packaging/starter makes them")
    path = tmp_path / "rows.jsonl"
    path.write_text(ROWS)
    return path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert isinstance(table, dict)
    return table


def test_a_plan_tells_components_band_and_what_is_free(capsys: pytest.CaptureFixture[str], rows: Path) -> None:
    table = told(capsys, "plan", str(rows), "--batch-size", "4")
    parts = table["components"]
    assert isinstance(parts, dict)
    assert sum(parts.values()) == table["total_bytes"]
    assert table["measured"] is True
    assert table["low_bytes"] < table["total_bytes"] < table["high_bytes"]
    assert (table["fits"], table["verdict"], table["device"]) == (True, "fits", "cpu")
    assert {one["path"] for one in table["advice"]} >= {"epochs", "learning_rate", "max_tokens"}
    assert list(runs_folder().iterdir()) == []
    assert list(jobs_folder().glob("job-*")) == []  # nothing is left

    assert main(["plan", str(rows), "--formula-only"]) == 0
    said = capsys.readouterr().out
    assert "by the formula" in said
    assert "It fits." in said
    assert "--learning-rate" in said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--method", "loha", "--quantisation", "nf4"), "settings.method_4_bit"),
        (("--optimiser", "paged_adamw_8bit"), "settings.paged_needs_cuda"),
    ],
)
def test_what_does_not_go_together_is_refused_by_the_formula_too(
    capsys: pytest.CaptureFixture[str], rows: Path, words: tuple[str, ...], code: str
) -> None:
    assert refused(capsys, "plan", str(rows), "--formula-only", *words)["code"] == code


@pytest.mark.parametrize("command", [["train", "--data"], ["plan"]])
def test_what_the_models_sizes_forbid_is_refused_before_anything_is_imported(
    capsys: pytest.CaptureFixture[str], rows: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "find_dataset", lambda *_: pytest.fail("it was imported"))
    problem = refused(capsys, *command, str(rows), "--rank", "500")
    assert (problem["code"], problem["where"]) == ("train.rank_too_large", "method.rank")
    assert problem["sets"] == {"method.rank": 256}


def test_learned_tokens_without_room_are_refused_before_the_model_is_loaded(
    capsys: pytest.CaptureFixture[str], rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_model, "load", lambda *_: pytest.fail("it was loaded"))
    for command in (["train", "--data", str(rows)], ["plan", str(rows)], ["plan", str(rows), "--formula-only"]):
        problem = refused(capsys, *command, "--method", "prompt", "--virtual-tokens", "4000")
        assert problem["code"] == "train.too_many_virtual_tokens"
        assert 400 < problem["sets"]["method.virtual_tokens"] < 512  # type: ignore[index]


def test_what_does_not_fit_comes_with_what_makes_it_fit(
    capsys: pytest.CaptureFixture[str], rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.write_text(rows.read_text() * 8)  # so many that such a batch is full
    monkeypatch.setenv(LIMIT, "0.9")
    command = ["plan", str(rows), "--batch-size", "256", "--gradient-checkpointing", "off", "--formula-only"]
    assert main([*command, "--json"]) == 2  # as `train` would refuse it
    table = json.loads(capsys.readouterr().out)
    assert table["fits"] is False
    fit = table["make_it_fit"]
    assert isinstance(fit, dict)
    assert fit["fits"] is True
    assert fit["changes"][0]["sets"]["batch_size"] < 256
    assert all(change["gains_bytes"] > 0 and change["costs"] for change in fit["changes"])


def test_a_run_that_cannot_fit_is_refused_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "0.2")
    for command in (["train", "--data", str(rows)], ["plan", str(rows)], ["range-test", str(rows)]):
        problem = refused(capsys, *command)
        assert problem["code"] == "memory.cannot_fit"
        assert "205 MB are free" in problem["what"]
        assert problem["fix"].startswith("Choose a smaller model, or close other programs")
    assert list(runs_folder().iterdir()) == []


def test_a_run_on_own_data_says_that_the_suggested_speed_is_not_used_and_suggested_takes_it(
    capsys: pytest.CaptureFixture[str], rows: Path
) -> None:
    assert main(["train", str(rows), "--name", "plain", "--queue"]) == 0
    said = capsys.readouterr().err
    assert "Note: The suggested values are not used. At a learning speed of 0.0002 this model may learn next to" in said
    assert "0.0025 is suggested" in said
    assert "--suggested" in said

    assert main(["train", str(rows), "--name", "advised", "--suggested", "--epochs", "4", "--queue"]) == 0
    said = capsys.readouterr().err
    assert "not used" not in said
    assert "Suggested values are used: --batch-size 4 --learning-rate 0.0025 --max-tokens 128." in said
    plain, advised = (one.work.settings for one in run_queue.waiting())
    assert plain.learning_rate == 2e-4
    assert (advised.learning_rate, advised.batch_size, advised.max_tokens) == (2.5e-3, 4, 128)
    assert advised.epochs == 4.0  # what was said counts


@pytest.mark.parametrize("words", [("--learning-rate", "2e-4"), ("--method", "ia3")])
def test_a_learning_speed_that_was_chosen_is_not_spoken_against(
    capsys: pytest.CaptureFixture[str], rows: Path, words: tuple[str, ...]
) -> None:
    assert main(["train", str(rows), *words, "--queue"]) == 0
    assert "suggested" not in capsys.readouterr().err


def test_suggestions_and_a_job_file_exclude_each_other(
    capsys: pytest.CaptureFixture[str], rows: Path, tmp_path: Path
) -> None:
    (tmp_path / "job.toml").write_text(f'data = "{rows.name}"\n')
    problem = refused(capsys, "train", str(tmp_path / "job.toml"), "--suggested")
    assert problem["code"] == "train.options"
    assert "--suggested" in problem["what"]


def test_a_range_test_prints_its_curve_and_suggests_a_rate(capsys: pytest.CaptureFixture[str], rows: Path) -> None:
    assert main(["range-test", str(rows), "--steps", "24", "--learning-rate", "1e-3"]) == 0
    said = capsys.readouterr().out
    assert said.count("e-0") >= 20
    assert "The loss" in said
    table = told(capsys, "range-test", str(rows), "--steps", "24")
    points = table["points"]
    assert isinstance(points, list)
    assert 10 < len(points) <= 24
    assert list(runs_folder().iterdir()) == []


def test_a_sweep_of_no_steps_is_refused(capsys: pytest.CaptureFixture[str], rows: Path) -> None:
    assert "10 to 1000" in refused(capsys, "range-test", str(rows), "--steps", "3")["what"]
    assert "no file" in refused(capsys, "plan", "nowhere.jsonl")["what"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("prompt_tuning", "Did you mean prompt? "),
        ("p-tuning", "Did you mean ptuning? "),
        ("prefix-tuning", "Did you mean prefix? "),
        ("layernorm_tuning", "Did you mean norms? "),
        ("lroa", "Did you mean lora? "),
        ("initial_rank", "It is a setting of adalora. "),
        ("xyzzy", ""),
    ],
)
def test_a_way_of_tuning_is_guessed_by_its_terms_elsewhere_and_by_its_settings(typed: str, meant: str) -> None:
    with pytest.raises(StudioError) as error:
        require_method(typed)
    assert error.value.problem.fix.startswith(f"{meant}Known: lora, ")


def test_the_end_of_a_run_tells_what_was_expected_of_its_memory_and_what_it_took(
    capsys: pytest.CaptureFixture[str], rows: Path
) -> None:
    short = ["train", str(rows), "--max-steps", "2", "--batch-size", "2", "--evaluations", "0", "--name", "short"]
    assert main(short) == 0
    said = capsys.readouterr().out
    assert re.search(r"Memory: [\d.]+ [MG]B expected, give or take [\d.]+ [MG]B \(by the formula\); [\d.]+ [MG]B", said)
    assert "taken at its peak." in said
    assert main(["runs", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["memory_planned_bytes"] > 0
    assert listed["memory_planned_measured"] is False
    table = told(capsys, *short)
    assert table["memory_planned_bytes"] > 0
    assert (table["memory_planned_measured"], table["memory_peak_bytes"] > 0) == (False, True)


def test_examples_that_are_left_out_as_too_long_are_told_by_the_advice_on_length(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    words = ["Why?", "Why, " * 90 + "why?"]
    rows = [
        {"messages": [{"role": "user", "content": f"{words[i % 8 == 0]} {i}"}, {"role": "assistant", "content": "So."}]}
        for i in range(40)
    ]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    table = told(capsys, "plan", str(file), "--formula-only", "--max-tokens", "64", "--replay-share", "0")
    (advice,) = [one for one in table["advice"] if one["path"] == "max_tokens"]
    assert advice["value"] == 64
    assert "of the examples are longer, and left out or cut; with more room" in advice["reason"]
    assert "would change nothing" not in advice["reason"]
    table = told(capsys, "plan", str(file), "--formula-only", "--max-tokens", "400", "--replay-share", "0")
    (advice,) = [one for one in table["advice"] if one["path"] == "max_tokens"]
    assert "more room would change nothing" in advice["reason"]
