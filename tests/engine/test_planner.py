"""The dry step and the range test tell and leave nothing behind; what cannot fit is refused with a way out."""

import math
import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from studio.contract import events, job
from studio.contract.advice import advised_rate
from studio.contract.control import Going
from studio.contract.errors import StudioError
from studio.contract.memory_plan import SLICE_SCORES
from studio.contract.methods import METHODS
from studio.contract.model_shape import shape_of
from studio.contract.trainable import trainable_parameters
from studio.data.host_memory import LIMIT
from studio.engine import loss, planner, range_test, train, trial
from studio.engine.base_model import parameter_count
from studio.engine.loop import Run
from tests.engine.ground import Person, make_job, make_model, new_run
from tests.helpers.tiny_models import ARCHITECTURES


def ready(work: job.TrainJob, tmp_path: Path, person: Person | None = None) -> Run:
    person = person or Person()
    return trial.prepare(work, new_run(tmp_path), person, person)


def state_of(run: Run) -> dict[str, Any]:
    """Everything that decides the next steps."""
    optimiser = {
        (number, key): value.clone() if isinstance(value, torch.Tensor) else value
        for number, state in run.optimiser.state_dict()["state"].items()
        for key, value in state.items()
    }
    return {
        "weights": {name: p.detach().clone() for name, p in run.adapter.items()},
        "optimiser": optimiser,
        "place": run.feed.place,
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "torch": torch.get_rng_state(),
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    for name, tensor in before["weights"].items():
        assert torch.equal(tensor, after["weights"][name]), name
    assert before["optimiser"].keys() == after["optimiser"].keys()
    for key, value in before["optimiser"].items():
        other = after["optimiser"][key]
        assert torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other, key
    assert torch.equal(before["torch"], after["torch"])
    assert (before["place"], before["python"], before["numpy"]) == (after["place"], after["python"], after["numpy"])


def test_a_dry_step_leaves_weights_optimiser_generators_and_order_as_they_were(
    llama: Path, sums: Path, tmp_path: Path
) -> None:
    run = ready(make_job(llama, sums, method__dropout=0.1), tmp_path)
    run._take_step()
    before = state_of(run)
    plan = planner.dry_step(run)
    assert_same(before, state_of(run))
    assert all(p.grad is None for p in run.parameters)
    assert plan is not None
    assert plan.estimate.measured
    assert plan.estimate.low < plan.estimate.total < plan.estimate.high
    assert sum(part.bytes for part in plan.estimate.parts) == plan.estimate.total


@pytest.mark.parametrize("optimiser", ["adamw", "schedule_free"])
def test_a_range_test_is_undone_wholly(llama: Path, sums: Path, tmp_path: Path, optimiser: str) -> None:
    values = {"schedule": "constant"} if optimiser == "schedule_free" else {}
    run = ready(make_job(llama, sums, optimiser=optimiser, method__dropout=0.1, **values), tmp_path)
    before = state_of(run)
    result = range_test.sweep(run, 24)
    assert len(result.points) >= 10
    assert_same(before, state_of(run))
    run._take_step()
    stepped = state_of(run)
    range_test.sweep(run, 12)
    assert_same(stepped, state_of(run))


def test_a_range_test_suggests_a_rate_at_which_the_loss_falls(llama: Path, sums: Path, tmp_path: Path) -> None:
    folder, person = new_run(tmp_path), Person()
    work = job.RangeTestJob(work=make_job(llama, sums), steps=40)
    result = range_test.run_test(work, folder, person, person).result
    assert result.suggestion is not None, result.reason
    assert 1e-5 < result.suggestion < 0.05
    assert "fell fastest" in result.reason
    rates = [point.rate for point in result.points]
    assert rates == sorted(rates)
    told = [event for event in person.all(events.Progress) if event.unit == "steps"]
    assert (told[0].done, told[0].total) == (1, 80)


def with_method(work: job.TrainJob, method: str) -> job.TrainJob:
    settings = msgspec.structs.replace(work.settings, method=METHODS[method].settings())
    return msgspec.structs.replace(work, settings=settings)


@pytest.mark.parametrize(("method", "highest"), [("lora", 0.1), ("prompt", 1.0), ("layers", 0.01)])
def test_a_range_test_goes_as_far_as_its_way_of_tuning_bears(
    llama: Path, sums: Path, tmp_path: Path, method: str, highest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(range_test, "is_over", lambda losses: False)
    work = make_job(llama, sums, packing=method != "prompt")
    run = ready(with_method(work, method), tmp_path)
    monkeypatch.setattr(range_test, "_step", lambda run, rate: 3.0 + math.log10(highest) - math.log10(rate))
    monkeypatch.setattr(range_test, "_losses_at_start", lambda run, steps: [1.0] * steps)
    result = range_test.sweep(run, 40)
    assert result.points[-1].rate == pytest.approx(highest)
    shape = planner.shape_in(llama)
    assert shape is not None
    assert result.suggestion is not None
    assert result.suggestion >= advised_rate(run.settings, shape)


def test_a_range_test_that_is_ended_is_undone_too(llama: Path, sums: Path, tmp_path: Path) -> None:
    run = ready(make_job(llama, sums), tmp_path)
    before = state_of(run)
    run.control = Person(on_event=None)
    run.emit = lambda event: setattr(run.control, "wish", "discard")
    with pytest.raises(StudioError, match="ended"):
        range_test.sweep(run, 20)
    assert_same(before, state_of(run))


def test_the_longest_pack_is_one_that_the_loop_makes_and_none_is_longer(
    llama: Path, sums: Path, tmp_path: Path
) -> None:
    run = ready(make_job(llama, sums, batch_size=3, accumulation=2, epochs=2.0), tmp_path)
    found = planner.longest_pack(run.feed.plan, run.settings)
    packs = [
        step[start : start + 3] for epoch in (0, 1) for step in run.feed.plan.epoch(epoch) for start in range(0, 6, 3)
    ]
    sizes = [int(run.rows.lengths[pack].sum()) for pack in packs]
    assert any(np.array_equal(found, pack) for pack in packs)
    assert int(run.rows.lengths[found].sum()) == max(sizes)


def test_a_run_tells_its_estimate_before_it_starts_and_its_peak_at_the_end(
    llama: Path, sums: Path, tmp_path: Path
) -> None:
    person = Person()
    finished = train.train(make_job(llama, sums, max_steps=20), new_run(tmp_path), person, person)
    (planned,) = person.all(events.MemoryPlanned)
    kinds = [type(event) for event in person.seen]
    assert kinds.index(events.MemoryPlanned) < kinds.index(events.Started)
    assert planned.plan.lengths.source == "counted"
    assert finished.peak_bytes >= max(step.memory_bytes for step in person.all(events.Step))


def test_the_dry_step_does_not_change_what_is_learned(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = []
    for cheap in (True, False):
        monkeypatch.setattr(planner, "is_cheap", lambda run, cheap=cheap: cheap)
        person = Person()
        train.train(make_job(llama, sums, method__dropout=0.1), new_run(tmp_path), person, person)
        (planned,) = person.all(events.MemoryPlanned)
        assert planned.plan.estimate.measured is cheap
        assert planned.plan.estimate.total > 0
        losses.append([step.loss for step in person.all(events.Step)])
    assert losses[0] == losses[1]


def test_a_run_that_cannot_fit_is_refused_before_the_model_is_loaded(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "0.05")
    person = Person()
    with pytest.raises(StudioError) as raised:
        train.train(make_job(llama, sums), new_run(tmp_path), person, person)
    assert raised.value.problem.code == "memory.cannot_fit"
    assert "smaller model" in raised.value.problem.fix
    assert "Loading the model" not in [event.stage for event in person.all(events.Progress)]


def test_running_out_of_memory_in_the_dry_step_names_the_nearest_way_out(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ready(make_job(llama, sums), tmp_path)

    def run_out(self: Run, indices: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Run, "gradients", run_out)
    with pytest.raises(StudioError) as raised:
        planner.dry_step(run)
    problem = raised.value.problem
    assert problem.code == "memory.dry_step"
    assert "that were free; the estimate was " in problem.why
    assert "instead of" in problem.fix  # a change is named though all of it seemed to fit
    assert "--batch-size" in problem.fix
    assert "Then it needs" not in problem.fix


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_formula_counts_parameters_as_they_are(architecture: str, sums: Path, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", architecture)
    for values in ({}, {"method__target_modules": "attention"}, {"method__dora": True}):
        run = ready(make_job(folder, sums, **values), tmp_path)
        shape = shape_of(msgspec.json.decode((folder / "config.json").read_bytes()))
        assert shape is not None
        learned = sum(p.numel() for p in run.parameters)
        assert trainable_parameters(run.settings.method, shape) == learned
        assert shape.parameters == parameter_count(run.model) - learned


def test_the_plan_knows_the_size_of_a_slice_of_scores() -> None:
    assert SLICE_SCORES == loss.SLICE_SCORES


def test_a_plan_job_ends_with_a_plan(llama: Path, sums: Path, tmp_path: Path) -> None:
    planned = trial.plan(job.PlanJob(work=make_job(llama, sums)), new_run(tmp_path), lambda event: None, Going())
    plan = planned.plan
    assert plan.estimate.measured
    assert plan.machine.free_bytes <= plan.machine.total_bytes
    assert plan.lengths.own <= plan.lengths.rows
    assert plan.formula_bytes > 0
    again = msgspec.json.decode(events.encode(planned), type=events.AnyEvent)
    assert again == planned
