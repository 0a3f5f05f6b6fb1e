"""LoRA's forward and backward pass in one step of the graph, for frozen weights, 4-bit ones too.

PEFT's own layers compute the same in seven steps of the graph, each with its own tensors. Here nothing but the input
and its product with the small matrix is kept, scaling and sums happen inside the matrix products, and a 4-bit weight
is unpacked when it is needed, twice, and not kept.
"""

import types
from typing import Any

import torch
from torch import nn


def fuse(model: nn.Module) -> int:
    """Let every plain LoRA layer of a PEFT model compute in one step; others stay PEFT's.

    Returns:
        How many layers were changed. A layer falls back to PEFT's way whenever it is asked for something else (adapter
        switched off or merged, several adapters, dropout, DoRA).
    """
    from peft.tuners.lora import LoraLayer

    changed = 0
    for module in model.modules():
        if isinstance(module, LoraLayer) and _frozen_weight(module) is not None:
            module.forward = types.MethodType(_forward, module)  # type: ignore[method-assign]
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


def _forward(layer: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    names = layer.active_adapters
    plain = (
        not args
        and not kwargs
        and len(names) == 1
        and names[0] in layer.lora_A
        and names[0] not in layer.lora_variant
        and not layer.disable_adapters
        and not layer.merged
        and isinstance(layer.lora_dropout[names[0]], nn.Identity)
        and layer.lora_B[names[0]].bias is None
    )
    if not plain:
        return type(layer).forward(layer, x, *args, **kwargs)  # type: ignore[no-any-return]
    name, base = names[0], layer.base_layer
    down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
    if torch.is_autocast_enabled(x.device.type):
        x = x.to(torch.get_autocast_dtype(x.device.type))
    return _LoraLinear.apply(x, down, up, base.weight, base.bias, layer.scaling[name])  # type: ignore[no-any-return]


def _dense(weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A frozen weight as numbers, (out, in)."""
    state = getattr(weight, "quant_state", None)
    if state is None:
        return weight.to(dtype)
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(weight, state).to(dtype)  # type: ignore[no-any-return]


class _LoraLinear(torch.autograd.Function):
    """y = x W' + b + s (x A') B', with W and b frozen.

    Shapes: x (..., in), A (rank, in), B (out, rank), W (out, in), b (out), y (..., out).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        down: torch.Tensor,
        up: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        scaling: float,
    ) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            flat = x.reshape(-1, x.shape[-1])  # (tokens, in)
            small = flat @ down.to(x.dtype).T  # (tokens, rank)
            dense = _dense(weight, x.dtype)
            y = flat @ dense.T if bias is None else torch.addmm(bias.to(x.dtype), flat, dense.T)
            y.addmm_(small, up.to(x.dtype).T, alpha=scaling)
        ctx.save_for_backward(flat, small, down, up)
        ctx.weight, ctx.scaling, ctx.shape = weight, scaling, x.shape
        return y.view(*x.shape[:-1], y.shape[-1])

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        flat, small, down, up = ctx.saved_tensors
        dy = outer[0].reshape(-1, outer[0].shape[-1])  # (tokens, out)
        dtype = flat.dtype
        # Written so that the long side of a thin product lies as matrix libraries like it: two to four times faster
        # on a CPU than `dy @ up` and `dy.T @ small`.
        back = nn.functional.linear(dy, up.T.to(dtype).contiguous() * ctx.scaling)  # (tokens, rank)
        d_down = back.T @ flat
        d_up = (small.T @ dy).T * ctx.scaling
        dx = None
        if ctx.needs_input_grad[0]:
            dx = dy @ _dense(ctx.weight, dtype)
            dx.addmm_(back, down.to(dtype))
            dx = dx.view(ctx.shape)
        return dx, d_down.to(down.dtype), d_up.to(up.dtype), None, None, None
