"""Which kernels a run on a GPU takes for attention, norms, gated products and the loss, each tried there beforehand.

For the length of a run and on its own instances only, as the pieces of `fused_*`; a run on a CPU never comes here.
"""

import copy
import functools
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from studio.engine import attention, fused_gate, fused_norm, liger, loss
from studio.engine.kernel_trial import Tried, Way, numbers, passes, tried

ROWS = (700, 300, 300, 129, 64, 33, 1)
"""Rows of the trial of attention, in tokens."""
WINDOW = 100
"""Sliding windows are tried this short, so that they are shorter than some rows."""
LEARNED, VOCABULARY = 512, 4096
"""Places of the trial of the loss, and tokens known in its check (its race has the model's own)."""
ROTATION = "apply_rotary_pos_emb"
"""The function's name in every architecture's code."""
_NO_CODE = (lambda: None).__code__
WAYS = {
    attention.VARLEN: "torch's variable-length kernel",
    attention.FLEX: "FlexAttention",
    attention.CAPPED_FLEX: "FlexAttention",
}


def choose(base: Any, device: torch.device, dtype: torch.dtype) -> tuple[Tried, ...]:
    """Try what there is, and let the model take what is right and faster on this device.

    Args:
        base: A causal language model of transformers, with its adapter, without PEFT's wrapper.
        device: Where it lies.
        dtype: In which a run's hidden states are.

    Returns:
        What was tried, with the reason for each choice.
    """
    found = [*_attention(base, device, dtype)]
    missing = liger.missing()
    if missing:
        found.append(Tried("norms, rotations, gated products, loss", "liger-kernel", False, missing, 0.0))
    else:
        found += [*_norms(base, device, dtype), *_rotations(base, device, dtype), *_gates(base, device, dtype)]
    return (*found, *_loss(base, device, bool(missing)))


# --- attention --------------------------------------------------------------------------------------------


def _attention(base: Any, device: torch.device, dtype: torch.dtype) -> Iterator[Tried]:
    capped = getattr(base.config, "attn_logit_softcapping", None) is not None
    for name in attention.kernels(capped, dtype):
        truth, ours = (_attending(base, None, device, kind) for kind in (torch.float64, dtype))
        result = tried("attention", WAYS[name], truth, ours, _attending(base, name, device, dtype))
        yield result
        if result.used:
            base.set_attn_implementation(name)
            return


def _attending(base: Any, name: str | None, device: torch.device, dtype: torch.dtype) -> Way:
    """Attention of the first layer of each kind over ROWS; by name None as the model has it."""
    from transformers import AttentionInterface

    attend = AttentionInterface()[name or base.config._attn_implementation]
    config = base.config
    layers: dict[int | None, Any] = {}
    for layer in base.modules():  # by what they have: a way of tuning may have wrapped them
        if hasattr(layer, "scaling") and hasattr(layer, "head_dim"):
            layers.setdefault(getattr(layer, "sliding_window", None), layer)
    first = next(iter(layers.values()))
    heads, fewer = _heads(config)
    states = [
        numbers(1, count, sum(ROWS), first.head_dim, dtype=dtype, device=device, seed=seed)
        for seed, count in enumerate((heads, fewer, fewer))
    ]
    options = {"scaling": first.scaling, "dropout": 0.0, "row_lengths": ROWS}
    if getattr(config, "attn_logit_softcapping", None):
        options["softcap"] = config.attn_logit_softcapping

    def outcome(*given: torch.Tensor) -> torch.Tensor:
        return torch.cat([
            attend(layer, *given, None, sliding_window=window and min(window, WINDOW), **options)[0]
            for window, layer in layers.items()
        ])  # fmt: skip

    return passes(outcome, states)


# --- norms, rotations and gated products ------------------------------------------------------------------


def _norms(base: nn.Module, device: torch.device, dtype: torch.dtype) -> Iterator[Tried]:
    """Those of one width at a time: of whole states, and of single heads."""
    norms: dict[int, list[Any]] = {}
    for module in base.modules():
        if fused_norm.is_known(module):
            norms.setdefault(module.weight.numel(), []).append(module)
    for width, alike in norms.items():
        inputs = [2048 * max(norms) // width, width]

        def way(function: Callable[..., torch.Tensor], kind: torch.dtype, inputs: Sequence[int] = tuple(inputs)) -> Way:
            return passes(function, [numbers(*inputs, dtype=kind, device=device)])

        ours, theirs = alike[0].forward, _norm_of(alike[0])
        piece = f"norms over {width}"
        result = tried(piece, "liger-kernel", way(ours, torch.float64), way(ours, dtype), way(theirs, dtype))
        if result.used:
            for norm in alike:
                norm.forward = types.MethodType(_normed, norm)
        yield result


def _norm_of(norm: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    return functools.partial(
        liger.norm, weight=norm.weight, epsilon=fused_norm.epsilon(norm), gemma=fused_norm.is_gemma(norm)
    )


def _normed(norm: Any, x: torch.Tensor) -> torch.Tensor:
    if not torch.is_grad_enabled():  # tests and samples: as the chat will answer
        return type(norm).forward(norm, x)  # type: ignore[no-any-return]
    return _norm_of(norm)(x)


def _rotations(base: nn.Module, device: torch.device, dtype: torch.dtype) -> Iterator[Tried]:
    """The architecture's own code of attention, in which one function is another."""
    layers: list[Any] = [
        module for module in base.modules() if ROTATION in getattr(type(module).forward, "__code__", _NO_CODE).co_names
    ]
    if not layers:
        return
    own, config = type(layers[0]).forward, layers[0].config
    width = layers[0].head_dim
    share = (getattr(config, "rope_parameters", None) or {}).get("partial_rotary_factor", 1.0)
    angles = numbers(1, 2048, int(width * share) // 2, dtype=torch.float64, device=device).repeat(1, 1, 2)

    def way(function: Callable[..., Sequence[torch.Tensor]], form: torch.dtype) -> Way:
        cos, sin = angles.cos().to(form), angles.sin().to(form)
        inputs = [numbers(1, 2048, heads, width, dtype=form, device=device).transpose(1, 2) for heads in _heads(config)]
        return passes(lambda query, key: torch.cat(function(query, key, cos, sin), dim=1), inputs)

    ours = own.__globals__[ROTATION]
    result = tried("rotations", "liger-kernel", way(ours, torch.float64), way(ours, dtype), way(liger.rotated, dtype))
    if result.used:
        turned = types.FunctionType(
            own.__code__, {**own.__globals__, ROTATION: liger.rotated}, own.__name__, own.__defaults__, own.__closure__
        )
        turned.__kwdefaults__ = own.__kwdefaults__
        for layer in layers:
            if type(layer).forward is own:
                layer.forward = types.MethodType(turned, layer)
    yield result


def _heads(config: Any) -> tuple[int, int]:
    """Heads of queries and of keys."""
    return config.num_attention_heads, config.num_key_value_heads or config.num_attention_heads


def _gates(base: nn.Module, device: torch.device, dtype: torch.dtype) -> Iterator[Tried]:
    parts = [module for module in base.modules() if fused_gate.is_known(module)]
    if not parts:
        return
    kind, width = type(parts[0].act_fn).__name__, parts[0].down_proj.in_features

    def way(function: Callable[..., torch.Tensor], form: torch.dtype) -> Way:
        inputs = [numbers(2048, width, dtype=form, device=device, seed=seed) for seed in (1, 2)]
        return passes(lambda gate, up: function(gate, up, kind), inputs)

    ours = fused_gate.gated
    result = tried(
        "gated products", "liger-kernel", way(ours, torch.float64), way(ours, dtype), way(liger.gated, dtype)
    )
    if result.used:
        for part in parts:
            part.gated = liger.gated
    yield result


# --- loss -------------------------------------------------------------------------------------------------


def _loss(base: Any, device: torch.device, without_liger: bool) -> Iterator[Tried]:
    """Of the ways to make the loss's gradient, the fastest; each is raced against the one that is used so far."""
    head = base.get_output_embeddings()
    if type(head) is not nn.Linear or head.bias is not None or head.weight.requires_grad:
        return
    small = nn.Linear(head.in_features, min(VOCABULARY, head.out_features), bias=False, device=device)
    with torch.no_grad():
        small.weight.copy_(numbers(*small.weight.shape, dtype=torch.float32, device=device) / head.in_features**0.5)
    dtype = head.weight.dtype
    ways = {"scores in place": loss.gradient_in_place}
    if not without_liger:
        ways["liger-kernel"] = loss.gradient_by_liger
    for name, other in ways.items():
        best = loss.way_of(base)
        way = functools.partial(_slice, base, best), functools.partial(_slice, base, other)
        result = tried(
            "loss",
            name,
            _slice(base, loss.gradient_by_graph, small, torch.float64),
            way[0](small, dtype),
            way[1](small, dtype),
            timed=(way[0](head, dtype), way[1](head, dtype)),
        )
        if result.used:
            base.loss_way = other
        yield result


def _slice(base: Any, way: loss.Gradient, head: nn.Linear, dtype: torch.dtype) -> Way:
    """The loss of LEARNED places by one way with this output layer, slice by slice as in a run."""
    head = head if head.weight.dtype == dtype else copy.deepcopy(head).to(dtype)
    config = types.SimpleNamespace(final_logit_softcapping=getattr(base.config, "final_logit_softcapping", None))
    whole = loss._Loss(types.SimpleNamespace(get_output_embeddings=lambda: head, config=config))
    places = numbers(LEARNED, head.in_features, dtype=torch.float32, device=head.weight.device, seed=9).to(dtype)
    labels = torch.arange(LEARNED, device=head.weight.device) * 7 % head.out_features

    def outcome() -> list[torch.Tensor]:
        with torch.no_grad():
            made = [way(whole, *piece) for piece in whole.slices(places, labels)]
        return [torch.cat(each) for each in zip(*made, strict=True)]

    return outcome
