"""Layers that compute twice, some or all of them, change no number."""

from pathlib import Path
from typing import Any

import pytest
import torch

from studio.contract import events
from studio.contract.methods import LayersSettings, LoraSettings
from studio.contract.settings import TrainSettings
from studio.engine import base_model, fused_gate, fused_lora, last_layer, methods, planner, recompute, train
from studio.engine.loop import Run
from tests.engine.ground import Person, make_job, make_model, new_run
from tests.engine.test_fused_lora import ARCHITECTURES, CPU, adapted, gradients
from tests.helpers.tiny_models import tiny_model

LAYERS = {"num_hidden_layers": 4}
ON_CPU = TrainSettings(device="cpu")


def kept_bytes(model: Any) -> int:
    """Size of what the graph of a forward pass keeps."""
    held: dict[int, torch.UntypedStorage] = {}  # alive, so that no other is put in its place

    def note(tensor: torch.Tensor) -> torch.Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        gradients(model)
    return sum(storage.nbytes() for storage in held.values())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("layers", [1, 2])
def test_some_layers_twice_give_the_same_losses_and_gradients(tmp_path: Path, architecture: str, layers: int) -> None:
    model = adapted(make_model(tmp_path / "model", architecture), LoraSettings(rank=4))
    fused_lora.fuse(model)
    fused_gate.fuse(model)
    last_layer.fuse(model.get_base_model())
    once, wanted = gradients(model)
    recompute.apply(model, layers, offload=False, device=CPU)
    assert recompute.count(model) == layers
    twice, found = gradients(model)
    assert torch.equal(once, twice)
    for name, gradient in wanted.items():
        assert torch.equal(found[name], gradient), name


def test_each_layer_more_keeps_less(tmp_path: Path) -> None:
    model = adapted(tiny_model(tmp_path / "model", "llama", sizes=LAYERS), LoraSettings(rank=4))
    kept = []
    for layers in (0, 1, 2, 3):
        recompute.apply(model, layers, offload=False, device=CPU)
        kept.append(kept_bytes(model))
    assert kept == sorted(kept, reverse=True)
    assert len(set(kept)) == 4
    recompute.apply(model, 0, offload=False, device=CPU)
    assert recompute.count(model) == 0
    assert kept_bytes(model) > kept[1]


def test_only_layers_that_keep_something_are_computed_twice(tmp_path: Path) -> None:
    model = methods.attach(
        base_model.load(tiny_model(tmp_path / "model", "llama", sizes=LAYERS), base_model.resolve(ON_CPU)),
        LayersSettings(last_layers=2),
        0,
    )
    once, wanted = gradients(model.train())
    kept = kept_bytes(model)
    recompute.apply(model, 1, offload=False, device=CPU)
    assert [layer.gradient_checkpointing for layer in model.model.layers] == [False, False, True, False]
    assert kept_bytes(model) < kept
    twice, found = gradients(model)
    assert torch.equal(once, twice)
    assert all(torch.equal(found[name], gradient) for name, gradient in wanted.items())


def test_inputs_kept_in_main_memory_are_one_a_layer_and_change_no_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = adapted(tiny_model(tmp_path / "model", "llama", sizes=LAYERS), LoraSettings(rank=4))
    _, wanted = gradients(model)
    moved: list[torch.Size] = []
    real = torch.autograd.graph.save_on_cpu

    class Watched(real):  # type: ignore[misc, valid-type]
        def __init__(self, pin_memory: bool) -> None:
            assert pin_memory
            super().__init__(pin_memory=False)  # there is no card to pin for
            pack = self.pack_hook

            def watched(tensor: torch.Tensor) -> Any:
                moved.append(tensor.shape)
                return pack(tensor)

            self.pack_hook = watched

    monkeypatch.setattr(torch.autograd.graph, "save_on_cpu", Watched)
    recompute.apply(model, 4, offload=True, device=torch.device("cuda"))
    _, found = gradients(model)
    for name, gradient in wanted.items():
        assert torch.equal(found[name], gradient), name
    states = [shape for shape in moved if len(shape) == 3]
    assert len(states) == 4
    assert {shape[-1] for shape in states} == {64}
    assert sum(shape.numel() for shape in moved) - sum(shape.numel() for shape in states) < 64  # marks, no states


def short_of(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the formula see only a share of what a run would need with every layer computed once."""
    real = planner.estimate

    def told(shape: Any, settings: Any, lengths: Any, machine: Any, *rest: Any, **more: Any) -> Any:
        plenty = real(shape, settings, lengths, machine, *rest, **{**more, "recomputed": 0})
        tight = type(machine)(device="cpu", total_bytes=machine.total_bytes, free_bytes=int(share * plenty.high))
        return real(shape, settings, lengths, tight, *rest, **more)

    monkeypatch.setattr(planner, "estimate", told)


def test_a_run_computes_as_many_layers_twice_as_memory_asks_and_learns_the_same(
    sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(tmp_path / "model", "llama", sizes=LAYERS)
    told = []
    for share in (1.5, 0.999, 0.1):
        with monkeypatch.context() as patched:
            short_of(share, patched)
            person = Person()
            train.train(make_job(model, sums, max_steps=4), new_run(tmp_path), person, person)
        (started,) = person.all(events.Started)
        told.append((started.recomputed_layers, started.gradient_checkpointing))
        if share == 1.5:
            losses = [step.loss for step in person.all(events.Step)]
        assert [step.loss for step in person.all(events.Step)] == losses
    assert told == [(0, False), (1, True), (3, True)]


def test_where_the_dry_step_runs_out_of_memory_more_layers_are_computed_twice_and_it_is_tried_again(
    sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(tmp_path / "model", "llama", sizes=LAYERS)
    real, tried = Run.gradients, []

    def scarce(run: Run, indices: Any) -> Any:
        tried.append(recompute.count(run.model))
        if tried[-1] == 0:
            raise torch.OutOfMemoryError("none left")
        return real(run, indices)

    monkeypatch.setattr(Run, "gradients", scarce)
    monkeypatch.setattr(planner, "is_cheap", lambda run: True)
    person = Person()
    train.train(make_job(model, sums, max_steps=2), new_run(tmp_path), person, person)
    assert tried[:2] == [0, 3]
    (planned,) = person.all(events.MemoryPlanned)
    assert planned.plan.calibration is not None
    assert planned.plan.calibration.recomputed == 3
    assert len(person.all(events.Step)) == 2


def test_a_run_that_goes_on_computes_as_many_layers_twice_as_it_found_it_must(
    sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = tiny_model(tmp_path / "model", "llama", sizes=LAYERS), new_run(tmp_path)
    real = Run.gradients

    def scarce(run: Run, indices: Any) -> Any:
        if recompute.count(run.model) == 0:
            raise torch.OutOfMemoryError("none left")
        return real(run, indices)

    monkeypatch.setattr(Run, "gradients", scarce)
    monkeypatch.setattr(planner, "is_cheap", lambda run: True)
    job = make_job(model, sums, max_steps=4)
    first, second = Person(lambda event: "stop" if isinstance(event, events.Step) else None), Person()
    for person in (first, second):
        train.train(job, folder, person, person)
    assert [one.recomputed_layers for one in (*first.all(events.Started), *second.all(events.Started))] == [3, 3]
    assert [step.step for step in second.all(events.Step)] == [2, 3, 4]
