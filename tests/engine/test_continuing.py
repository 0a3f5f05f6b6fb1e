"""A run may go on from an adapter of an earlier one: same base, same way of tuning, and nothing else."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from studio.contract.errors import StudioError
from studio.contract.events import Step
from studio.contract.methods import METHODS
from studio.engine import base_model, continuing, methods
from studio.engine.train import train
from tests.engine.ground import Person, make_dataset, make_model, new_run, sums
from tests.engine.ways import logits, way_job

WAYS = [name for name in METHODS if name not in ("adalora", "ptuning", "qlora")]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data"), sums(24), sums(3))


@pytest.mark.parametrize("name", WAYS)
def test_it_begins_where_the_earlier_run_ended(name: str, llama: Path, dataset: Path, tmp_path: Path) -> None:
    first, person = new_run(tmp_path), Person()
    work = way_job(name, llama, dataset)
    train(work, first, person, person)
    base = base_model.load(llama, base_model.resolve(work.settings))
    base_model.load_adapter(base, first.adapter, "a")
    model = methods.attach(base_model.load(llama, base_model.resolve(work.settings)), work.settings.method, 5)
    continuing.take_up(model, work.settings.method, first.adapter)
    with base_model.using_adapter(base, "a") as earlier:
        assert torch.allclose(logits(model.eval()), logits(earlier), atol=2e-5)
    again = Person()
    more = msgspec.structs.replace(way_job(name, llama, dataset, max_steps=4), start_from=str(first.adapter))
    train(more, new_run(tmp_path), again, again)
    losses = [step.loss for step in person.all(Step)]
    assert again.all(Step)[0].loss < (losses[0] + losses[-1]) / 2


def trained(model: Path, dataset: Path, where: Path, name: str = "lora", **values: Any) -> Path:
    run, person = new_run(where), Person()
    train(way_job(name, model, dataset, max_steps=1, **values), run, person, person)
    return run.adapter


@pytest.mark.parametrize(
    ("name", "values", "code"),
    [
        ("ia3", {}, "train.continue_method"),
        ("adalora", {}, "train.cannot_continue"),
        ("ptuning", {}, "train.cannot_continue"),
        ("lora", {"method__initialisation": "pissa"}, "train.cannot_continue"),
        ("lora", {"method__rank": 8}, "train.continue_size"),
        ("lora", {"method__target_modules": "attention"}, "train.continue_size"),
    ],
)
def test_what_does_not_fit_the_adapter_is_refused(
    name: str, values: dict[str, Any], code: str, llama: Path, dataset: Path, tmp_path: Path
) -> None:
    adapter, person = trained(llama, dataset, tmp_path), Person()
    work = msgspec.structs.replace(way_job(name, llama, dataset, **values), start_from=str(adapter))
    with pytest.raises(StudioError) as caught:
        train(work, new_run(tmp_path), person, person)
    assert caught.value.problem.code == code
    assert caught.value.problem.fix
    assert not person.all(Step)


def test_an_adapter_of_another_base_is_refused(llama: Path, dataset: Path, tmp_path: Path) -> None:
    adapter, person = trained(llama, dataset, tmp_path), Person()
    other = make_model(tmp_path / "other", "mistral")  # of the same shapes
    work = msgspec.structs.replace(way_job("lora", other, dataset), start_from=str(adapter))
    with pytest.raises(StudioError) as caught:
        train(work, new_run(tmp_path), person, person)
    assert caught.value.problem.code == "adapter.other_base"


def test_it_is_taken_up_from_its_own_checkpoint_even_when_the_earlier_run_is_gone(
    llama: Path, dataset: Path, tmp_path: Path
) -> None:
    adapter = trained(llama, dataset, tmp_path)
    work = msgspec.structs.replace(way_job("lora", llama, dataset, max_steps=6), start_from=str(adapter))
    whole, run = Person(), new_run(tmp_path)
    train(work, new_run(tmp_path), whole, whole)
    first = Person(lambda event: "stop" if isinstance(event, Step) and event.step == 3 else None)
    train(work, run, first, first)
    config = adapter / "adapter_config.json"
    assert json.loads(config.read_text(encoding="utf-8"))["r"] == 4
    config.unlink()
    second = Person()
    train(work, run, second, second)
    losses = [step.loss for person in (first, second) for step in person.all(Step)]
    assert losses == [step.loss for step in whole.all(Step)]
