"""The gated product of a feed-forward part, act(gate) * up, in one step of the graph (SwiGLU, GeGLU; arXiv 2002.05202).

The graph of the architectures' own code keeps gate, act(gate) and up for the backward pass; here act(gate) is computed
again, which is cheap, and not kept. The linear layers around it stay whatever they are.
"""

import types
from typing import Any

import torch
from torch import nn

ACTIVATIONS = {"SiLUActivation": "none", "SiLU": "none", "GELUTanh": "tanh"}
"""Classes of activations that are known here: SiLU, or GELU with this approximation."""


def fuse(model: nn.Module) -> int:
    """Let every gated feed-forward part of a model compute its product in one step; others stay as they are.

    Returns:
        How many parts were changed.
    """
    changed = 0
    for module in model.modules():
        if is_known(module):
            module.gated = gated
            module.forward = types.MethodType(_forward, module)  # type: ignore[method-assign]
            changed += 1
    return changed


def is_known(module: Any) -> bool:
    """Whether a module is a gated feed-forward part with an activation that is known here."""
    parts = all(hasattr(module, name) for name in ("gate_proj", "up_proj", "down_proj", "act_fn"))
    return parts and type(module.act_fn).__name__ in ACTIVATIONS


def gated(gate: torch.Tensor, up: torch.Tensor, kind: str) -> torch.Tensor:
    """act(gate) * up, all (..., inner); a part may be given another function that computes the same."""
    return _Gated.apply(gate, up, kind)  # type: ignore[no-any-return]


def _forward(part: Any, x: torch.Tensor) -> torch.Tensor:
    if not torch.is_grad_enabled():
        return type(part).forward(part, x)  # type: ignore[no-any-return]
    product = part.gated(part.gate_proj(x), part.up_proj(x), type(part.act_fn).__name__)
    return part.down_proj(product)  # type: ignore[no-any-return]


def _act(gate: torch.Tensor, kind: str) -> torch.Tensor:
    if kind == "GELUTanh":
        return nn.functional.gelu(gate, approximate=ACTIVATIONS[kind])
    return nn.functional.silu(gate)


class _Gated(torch.autograd.Function):
    """y = act(gate) * up, all (..., inner)."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor, kind: str) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        ctx.kind = kind
        return _act(gate, kind).mul_(up)

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        gate, up = ctx.saved_tensors
        dy = outer[0]
        if ctx.kind == "GELUTanh":
            d_gate = torch.ops.aten.gelu_backward(dy * up, gate, approximate=ACTIVATIONS[ctx.kind])
        else:
            d_gate = torch.ops.aten.silu_backward(dy * up, gate)
        return d_gate, _act(gate, ctx.kind).mul_(dy), None
