"""Other beginnings of LoRA are saved as ordinary LoRA: adapter off is the untouched base, on it is what learned."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.contract.events import Step
from studio.contract.job import TrainJob
from studio.contract.methods import LoraSettings
from studio.engine import base_model, loop, lora_start
from studio.engine.methods import lora
from studio.engine.train import train
from tests.engine.ground import Person, make_dataset, new_run, sums
from tests.engine.ways import logits, way_job

KINDS = ["pissa", "olora", "eva", "loftq"]


def job_with(kind: str, model: Path, dataset: Path, **more: Any) -> TrainJob:
    """A run with this beginning; LoftQ's model is loaded in 4-bit."""
    more |= {"quantisation": "nf4"} if kind == "loftq" else {}
    return way_job("lora", model, dataset, method__initialisation=kind, **more)


@pytest.mark.parametrize(("kind", "own"), [*itertools.product(KINDS, [None, "rslora"]), ("eva", "dora")])
def test_the_saved_adapter_fits_the_base_as_it_is(
    kind: str, own: str | None, llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    finish = loop.Run.finish
    monkeypatch.setattr(loop.Run, "finish", lambda run, reason: (seen.append(run.model), finish(run, reason))[1])
    dataset = make_dataset(tmp_path / "data", sums(24), sums(3))
    work = job_with(kind, llama, dataset, **({f"method__{own}": True} if own else {}))
    run, person = new_run(tmp_path), Person()
    train(work, run, person, person)
    losses = [step.loss for step in person.all(Step)]
    assert losses[-1] < 0.8 * losses[0]
    base = base_model.load(llama, base_model.resolve(work.settings))
    untouched = logits(base)
    base_model.load_adapter(base, run.adapter, "a")
    with base_model.using_adapter(base, "a") as answering:
        assert torch.allclose(logits(answering), logits(seen[0]), atol=1e-4)
        with answering.disable_adapter():
            assert torch.equal(logits(answering), untouched)
    told = json.loads((run.adapter / "adapter_config.json").read_text(encoding="utf-8"))
    assert told["r"] == (8 if kind in ("pissa", "olora") else 4)


@pytest.mark.parametrize("kind", ["pissa", "olora"])
def test_at_first_the_rewritten_base_with_its_adapter_says_what_the_base_says(kind: Any, llama: Path) -> None:
    settings = LoraSettings(rank=4, initialisation=kind)
    base = base_model.load(llama, base_model.resolve(way_job("lora", llama, llama).settings))
    before = logits(base)
    model = lora.attach(base, settings, 0).eval()
    assert torch.allclose(logits(model), before, atol=1e-4)
    assert any(float(p.detach().abs().max()) > 0 for n, p in model.named_parameters() if ".lora_B" in n)
    with model.disable_adapter():
        assert not torch.allclose(logits(model), before, atol=1e-2)  # which is why it is converted


def test_loftq_begins_nearer_to_the_whole_model_than_4_bit_loading_alone(llama: Path) -> None:
    work = job_with("loftq", llama, llama)
    whole = base_model.load(llama, base_model.resolve(way_job("lora", llama, llama).settings))
    base = base_model.load(llama, base_model.resolve(work.settings))
    away = float((logits(base) - logits(whole)).norm())
    model = lora.attach(base, LoraSettings(rank=24, initialisation="loftq"), 0).eval()
    assert float((logits(model) - logits(whole)).norm()) == pytest.approx(away)
    lora_start.make_up(model, LoraSettings(rank=24, initialisation="loftq"), llama)
    assert float((logits(model) - logits(whole)).norm()) < 0.7 * away


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_with_another_beginning_is_taken_up_exactly(kind: str, llama: Path, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", sums(24), sums(3))
    work = job_with(kind, llama, dataset, max_steps=6)
    whole, run = Person(), new_run(tmp_path)
    train(work, new_run(tmp_path), whole, whole)
    first = Person(lambda event: "stop" if isinstance(event, Step) and event.step == 3 else None)
    train(work, run, first, first)
    second = Person()
    train(work, run, second, second)
    losses = [step.loss for person in (first, second) for step in person.all(Step)]
    assert losses == pytest.approx([step.loss for step in whole.all(Step)], rel=1e-5)
