"""LoRA's forward and backward pass in one step of the graph, for frozen weights, 4-bit ones too.

PEFT's own layers compute the same in seven steps of the graph, each with its own tensors. Here nothing but the input
and its product with the small matrices is kept, scaling and sums happen inside the matrix products, a 4-bit weight is
unpacked when it is needed, twice, and not kept; and layers that read the same input (queries, keys and values; gate
and up) are computed together.
"""

import types
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Layers of one module that are called one after the other with the same input, by their usual names."""


def fuse(model: nn.Module) -> int:
    """Let every plain LoRA layer of a PEFT model compute in one step; others stay PEFT's.

    Returns:
        How many layers were changed. A layer falls back to PEFT's way whenever it is asked for something else (adapter
        switched off or merged, several adapters, dropout, DoRA).
    """
    from peft.tuners.lora import LoraLayer

    fused: dict[int, _Together] = {}
    for module in model.modules():
        children = {name: child for name, child in module.named_children() if isinstance(child, LoraLayer)}
        for names in SIBLINGS:
            group = [
                children[name] for name in names if name in children and _frozen_weight(children[name]) is not None
            ]
            if len(group) == len(names):
                fused |= dict.fromkeys(map(id, group), _Together(group))
    changed = 0
    for module in model.modules():
        if isinstance(module, LoraLayer) and _frozen_weight(module) is not None:
            together = fused.get(id(module)) or _Together([module])
            module.forward = types.MethodType(together.forward_of, module)  # type: ignore[method-assign]
            changed += 1
    return changed


def _frozen_weight(layer: Any) -> torch.Tensor | None:
    """The base weight, (out, in), or packed; None where it is not one that is handled here."""
    base = layer.base_layer
    if type(base) is nn.Linear:
        return None if base.weight.requires_grad else base.weight
    if type(base).__name__ == "Linear4bit" and getattr(base.weight, "quant_state", None) is not None:
        return base.weight  # type: ignore[no-any-return]
    return None


class _Together:
    """Layers with the same input: the first that is called computes for all, the others take what is ready."""

    def __init__(self, layers: Sequence[Any]) -> None:
        self._layers = list(layers)
        self._input: torch.Tensor | None = None
        self._ready: dict[int, torch.Tensor] = {}

    def forward_of(self, layer: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """What the layer's own `forward` gives, (..., out)."""
        if args or kwargs or not _is_plain(layer) or not _same_format(layer, x):
            return type(layer).forward(layer, x, *args, **kwargs)  # type: ignore[no-any-return]
        if self._input is not x or id(layer) not in self._ready:
            layers = self._layers if all(map(_is_plain, self._layers)) else [layer]
            self._ready = dict(zip(map(id, layers), _compute(layers, x), strict=True))
            self._input = x
        out = self._ready.pop(id(layer))
        if not self._ready:
            self._input = None
        return out


def _is_plain(layer: Any) -> bool:
    """Whether the layer does now what is computed here: one adapter, switched on, without dropout or variants."""
    names = layer.active_adapters
    return (
        len(names) == 1
        and names[0] in layer.lora_A
        and names[0] not in layer.lora_variant
        and not layer.disable_adapters
        and not layer.merged
        and isinstance(layer.lora_dropout[names[0]], nn.Identity)
        and layer.lora_B[names[0]].bias is None
    )


def _same_format(layer: Any, x: torch.Tensor) -> bool:
    """Whether all is computed in one number format: by autocast, or because input and adapter have the same.

    Elsewhere (a bf16 model tested without autocast) PEFT computes the adapter's part in fp32, as the chat will.
    """
    if torch.is_autocast_enabled(x.device.type):
        return True
    return bool(x.dtype == layer.lora_A[layer.active_adapters[0]].weight.dtype)


def _compute(layers: Sequence[Any], x: torch.Tensor) -> Sequence[torch.Tensor]:
    if torch.is_autocast_enabled(x.device.type):
        x = x.to(torch.get_autocast_dtype(x.device.type))
    names = [layer.active_adapters[0] for layer in layers]
    frozen = [
        (layer.base_layer.weight, layer.base_layer.bias, layer.scaling[name])
        for layer, name in zip(layers, names, strict=True)
    ]
    downs = [layer.lora_A[name].weight for layer, name in zip(layers, names, strict=True)]
    ups = [layer.lora_B[name].weight for layer, name in zip(layers, names, strict=True)]
    return _LoraLinears.apply(x, frozen, *downs, *ups)  # type: ignore[no-any-return]


def unpacked(weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A frozen weight as numbers, (out, in)."""
    state = getattr(weight, "quant_state", None)
    if state is None:
        return weight.to(dtype)
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(weight, state).to(dtype)  # type: ignore[no-any-return]


class _LoraLinears(torch.autograd.Function):
    """y = x W' + b + s (x A') B' for each of some layers with the same x, with W and b frozen.

    Shapes: x (..., in), A (rank, in), B (out, rank), W (out, in), b (out), y (..., out).
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, frozen: Sequence[Any], *small: torch.Tensor) -> tuple[torch.Tensor, ...]:
        downs, ups = small[: len(frozen)], small[len(frozen) :]
        made = []
        with torch.autocast(x.device.type, enabled=False):
            flat = x.reshape(-1, x.shape[-1])  # (tokens, in)
            down = torch.cat(downs).to(x.dtype)  # (all ranks, in)
            between = flat @ down.T  # (tokens, all ranks)
            parts = between.split([len(one) for one in downs], dim=1)
            for (weight, bias, scaling), up, part in zip(frozen, ups, parts, strict=True):
                dense = unpacked(weight, x.dtype)
                y = flat @ dense.T if bias is None else torch.addmm(bias.to(x.dtype), flat, dense.T)
                y.addmm_(part, up.to(x.dtype).T, alpha=scaling)
                made.append(y.view(*x.shape[:-1], y.shape[-1]))
        ctx.save_for_backward(flat, between, *small)
        ctx.frozen, ctx.shape = frozen, x.shape
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        flat, between, *small = ctx.saved_tensors
        frozen, dtype = ctx.frozen, flat.dtype
        downs, ups = small[: len(frozen)], small[len(frozen) :]
        dys = [dy.reshape(-1, dy.shape[-1]) for dy in outer]  # (tokens, out) each
        ranks = [len(one) for one in downs]
        # Written so that the long side of a thin product lies as matrix libraries like it: two to four times faster
        # on a CPU than `dy @ up` and `dy.T @ part`.
        backs = [
            nn.functional.linear(dy, up.T.to(dtype).contiguous() * scaling)  # (tokens, rank)
            for dy, up, (_, _, scaling) in zip(dys, ups, frozen, strict=True)
        ]
        back = torch.cat(backs, dim=1) if len(backs) > 1 else backs[0]
        d_downs = [part.to(one.dtype) for part, one in zip((back.T @ flat).split(ranks), downs, strict=True)]
        d_ups = [
            ((part.T @ dy).T * scaling).to(up.dtype)
            for part, dy, up, (_, _, scaling) in zip(between.split(ranks, dim=1), dys, ups, frozen, strict=True)
        ]
        dx = None
        if ctx.needs_input_grad[0]:
            dx = back @ torch.cat(downs).to(dtype)
            for dy, (weight, _, _) in zip(dys, frozen, strict=True):
                dx.addmm_(dy, unpacked(weight, dtype))
            dx = dx.view(ctx.shape)
        return dx, None, *d_downs, *d_ups
