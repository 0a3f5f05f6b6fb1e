"""`plan`, `range-test` and `train --suggested` say the same: what fits, which learning rate counts, and why."""

import json
from pathlib import Path

import msgspec
import pytest

from studio.cli import main, planning, running
from studio.contract import events, job
from studio.contract.range_test import RangeResult, RatePoint, rates
from studio.contract.sample import SAMPLE, SAMPLE_NAME, sample_files
from studio.data import run_queue
from studio.data.host_memory import LIMIT
from tests.cli.refusals import refused
from tests.cli.test_planning import rows as rows
from tests.cli.test_planning import told

TRIED = RangeResult(
    points=tuple(RatePoint(rate, 2.0, 2.0) for rate in rates(10)),
    suggestion=9e-4,
    reason="The loss fell fastest around 0.004 and rose again above 0.009; 0.0009 is a safe distance below that.",
    seconds=2.0,
)
LARGE = ("--batch-size", "256", "--gradient-checkpointing", "off")


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Range tests end at once, with this result; all else goes on as ever."""
    really = running.run

    def run(work: object, *others: object) -> object:
        return events.RangeTested(result=TRIED) if isinstance(work, job.RangeTestJob) else really(work, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(running, "run", run)


def test_a_range_test_tells_both_rates_and_its_own_is_advised_from_then_on(
    capsys: pytest.CaptureFixture[str], rows: Path, tried: None
) -> None:
    assert main(["range-test", str(rows)]) == 0
    said = capsys.readouterr().out
    assert "Suggested: --learning-rate 0.0009\nWithout trying, 0.0025 would be advised: a rule for many" in said
    assert "`apprentice plan` and `train --suggested` go by it from now on" in said
    assert told(capsys, "range-test", str(rows))["by_rule"] == 0.0025

    assert main(["plan", str(rows), "--formula-only"]) == 0
    said = capsys.readouterr().out
    assert "--learning-rate 0.0009\n      Tried with your examples. The loss fell fastest" in said
    assert "Without trying, 0.0025 would be advised" in said
    assert main(["plan", str(rows), "--formula-only", "--rank", "2"]) == 0  # another adapter: nothing was tried
    assert "--learning-rate 0.0025" in capsys.readouterr().out

    assert main(["train", str(rows), "--queue"]) == 0
    said = capsys.readouterr().err
    assert "0.0009 is suggested, by a range test with these examples." in said
    assert "--learning-rate 0.0009." in said
    assert main(["train", str(rows), "--suggested", "--queue"]) == 0
    said = capsys.readouterr().err
    assert "--learning-rate 0.0009" in said
    assert "Without trying, 0.0025 would be advised" in said
    assert run_queue.waiting()[-1].work.settings.learning_rate == 9e-4


def test_a_range_test_without_a_suggestion_leaves_the_rule(
    capsys: pytest.CaptureFixture[str], rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = msgspec.structs.replace(TRIED, suggestion=None, reason="The test was too short to say anything.")
    monkeypatch.setattr(running, "run", lambda *_: events.RangeTested(result=nothing))
    assert main(["range-test", str(rows)]) == 0
    said = capsys.readouterr().out
    assert "The advised one is 0.0025, by a rule for many models and data sets." in said
    assert "from now on" not in said
    assert main(["plan", str(rows), "--formula-only"]) == 0
    assert "--learning-rate 0.0025" in capsys.readouterr().out


def test_the_sample_with_its_own_settings_gets_no_advice_that_knows_less(
    capsys: pytest.CaptureFixture[str], rows: Path, tried: None
) -> None:
    from studio.cli import places

    examples, held_back = sample_files()
    places.import_file(Path(examples), SAMPLE_NAME, held_back, id=SAMPLE)
    assert main(["plan", SAMPLE, "--preset", "sample", "--formula-only"]) == 0
    said = capsys.readouterr().out
    assert "were tuned for just this model and data." in said
    assert "Advice" not in said
    assert main(["range-test", SAMPLE, "--preset", "sample"]) == 0
    said = capsys.readouterr().out
    assert "A short test sees only how whole runs begin." in said
    assert "from now on" not in said


def test_the_formula_refuses_what_train_refuses_and_gives_no_advice(
    capsys: pytest.CaptureFixture[str], rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "0.2")
    assert main(["plan", str(rows), "--formula-only"]) == 2
    said = capsys.readouterr()
    assert "205 MB are free; " in said.err
    assert " are missing." in said.err
    assert "no change of these settings makes it fit" in said.err
    assert "in all, give or take" in said.out
    assert "Advice" not in said.out
    assert "To make it fit" not in said.out
    assert main(["plan", str(rows), "--formula-only", "--json"]) == 2
    table = json.loads(capsys.readouterr().out)
    assert (table["advice"], table["fits"], table["error"]["code"]) == ([], False, "memory.cannot_fit")
    problem = refused(capsys, "train", str(rows))
    assert table["problems"] == [table["error"]]
    assert problem["code"] == table["error"]["code"]


def test_what_changes_would_make_fit_is_told_with_gains_and_costs_before_the_refusal(
    capsys: pytest.CaptureFixture[str], rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.write_text(rows.read_text() * 8)  # so many that such a batch is full
    monkeypatch.setenv(LIMIT, "0.7")
    assert main(["plan", str(rows), *LARGE, "--formula-only"]) == 2
    said = capsys.readouterr()
    assert "To make it fit:\n  --batch-size" in said.out
    assert "It saves" in said.out
    assert "Then it needs about" in said.out
    assert "Advice" not in said.out
    assert said.err.rstrip().endswith("The changes above make it fit.")


def test_what_may_not_fit_whatever_is_changed_gets_no_advice_and_is_not_refused_as_train_would_not(
    capsys: pytest.CaptureFixture[str], rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "0.4")
    assert main(["plan", str(rows), "--formula-only"]) == 0
    said = capsys.readouterr().out
    assert "It may not fit." in said
    assert "To need less:" in said
    assert "which may still be too much. A smaller model would need less; or close other programs." in said
    assert said.endswith("No advice is given: first the memory has to suffice.\n")
    assert told(capsys, "plan", str(rows), "--formula-only")["advice"] == []


def test_suggested_values_are_not_told_where_nothing_fits(
    capsys: pytest.CaptureFixture[str], rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "0.2")
    assert main(["train", str(rows), "--suggested"]) == 2
    said = capsys.readouterr().err
    assert "There is not enough memory" in said
    assert "Suggested values" not in said


def test_the_largest_batch_and_the_best_are_told_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"What is {n}?", "completion": f"{n}."}) + "\n" for n in range(2000)))
    assert main(["plan", str(path), "--formula-only"]) == 0
    said = capsys.readouterr().out
    assert (
        "To use the memory there is (for speed, as far as it makes sense; what learns well stands under Advice):"
        in said
    )
    assert "--batch-size 64" in said
    assert " more. Faster;" in said  # it takes so much more
    assert "Memory would hold more; beyond 64 we propose none" in said
    assert "--batch-size 8 (as it is)" in said


def test_where_nothing_saves_memory_no_sum_of_changes_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    from studio.contract.memory_fit import Fit
    from studio.contract.memory_plan import Estimate

    told_all = Estimate(parts=(), total=2**30, low=2**29, high=2**31, pack_tokens=1, measured=False)
    nothing = Fit(changes=(), estimate=told_all, fits=False)
    planning._say(nothing, nothing, has_advice=True)
    assert capsys.readouterr().out == (
        "No setting is left that saves memory. A smaller model would need less; or close other programs.\n"
    )
