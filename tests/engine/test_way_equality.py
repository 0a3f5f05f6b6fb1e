"""Our way through each way of tuning computes what its library, or a row alone, computes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from studio.contract.architectures import ARCHITECTURES
from studio.contract.events import Step
from studio.contract.fields import build
from studio.contract.method_choice import values_of
from studio.contract.methods import METHODS, AdaLoraSettings
from studio.contract.settings import TrainSettings
from studio.engine import adapted, base_model, methods, virtual_tokens
from studio.engine.batches import Rows, collate
from studio.engine.checkpoint import found
from studio.engine.loss import row_losses, summed_loss
from studio.engine.train import train
from tests.engine.ground import Person, make_dataset, make_model, new_run, sums
from tests.engine.ways import OWN, RATES, logits, way_job

CPU = torch.device("cpu")
VIRTUAL = ("prefix", "prompt", "ptuning")
OTHERS = [name for name in METHODS if name not in (*VIRTUAL, "qlora")]
ROWS = [(list(range(3, 3 + n)), [-100] * 2 + list(range(5, 3 + n))) for n in (9, 14, 5)]


def settings_of(name: str) -> TrainSettings:
    return build(TrainSettings, {**values_of(name), **OWN.get(name, {}), "device": "cpu"})


def attached(folder: Path, name: str, shake: float = 0.05) -> Any:
    """A way of tuning on a tiny model, with weights that already say something."""
    settings = settings_of(name)
    model = methods.attach(base_model.load(folder, base_model.resolve(settings)), settings.method, 0)
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=shake)
    return model.eval()


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
@pytest.mark.parametrize("name", VIRTUAL)
def test_learned_tokens_go_through_as_in_pefts_own_forward(name: str, architecture: str, tmp_path: Path) -> None:
    model = attached(make_model(tmp_path / "model", architecture), name)
    ids = torch.arange(3, 15).repeat(2, 1)
    ours = model(input_ids=ids).logits
    hidden = virtual_tokens.states(model, ids)
    theirs = type(model).forward(model, input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, -ids.shape[1] :]
    assert torch.allclose(ours, theirs, atol=1e-5)
    head = model.get_base_model().get_output_embeddings()
    if not getattr(model.config, "final_logit_softcapping", None):
        assert torch.allclose(head(hidden), theirs, atol=1e-5)


@pytest.mark.parametrize("name", VIRTUAL)
def test_an_answer_with_a_cache_goes_on_as_without(name: str, llama: Path) -> None:
    model = attached(llama, name)
    ids = torch.arange(3, 15)[None]
    whole = model(input_ids=ids).logits[0, -1]
    first = model(input_ids=ids[:, :-1], use_cache=True)
    second = model(input_ids=ids[:, -1:], past_key_values=first.past_key_values, use_cache=True)
    assert torch.allclose(second.logits[0, -1], whole, atol=1e-5)
    gap = torch.cat([torch.zeros(1, 4, dtype=torch.long), ids], dim=1)  # as in a batch of answers
    mask = (torch.arange(16)[None] >= 4).long()
    padded = model(input_ids=gap, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0))
    assert torch.allclose(padded.logits[0, -1], whole, atol=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_rows_in_one_line_are_each_as_if_alone(name: str, llama: Path) -> None:
    model, rows = attached(llama, name), Rows(ROWS)
    packed = summed_loss(model, collate(rows, range(len(rows)), 0, CPU, packed=True))[0]
    alone = [row_losses(model, collate(rows, [i], 0, CPU))[0].sum() for i in range(len(rows))]
    assert packed.item() == pytest.approx(sum(float(x) for x in alone), rel=1e-5)


@pytest.mark.parametrize("name", VIRTUAL)
def test_padded_rows_with_learned_tokens_are_each_as_if_alone(name: str, llama: Path) -> None:
    model, rows = attached(llama, name), Rows(ROWS)
    together = summed_loss(model, collate(rows, range(len(rows)), 0, CPU))[0]
    alone = [row_losses(model, collate(rows, [i], 0, CPU))[0].sum() for i in range(len(rows))]
    assert together.item() == pytest.approx(sum(float(x) for x in alone), rel=1e-5)


def test_adaloras_own_term_has_the_gradients_that_peft_gives_it(llama: Path) -> None:
    model = attached(llama, "adalora")
    settings = settings_of("adalora").method
    assert isinstance(settings, AdaLoraSettings)
    ids = torch.arange(3, 15)[None]
    factors = {n: p for n, p in model.named_parameters() if "lora_A." in n or "lora_B." in n}
    plain = model.base_model.model(input_ids=ids, labels=ids).loss
    (model(input_ids=ids, labels=ids).loss - plain).backward()
    theirs = {name: p.grad.clone() for name, p in factors.items() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    methods.companion(model, settings, 10).add_gradients()
    for name, parameter in factors.items():
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, theirs[name], atol=1e-5), name


@pytest.mark.parametrize("name", [name for name in METHODS if name not in (*VIRTUAL, "qlora")])
def test_what_is_put_on_at_first_changes_nothing(name: str, llama: Path) -> None:
    settings = settings_of(name)
    base = base_model.load(llama, base_model.resolve(settings))
    before = logits(base)
    assert torch.allclose(logits(methods.attach(base, settings.method, 0).eval()), before, atol=1e-5)


@pytest.mark.parametrize("quantisation", ["none", "nf4", "int8"])
def test_a_shell_shares_every_weight_and_nothing_else(llama: Path, quantisation: str) -> None:
    settings = build(TrainSettings, {"quantisation": quantisation, "device": "cpu"})
    base = base_model.load(llama, base_model.resolve(settings))
    before = logits(base)
    shell = adapted.shell(base)
    mine, theirs = dict(base.named_parameters()), dict(shell.named_parameters())
    assert all(mine[name] is theirs[name] for name in mine)
    assert torch.equal(logits(shell), before)
    methods.attach(shell, settings_of("lora").method, 0)
    assert not any("lora" in name for name, _ in base.named_modules())
    assert torch.equal(logits(base), before)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("lora", "qlora")])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(name: str, llama: Path, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", sums(24), sums(3))
    work = way_job(name, llama, dataset, max_steps=6, learning_rate=RATES[name] / 2)
    whole = Person()
    train(work, new_run(tmp_path), whole, whole)
    run = new_run(tmp_path)
    first = Person(lambda event: "stop" if isinstance(event, Step) and event.step == 3 else None)
    train(work, run, first, first)
    assert len(found(run.checkpoints)) == 1
    second = Person()
    train(work, run, second, second)
    losses = [step.loss for person in (first, second) for step in person.all(Step)]
    assert losses == [step.loss for step in whole.all(Step)]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_runs_of_adalora_end_well(steps: int, llama: Path, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", sums(8), sums(2))
    run, person = new_run(tmp_path), Person()
    assert train(way_job("adalora", llama, dataset, max_steps=steps), run, person, person).steps == steps
    base = base_model.load(llama, base_model.resolve(TrainSettings(device="cpu")))
    assert base_model.load_adapter(base, run.adapter, "a") is base


@pytest.mark.parametrize("name", ["ia3", "norms"])
def test_fp32_factors_leave_a_coarse_model_coarse(name: str, llama: Path) -> None:
    settings = build(TrainSettings, {**values_of(name), "device": "cpu", "precision": "bf16"})
    model = methods.attach(base_model.load(llama, base_model.resolve(settings)), settings.method, 0).eval()
    assert all(p.dtype == torch.float32 for p in model.parameters() if p.requires_grad)
    assert logits(model).dtype == torch.bfloat16
