"""A run may go on from an adapter of an earlier one: same base, same way of tuning, and nothing else."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from studio.contract import job as jobs
from studio.contract.continuing import KINDS, going_on
from studio.contract.errors import StudioError
from studio.contract.events import Notice, Step
from studio.contract.fields import build
from studio.contract.job import PlanJob
from studio.contract.methods import METHODS, LoraSettings
from studio.contract.run_folder import RunFolder
from studio.contract.settings import TrainSettings
from studio.data import made_adapter
from studio.engine import base_model, continuing, methods, trial
from studio.engine.methods import bottleneck, weights
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
    work = way_job(name, model, dataset, **{"max_steps": 1, **values})
    jobs.save(work, run.job)  # as the worker's caller does
    train(work, run, person, person)
    return run.adapter


def going(adapter: Path, name: str, model: Path, dataset: Path, **values: Any) -> jobs.TrainJob:
    """A run that goes on from an adapter with what it brings along, and with `values` over that."""
    work = way_job(name, model, dataset)
    brought = going_on(work.settings, made_adapter.read(adapter), made_adapter.linear_layers(model))
    settings = build(TrainSettings, {path.replace("__", "."): value for path, value in values.items()}, brought)
    return msgspec.structs.replace(work, settings=settings, start_from=str(adapter))


def refused(work: jobs.TrainJob, where: Path, monkeypatch: pytest.MonkeyPatch) -> StudioError:
    """What a run, a dry step and the formula say of it, each before the model is loaded."""

    def too_late(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(base_model, "load", too_late)
    person, said = Person(), []
    for attempt in (
        lambda: train(work, new_run(where), person, person),
        lambda: trial.plan(PlanJob(work=work), new_run(where), person, person),
        lambda: trial.by_formula(work),
    ):
        with pytest.raises(StudioError) as caught:
            attempt()
        said.append(caught.value)
    assert len({str(error) for error in said}) == 1
    return said[0]


@pytest.mark.parametrize(
    ("name", "values", "code"),
    [
        ("ia3", {}, "train.continue_method"),
        ("adalora", {}, "train.cannot_continue"),
        ("ptuning", {}, "train.cannot_continue"),
        ("lora", {"method__initialisation": "pissa"}, "train.continue_beginning"),
        ("lora", {"method__initialisation": "eva"}, "train.continue_beginning"),
        ("lora", {"method__initialisation": "loftq", "quantisation": "nf4"}, "train.continue_beginning"),
        ("lora", {"method__rank": 8}, "train.continue_size"),
        ("lora", {"method__target_modules": "attention"}, "train.continue_size"),
    ],
)
def test_what_does_not_fit_the_adapter_is_refused(
    name: str,
    values: dict[str, Any],
    code: str,
    llama: Path,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adapter = trained(llama, dataset, tmp_path)
    work = msgspec.structs.replace(way_job(name, llama, dataset, **values), start_from=str(adapter))
    problem = refused(work, tmp_path, monkeypatch).problem
    assert problem.code == code
    assert problem.fix


@pytest.mark.parametrize(
    ("name", "values", "own"),
    [
        ("lora", {"method__rank": 8, "method__alpha": 5.0}, {"method.rank": 4, "method.alpha": 32.0}),
        ("lora", {"method__rslora": True, "method__dora": True}, {"method.rslora": False, "method.dora": False}),
        ("vera", {"method__rank": 16}, {"method.rank": 32}),
        ("loha", {"method__alpha": 3.0}, {"method.alpha": 8.0}),
        ("lokr", {"method__both_small": True, "method__factor": 2}, {"method.both_small": False, "method.factor": -1}),
        ("oft", {"method__block_size": 8}, {"method.block_size": 4}),
        ("ia3", {"method__target_modules": "all-linear"}, {"method.target_modules": "paper"}),
        ("bottleneck", {"method__width": 4}, {"method.width": 8}),
        ("bottleneck", {"method__activation": "gelu"}, {"method.activation": "relu"}),
        ("prefix", {"method__virtual_tokens": 3}, {"method.virtual_tokens": 8}),
        ("prompt", {"method__virtual_tokens": 3}, {"method.virtual_tokens": 8}),
        ("llama_adapter", {"method__prompt_length": 3}, {"method.prompt_length": 10}),
        ("layers", {"method__last_layers": 2}, {"method.last_layers": 1}),
        ("layers", {"method__parts": "attention"}, {"method.parts": "all"}),
        ("full", {"method__embeddings": False}, {"method.embeddings": True}),
    ],
)
def test_another_size_is_settled_before_the_model_is_loaded_and_its_own_values_are_named(
    name: str,
    values: dict[str, Any],
    own: dict[str, Any],
    llama: Path,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adapter = trained(llama, dataset, tmp_path, name)
    with monkeypatch.context() as patch:
        problem = refused(going(adapter, name, llama, dataset, **values), tmp_path, patch).problem
    assert problem.code == "train.continue_size"
    assert problem.sets == own
    mended = {path.replace(".", "__"): value for path, value in problem.sets.items()}
    work = going(adapter, name, llama, dataset, **{**values, **mended})
    continuing.require(adapter, work.settings, llama, Person())


@pytest.mark.parametrize(("first", "then"), [("layers", "full"), ("full", "layers")])
def test_last_layers_and_the_whole_model_do_not_go_on_from_each_other(
    first: str, then: str, llama: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = trained(llama, dataset, tmp_path, first)
    work = msgspec.structs.replace(way_job(then, llama, dataset), start_from=str(adapter))
    assert refused(work, tmp_path, monkeypatch).problem.code == "train.continue_method"


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("kind", ["pissa", "olora", "eva", "loftq"])
def test_what_began_otherwise_goes_on_where_it_ended(
    kind: str, rslora: bool, llama: Path, dataset: Path, tmp_path: Path
) -> None:
    first, person = new_run(tmp_path), Person()
    more: dict[str, Any] = {"quantisation": "nf4"} if kind == "loftq" else {}
    work = way_job("lora", llama, dataset, method__initialisation=kind, method__rslora=rslora, **more)
    jobs.save(work, first.job)
    train(work, first, person, person)
    chosen = going(first.adapter, "lora", llama, dataset, max_steps=3)
    method = chosen.settings.method
    assert isinstance(method, LoraSettings)
    assert method.initialisation == ("loftq" if kind == "loftq" else "standard")  # that belongs to the 4-bit model
    if kind == "eva":
        assert 4 < method.rank <= 8  # which gives some layers more and others less
    else:
        assert method.rank == (8 if kind in ("pissa", "olora") else 4)
    assert chosen.settings.quantisation == ("nf4" if kind == "loftq" else work.settings.quantisation)
    saved = base_model.load(llama, base_model.resolve(work.settings))
    base_model.load_adapter(saved, first.adapter, "a")
    model = methods.attach(base_model.load(llama, base_model.resolve(chosen.settings)), method, 5)
    continuing.take_up(model, method, first.adapter)
    with base_model.using_adapter(saved, "a") as earlier:
        assert torch.allclose(logits(model.eval()), logits(earlier), atol=2e-5)
    again, second = Person(), new_run(tmp_path)
    jobs.save(chosen, second.job)
    train(chosen, second, again, again)
    losses = [step.loss for step in person.all(Step)]
    assert again.all(Step)[0].loss < (losses[0] + 3 * losses[-1]) / 4
    told = [event.problem for event in again.all(Notice) if event.problem.code == "train.continue_kept_size"]
    assert len(told) == (kind != "loftq")
    assert all(f"size {method.rank}" in problem.what for problem in told)
    assert all(("at the largest" if kind == "eva" else "twice") in problem.why for problem in told)
    third = going(second.adapter, "lora", llama, dataset)  # what went on goes on
    assert third.settings.method == method


def assert_answers_as_before(work: jobs.TrainJob, llama: Path, adapter: Path) -> None:
    """What the run begins with gives the logits of the adapter that it goes on from."""
    saved = base_model.load(llama, base_model.resolve(work.settings))
    base_model.load_adapter(saved, adapter, "a")
    model = methods.attach(base_model.load(llama, base_model.resolve(work.settings)), work.settings.method, 5)
    continuing.take_up(model, work.settings.method, adapter)
    with base_model.using_adapter(saved, "a") as earlier:
        assert torch.allclose(logits(model.eval()), logits(earlier), atol=2e-5)


def test_a_prefix_that_a_network_wrote_goes_on_without_the_network(
    llama: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = trained(llama, dataset, tmp_path, "prefix", method__projection=True, max_steps=4)
    work = going(adapter, "prefix", llama, dataset)
    assert_answers_as_before(work, llama, adapter)
    kept = going(adapter, "prefix", llama, dataset, method__projection=True)
    assert refused(kept, tmp_path, monkeypatch).problem.sets == {"method.projection": False}


def test_what_is_kept_at_a_size_larger_than_the_layers_goes_on_all_the_same(
    llama: Path, dataset: Path, tmp_path: Path
) -> None:
    adapter = trained(llama, dataset, tmp_path, method__rank=32, method__initialisation="pissa")
    work, person = going(adapter, "lora", llama, dataset, max_steps=1), Person()
    train(work, new_run(tmp_path), person, person)
    assert person.all(Step)
    assert trial.by_formula(work).estimate.total > 0


@pytest.mark.parametrize("values", [{"method__initialisation": "standard"}, {"quantisation": "fp4"}])
def test_what_makes_up_for_4_bit_loading_goes_on_with_that_loading_only(
    values: dict[str, Any], llama: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = trained(llama, dataset, tmp_path, method__initialisation="loftq", quantisation="nf4")
    problem = refused(going(adapter, "lora", llama, dataset, **values), tmp_path, monkeypatch).problem
    assert problem.code == "train.continue_loftq"
    assert problem.sets == {"method.initialisation": "loftq", "quantisation": "nf4"}


def test_sizes_that_were_dealt_out_go_on_by_lora_at_the_largest(
    llama: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = trained(llama, dataset, tmp_path, "adalora", max_steps=20)
    ranks = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["rank_pattern"]
    assert len(set(ranks.values())) > 1
    work = going(adapter, "adalora", llama, dataset, max_steps=2)
    method, person = work.settings.method, Person()
    assert isinstance(method, LoraSettings)
    assert method.rank == max(ranks.values())
    saved = base_model.load(llama, base_model.resolve(work.settings))
    base_model.load_adapter(saved, adapter, "a")
    model = methods.attach(base_model.load(llama, base_model.resolve(work.settings)), method, 5)
    continuing.take_up(model, method, adapter)
    with base_model.using_adapter(saved, "a") as earlier:
        assert torch.allclose(logits(model.eval()), logits(earlier), atol=2e-5)
    second = new_run(tmp_path)
    train(work, second, person, person)
    assert any("dealt out by" in event.problem.why for event in person.all(Notice))
    kept = json.loads((second.adapter / "adapter_config.json").read_text(encoding="utf-8"))
    assert (kept["r"], kept["rank_pattern"]) == (method.rank, {})
    again = msgspec.structs.replace(way_job("adalora", llama, dataset), start_from=str(adapter))
    problem = refused(again, tmp_path, monkeypatch).problem
    assert problem.sets == {"method": "lora"}
    assert "Choose LoRA" in problem.fix


def test_layers_of_other_sizes_and_strengths_change_the_model_as_they_did(
    llama: Path, dataset: Path, tmp_path: Path
) -> None:
    adapter = trained(llama, dataset, tmp_path, max_steps=4, method__rslora=True)
    config = adapter / "adapter_config.json"
    told = json.loads(config.read_text(encoding="utf-8"))
    told["alpha_pattern"] = {"layers.1.self_attn.q_proj": 3.0, "down_proj": 100.0}
    config.write_text(json.dumps(told), encoding="utf-8")
    work = going(adapter, "lora", llama, dataset)
    assert_answers_as_before(work, llama, adapter)


def test_an_adapter_of_another_size_than_its_job_says_brings_its_own(
    llama: Path, dataset: Path, tmp_path: Path
) -> None:
    adapter = trained(llama, dataset, tmp_path, method__target_modules="q_proj, down_proj")
    run = RunFolder(adapter.parent)
    jobs.save(way_job("lora", llama, dataset), run.job)  # says everywhere
    method = going(adapter, "lora", llama, dataset).settings.method
    assert isinstance(method, LoraSettings)
    assert method.target_modules == "down_proj, q_proj"


def test_the_kinds_of_adapters_are_those_that_the_engine_writes() -> None:
    assert KINDS["bottleneck"] == bottleneck.KIND
    assert KINDS["full"] == KINDS["layers"] == weights.KIND
    assert set(KINDS) == {name for name in METHODS if name not in ("adalora", "ptuning", "qlora")}


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
