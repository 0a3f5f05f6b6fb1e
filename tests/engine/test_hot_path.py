"""On a GPU other kernels are tried, and taken only where they are right and faster; here the GPU's part is played."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.contract.methods import METHODS, LoraSettings
from studio.engine import (
    attention,
    base_model,
    fused_gate,
    fused_norm,
    hot_path,
    kernel_trial,
    last_layer,
    liger,
    loss,
    methods,
)
from studio.engine.kernel_trial import tried
from studio.engine.train import choose_kernels
from tests.engine.ground import make_model
from tests.engine.test_fused_lora import ARCHITECTURES, CPU, adapted, gradients

# Dynamo asks states for their gradient, which torch warns of.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
TRUTH = torch.linspace(-1, 1, 101, dtype=torch.float64)
OURS = TRUTH.float()


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("torch.nn.attention.flex_attention")
    monkeypatch.setattr(module, "_WARNINGS_SHOWN", {"flex_attention_performance"})
    monkeypatch.setattr(module, "_validate_device", lambda *states: None)


def race(monkeypatch: pytest.MonkeyPatch, *times: float) -> None:
    """Let the clock say these times, ours and theirs in turn."""
    told = iter(times)
    monkeypatch.setattr(kernel_trial, "seconds", lambda way: next(told))


def outcome(theirs: Any) -> kernel_trial.Tried:
    def way() -> Any:
        if isinstance(theirs, Exception):
            raise theirs
        return [theirs]

    return tried("sums", "another way", lambda: [TRUTH], lambda: [OURS], way)


def test_a_way_that_is_right_and_faster_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    race(monkeypatch, 3.0, 1.0)
    found = outcome(OURS.clone())
    assert found.used
    assert str(found).startswith("sums: another way used, 3.0 times as fast as ours")


@pytest.mark.parametrize("times", [(1.0, 1.0), (1.04, 1.0), (1.0, 2.0)])
def test_a_way_that_is_not_faster_is_not(monkeypatch: pytest.MonkeyPatch, times: tuple[float, float]) -> None:
    race(monkeypatch, *times)
    assert not outcome(OURS.clone()).used
    assert "not faster" in outcome_again(monkeypatch, times)


def outcome_again(monkeypatch: pytest.MonkeyPatch, times: tuple[float, float]) -> str:
    race(monkeypatch, *times)
    return outcome(OURS.clone()).why


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        (OURS * 1.001, "numbers are wrong"),
        (torch.where(OURS > 0.9, torch.nan, OURS), "numbers are wrong"),
        (torch.zeros(101), "numbers are wrong"),
        (torch.zeros(7), "it gives (7,) where ours gives (101,)"),
        (RuntimeError("no kernel image is available\nfor this card"), "RuntimeError: no kernel image is available"),
        (SyntaxError("compiler"), "SyntaxError: compiler"),
    ],
)
def test_a_way_that_is_wrong_or_fails_is_never_raced(monkeypatch: pytest.MonkeyPatch, theirs: Any, why: str) -> None:
    race(monkeypatch)
    found = outcome(theirs)
    assert not found.used
    assert why in found.why


def test_rounding_as_large_as_ours_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    race(monkeypatch, 2.0, 1.0)
    coarse = TRUTH.bfloat16()
    other = (TRUTH * 1.001).bfloat16()
    assert tried("sums", "another", lambda: [TRUTH], lambda: [coarse], lambda: [other]).used


def test_the_clock_takes_the_fastest_round_and_leaves_out_the_first() -> None:
    calls: list[int] = []
    assert kernel_trial.seconds(lambda: calls.append(1) or []) < 1.0
    assert len(calls) == 1 + kernel_trial.ROUNDS


def test_numbers_of_a_trial_leave_the_runs_generator_alone() -> None:
    before = torch.get_rng_state()
    kernel_trial.passes(lambda x: x * 2, [kernel_trial.numbers(3, dtype=torch.float32, device=CPU)])()
    assert torch.equal(torch.get_rng_state(), before)


# --- a whole model ------------------------------------------------------------------------------------------


def slow_norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float, gemma: bool) -> torch.Tensor:
    scaled = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon)
    return scaled * (weight + 1 if gemma else weight)


def slow_gate(gate: torch.Tensor, up: torch.Tensor, kind: str) -> torch.Tensor:
    return fused_gate._act(gate, kind) * up


def slow_turn(query: torch.Tensor, key: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> list[torch.Tensor]:
    turned = []
    for states in (query, key):
        width = cos.shape[-1]
        one, two = states[..., : width // 2], states[..., width // 2 : width]
        c, s = (x[:, None, :, : width // 2] for x in (cos, sin))
        turned.append(torch.cat([one * c - two * s, two * c + one * s, states[..., width:]], dim=-1))
    return turned


def slow_loss(
    states: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor, softcap: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.enable_grad():
        leaf = states.detach().requires_grad_()
        scores = leaf @ weight.T
        scores = softcap * torch.tanh(scores / softcap) if softcap else scores
        each = torch.nn.functional.cross_entropy(scores, labels, reduction="none")
        return torch.autograd.grad(each.sum(), leaf)[0], each.detach()


def play(monkeypatch: pytest.MonkeyPatch, **pieces: Callable[..., Any]) -> None:
    """A machine with liger-kernel, on which every other way that is right is faster."""
    monkeypatch.setattr(liger, "missing", lambda: "")
    played = {"norm": slow_norm, "gated": slow_gate, "loss_gradient": slow_loss, "rotated": slow_turn} | pieces
    for name, function in played.items():
        monkeypatch.setattr(liger, name, function)
    told = itertools.cycle((2.0, 1.0))  # ours and theirs, in turn
    monkeypatch.setattr(kernel_trial, "seconds", lambda way: next(told))
    monkeypatch.setattr(loss._Loss, "is_plain", False)  # as on a GPU


def ready(folder: Path, architecture: str) -> Any:
    model = adapted(make_model(folder / "model", architecture), LoraSettings(rank=4))
    fused_norm.fuse(model)
    fused_gate.fuse(model)
    last_layer.fuse(model.get_base_model())
    return model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_run_with_every_other_kernel_has_the_same_losses_and_gradients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str
) -> None:
    model = ready(tmp_path, architecture)
    alone, wanted = gradients(model)
    play(monkeypatch)
    base = model.get_base_model()
    found = hot_path.choose(base, CPU, torch.float32)
    told = "\n".join(map(str, found))
    assert base.config._attn_implementation == attention.kernels(architecture == "gemma2")[-1], told
    pieces = {one.piece.split(" over")[0] for one in found if one.used}
    assert pieces == {"attention", "norms", "rotations", "loss"} | (
        {"gated products"} if architecture != "phi3" else set()
    ), told
    assert base.loss_way is loss.gradient_by_liger
    together, mine = gradients(model)
    assert float(together) == pytest.approx(float(alone), rel=1e-5)
    for name, gradient in wanted.items():
        assert torch.allclose(mine[name], gradient, rtol=1e-3, atol=2e-5 * float(gradient.abs().max())), name


def test_kernels_that_are_wrong_are_left_and_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ready(tmp_path, "llama")
    play(
        monkeypatch,
        rotated=lambda query, key, cos, sin: slow_turn(query, key, cos, -sin),
        norm=lambda *given, **more: 1.01 * slow_norm(*given, **more),
        gated=lambda gate, up, kind: slow_gate(gate, up.detach(), kind),
        loss_gradient=lambda *given: tuple(1.001 * x for x in slow_loss(*given)),
    )
    monkeypatch.setattr(hot_path.attention, "kernels", lambda *_: ())
    monkeypatch.setattr(
        loss, "gradient_in_place", lambda *given: slow_loss(given[1], given[2], given[0].head.weight * 1.01, None)
    )
    alone, wanted = gradients(model)
    found = hot_path.choose(model.get_base_model(), CPU, torch.float32)
    assert not any(one.used for one in found)
    assert {one.piece.split(" over")[0] for one in found} == {"norms", "rotations", "gated products", "loss"}
    together, mine = gradients(model)
    assert torch.equal(together, alone)
    for name, gradient in wanted.items():
        assert torch.equal(mine[name], gradient), name


@pytest.mark.parametrize("name", ["llama_adapter", "ia3", "prefix", "bottleneck", "vera", "norms", "full"])
def test_whatever_the_way_of_tuning_has_wrapped_the_trials_find_their_layers(
    llama: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    base = base_model.load(llama, base_model.Placement(device="cpu", quantisation="none", precision="fp32"))
    methods.attach(base, METHODS[name].settings(), 0)
    play(monkeypatch)
    found = {one.piece for one in hot_path.choose(base, CPU, torch.float32) if one.used}
    assert {"attention", "rotations"} <= found
    norms = [module for module in base.modules() if type(module).__name__ == "LlamaRMSNorm"]
    assert all("forward" not in vars(norm) for norm in norms if norm.weight.requires_grad)
    if name == "full":
        assert not any(piece.startswith(("norms", "loss")) for piece in found)


def test_without_the_library_only_what_torch_has_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ready(tmp_path, "llama")
    play(monkeypatch)
    monkeypatch.setattr(liger, "missing", lambda: "liger-kernel is not installed")
    found = hot_path.choose(model.get_base_model(), CPU, torch.float32)
    assert {one.way for one in found if one.used} == {"FlexAttention", "scores in place"}
    assert "not installed" in "\n".join(map(str, found))


def test_tests_and_samples_go_the_models_own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ready(tmp_path, "llama")
    ids = torch.arange(5, 60)[None]
    with torch.no_grad():
        before = model(input_ids=ids).logits
    play(monkeypatch)
    hot_path.choose(model.get_base_model(), CPU, torch.float32)
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, before)


def test_on_a_cpu_nothing_is_tried(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_path, "choose", lambda *_: pytest.fail("a run on a CPU tries nothing"))
    placement = base_model.Placement(device="cpu", quantisation="none", precision="fp32")
    assert choose_kernels(None, placement, lambda event: None) == ()


# --- bf16, as on a GPU --------------------------------------------------------------------------------------


@pytest.mark.parametrize("softcap", [None, 5.0])
def test_scores_in_place_of_a_bf16_model_are_as_near_to_the_truth_as_the_graphs(softcap: float | None) -> None:
    torch.manual_seed(4)
    head = torch.nn.Linear(64, 301, bias=False).requires_grad_(False)
    from types import SimpleNamespace

    def made(dtype: torch.dtype) -> Any:
        config = SimpleNamespace(final_logit_softcapping=softcap)
        layer = torch.nn.Linear(64, 301, bias=False).requires_grad_(False).to(dtype)
        layer.weight.copy_(head.weight.bfloat16())
        return loss._Loss(SimpleNamespace(get_output_embeddings=lambda: layer, config=config))

    states = (torch.randn(50, 64) * 6).bfloat16()
    labels = torch.randint(0, 301, (50,))
    truth, _ = loss.gradient_by_graph(made(torch.float64), states.double(), labels)
    graph, slow = loss.gradient_by_graph(made(torch.bfloat16), states, labels)
    place, each = loss.gradient_in_place(made(torch.bfloat16), states, labels)
    assert each.dtype == torch.float32
    assert torch.allclose(each, slow, rtol=1e-5, atol=1e-5)
    assert kernel_trial._error(place, truth) <= 1.5 * kernel_trial._error(graph, truth)
