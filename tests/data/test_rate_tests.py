"""Range tests are kept beside the rows that they were made with, and say nothing of other rows, models or settings."""

import json
from pathlib import Path

import msgspec
import pytest

from studio.contract.advice import advise, beside_rule, found_rate, sets_of
from studio.contract.job import TrainJob
from studio.contract.memory_fit import changed
from studio.contract.methods import METHODS
from studio.contract.range_test import RangeResult, RatePoint
from studio.contract.settings import TrainSettings
from studio.data import rate_tests
from studio.data.edits import EDITS_FILE
from tests.data.test_memory_plan import planner


def result(rate: float | None) -> RangeResult:
    return RangeResult(points=(RatePoint(1e-3, 2.0, 2.0),), suggestion=rate, reason="It fell.", seconds=1.5)


@pytest.fixture
def work(tmp_path: Path) -> TrainJob:
    (tmp_path / "data").mkdir()
    return TrainJob(
        name="one",
        model=str(tmp_path / "model"),
        model_name="model",
        dataset=str(tmp_path / "data"),
        dataset_name="data",
        settings=TrainSettings(),
    )


def test_the_newest_comes_first_and_only_so_many_are_kept(work: TrainJob) -> None:
    assert rate_tests.tests_of(work) == ()
    for number in range(rate_tests.MOST + 3):
        assert rate_tests.keep(work, result(number * 1e-4))
    kept = rate_tests.tests_of(work)
    assert len(kept) == rate_tests.MOST
    assert kept[0].settings == work.settings
    assert kept[0].result == msgspec.structs.replace(result((rate_tests.MOST + 2) * 1e-4), points=())
    assert kept[1].result.suggestion == (rate_tests.MOST + 1) * 1e-4


def test_of_other_rows_models_and_beginnings_nothing_is_said(work: TrainJob, tmp_path: Path) -> None:
    assert rate_tests.keep(work, result(1e-3))
    for other in ({"model": str(tmp_path / "other")}, {"general": "general.jsonl"}, {"start_from": "adapter"}):
        assert rate_tests.tests_of(msgspec.structs.replace(work, **other)) == ()
    (tmp_path / "link").symlink_to(tmp_path / "model")
    assert rate_tests.tests_of(msgspec.structs.replace(work, model=str(tmp_path / "link"))) != ()
    (tmp_path / "data" / EDITS_FILE).write_text("")
    assert rate_tests.tests_of(work) == ()


def test_a_test_that_ended_at_another_highest_rate_says_nothing(
    work: TrainJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rate_tests.keep(work, result(1e-3))
    path = Path(work.dataset) / rate_tests.FILE
    kept = json.loads(path.read_text())
    monkeypatch.setitem(METHODS, "lora", msgspec.structs.replace(METHODS["lora"], highest_rate=1.0))
    assert rate_tests.tests_of(work) == ()
    monkeypatch.undo()
    assert len(rate_tests.tests_of(work)) == 1
    del kept[0]["highest"]  # as it was kept when all ended at one rate
    path.write_text(json.dumps(kept))
    assert rate_tests.tests_of(work) == ()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[1]", b"[" * 100_000, json.dumps([{"model": "m"}]).encode()])
def test_a_file_that_cannot_be_read_is_as_if_there_were_none(work: TrainJob, content: bytes) -> None:
    path = Path(work.dataset) / rate_tests.FILE
    path.write_bytes(content)
    assert rate_tests.tests_of(work) == ()
    assert rate_tests.keep(work, result(1e-3))
    assert len(rate_tests.tests_of(work)) == 1


def test_where_nothing_can_be_written_it_is_told(work: TrainJob, tmp_path: Path) -> None:
    gone = msgspec.structs.replace(work, dataset=str(tmp_path / "gone"))
    assert not rate_tests.keep(gone, result(1e-3))
    assert rate_tests.tests_of(gone) == ()


def test_whoever_takes_the_advice_of_a_test_is_still_advised_by_it(work: TrainJob) -> None:
    there, settings = planner(16), work.settings
    assert rate_tests.keep(work, result(1.7e-3))
    tests = rate_tests.tests_of(work)
    tested = found_rate(tests, settings, there)
    assert tested is not None
    sets = sets_of(advise(settings, there, tested))
    assert sets["learning_rate"] == 1.7e-3
    assert "max_tokens" in sets  # beside the rate something else changes
    then = changed(settings, sets)
    assert found_rate(tests, then, there) == tested
    assert sets_of(advise(then, there, found_rate(tests, then, there))) == {}
    other = changed(settings, {"batch_size": settings.batch_size * 2})  # nobody advised that
    assert found_rate(tests, other, there) is None
    assert found_rate(tests, TrainSettings(optimiser="lion"), there) is None


def test_both_rates_are_said_and_which_of_them_counts() -> None:
    assert beside_rule(2e-3, result(1e-3)) == (
        "Without trying, 0.002 would be advised: a rule for many models and data sets. What was tried counts."
    )
    assert beside_rule(1e-3, result(1e-3)) == "A rule for many models and data sets says the same."
    assert beside_rule(2e-3, result(None)).startswith("The advised one is 0.002, by a rule")
