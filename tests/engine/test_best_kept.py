"""What was learned at the best test is kept beside the adapter of the last step, and can be had."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from studio.contract import events
from studio.contract import job as jobs
from studio.contract.control import Control
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder
from studio.contract.settings import TrainSettings
from studio.contract.trainable import LARGEST_BEST
from studio.data import adapter_choice
from studio.engine import best_weights, checkpoint, evaluate, train
from tests.engine.ground import Person, make_job, new_run
from tests.engine.test_resume_changed import killed_at
from tests.engine.ways import way_job

# So fast that it soon gets worse.
VALUES: dict[str, Any] = {
    "max_steps": 16, "learning_rate": 0.1, "schedule": "constant", "evaluations": 16, "max_grad_norm": 0.0,
    "save_every_minutes": 1e-9,
}  # fmt: skip


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def go(job: jobs.TrainJob, folder: RunFolder) -> tuple[events.Finished, Person]:
    jobs.save(job, folder.job)
    person = Person()
    return train.train(job, folder, person, person), person


@pytest.fixture(scope="module")
def ended(
    llama: Path, sums: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunFolder, events.Finished, Person]:
    """A run whose best test was not its last one."""
    folder = new_run(tmp_path_factory.mktemp("best"))
    return (folder, *go(make_job(llama, sums, **VALUES), folder))


def best_of(person: Person) -> events.Evaluated:
    return min((test for test in person.all(events.Evaluated) if test.step), key=lambda test: test.loss)


def test_the_best_adapter_lies_beside_that_of_the_last_step(
    llama: Path, sums: Path, tmp_path: Path, ended: tuple[RunFolder, events.Finished, Person]
) -> None:
    folder, finished, person = ended
    best = best_of(person)
    assert best.kept
    assert 0 < best.step < 16
    assert (finished.best_step, finished.best_aside) == (0, best.step)
    assert finished.verdict is not None
    assert finished.verdict.loss_tuned == pytest.approx(person.all(events.Evaluated)[-1].loss, rel=1e-5)
    assert not same(weights(folder.adapter), weights(adapter_choice.best_folder(folder)))
    # The same run with patience uses its best adapter itself: it is the very one that lies aside here.
    patient = new_run(tmp_path)
    other, _ = go(make_job(llama, sums, **VALUES | {"early_stopping": 16}), patient)
    assert (other.best_step, other.best_aside) == (best.step, 0)
    assert same(weights(patient.adapter), weights(adapter_choice.best_folder(folder)))
    assert not adapter_choice.best_folder(patient).exists()


def test_a_run_that_died_after_its_best_test_still_has_it_at_the_end(
    llama: Path, sums: Path, tmp_path: Path, ended: tuple[RunFolder, events.Finished, Person]
) -> None:
    whole, finished, _ = ended
    job = make_job(llama, sums, **VALUES)
    folder = killed_at(15, job, tmp_path)
    again, _ = go(job, folder)
    assert again.best_aside == finished.best_aside
    assert same(weights(folder.adapter), weights(whole.adapter))
    assert same(weights(adapter_choice.best_folder(folder)), weights(adapter_choice.best_folder(whole)))


@pytest.mark.parametrize("way", ["adalora", "bottleneck", "prefix", "full"])
def test_other_ways_of_tuning_keep_their_best_too_and_end_with_the_last(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    real = evaluate.Tester.losses

    def first_is_best(tester: evaluate.Tester, model: Any, control: Control) -> Any:
        found = real(tester, model, control)
        told.append(10.0 + len(told))
        return msgspec.structs.replace(found, sums=found.counts * told[-1])

    told: list[float] = []
    values = {"max_steps": 6, "evaluations": 3}
    patient, folder = new_run(tmp_path), new_run(tmp_path)
    monkeypatch.setattr(evaluate.Tester, "losses", first_is_best)
    go(way_job(way, llama, sums, **values, early_stopping=9), patient)
    finished, _ = go(way_job(way, llama, sums, **values), folder)
    assert finished.best_aside == 2
    assert same(weights(adapter_choice.best_folder(folder)), weights(patient.adapter))
    plain = new_run(tmp_path)
    go(way_job(way, llama, sums, max_steps=6), plain)
    assert same(weights(folder.adapter), weights(plain.adapter))


def test_what_lay_aside_of_a_stopped_run_goes_when_it_has_gone_on(llama: Path, sums: Path, tmp_path: Path) -> None:
    folder = new_run(tmp_path)
    job = make_job(llama, sums, **VALUES | {"learning_rate": 1e-3, "evaluations": 4, "max_steps": 8})
    finished, _ = go(job, folder)
    for stale in (adapter_choice.best_folder(folder), adapter_choice.last_folder(folder)):
        checkpoint.replace_folder(stale, lambda place: (place / "adapter_config.json").write_text("{}"))
    again, _ = go(job, folder)
    assert finished.best_aside == again.best_aside == 0
    assert adapter_choice.other(folder) is None


def test_a_disk_that_has_no_room_for_the_best_one_costs_the_run_nothing_else(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = checkpoint.replace_folder

    def full(final: Path, write: Any) -> None:
        if final.name == "adapter-best":
            raise OSError(28, "No space left on device")
        real(final, write)

    monkeypatch.setattr(checkpoint, "replace_folder", full)
    folder = new_run(tmp_path)
    finished, person = go(make_job(llama, sums, **VALUES), folder)
    assert (finished.reason, finished.best_aside) == ("done", 0)
    assert "train.best_unsaved" in [notice.problem.code for notice in person.all(events.Notice)]
    assert finished.verdict is not None
    assert finished.verdict.loss_tuned == pytest.approx(person.all(events.Evaluated)[-1].loss, rel=1e-5)


def test_what_is_very_large_is_kept_only_where_the_run_may_stop_early() -> None:
    large = [torch.nn.Parameter(torch.empty(LARGEST_BEST // 4 + 1, device="meta"))]
    small = [torch.nn.Parameter(torch.empty(4, device="meta"))]
    assert not best_weights.are_kept(large, TrainSettings())
    assert best_weights.are_kept(large, TrainSettings(early_stopping=2))
    assert best_weights.are_kept(small, TrainSettings())
    assert not best_weights.are_kept(small, TrainSettings(evaluations=1))


def test_the_best_adapter_is_used_when_it_is_chosen_and_the_last_one_comes_back(
    llama: Path, sums: Path, tmp_path: Path
) -> None:
    folder = new_run(tmp_path)
    go(make_job(llama, sums, **VALUES), folder)
    last, best = weights(folder.adapter), weights(adapter_choice.best_folder(folder))
    assert adapter_choice.other(folder) == "best"
    adapter_choice.use(folder, "best")
    assert same(weights(folder.adapter), best)
    assert adapter_choice.other(folder) == "last"
    with pytest.raises(StudioError, match="is the one that is used"):
        adapter_choice.use(folder, "best")
    adapter_choice.use(folder, "last")
    assert same(weights(folder.adapter), last)
    assert same(weights(adapter_choice.best_folder(folder)), best)
