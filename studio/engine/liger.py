"""Kernels of liger-kernel (arXiv 2410.10989), where that library is installed; the extra `cuda` brings it.

Each function computes what a reference of ours does, on a GPU. Whether it does so there, and faster, is tried before a
run uses it (`hot_path`).
"""

from typing import Any

import torch


def missing() -> str:
    """Why there are no such kernels here; "" where there are."""
    try:
        import liger_kernel.ops  # noqa: F401
    except ImportError as error:
        return f"liger-kernel is not installed ({error})"
    return ""


def norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float, gemma: bool) -> torch.Tensor:
    """RMSNorm along the last axis, rounded where the architecture's own code rounds.

    Args:
        x: (..., width).
        weight: (width,); Gemma's is one less than what it multiplies by.
        epsilon: Added to the mean of squares.
        gemma: Whether the architecture is one of Gemma's.
    """
    from liger_kernel.ops.rms_norm import LigerRMSNormFunction

    # The last argument: the gradient that comes in is left as it is, as a residual branch may hold it, too.
    mode = (1.0, "gemma") if gemma else (0.0, "llama")
    return LigerRMSNormFunction.apply(x, weight, epsilon, *mode, False)  # type: ignore[no-any-return]


def gated(gate: torch.Tensor, up: torch.Tensor, kind: str) -> torch.Tensor:
    """act(gate) * up, (..., inner); both are overwritten by their gradients in the backward pass.

    Args:
        gate: (..., inner).
        up: As `gate`.
        kind: One of `fused_gate.ACTIVATIONS`.
    """
    if kind == "GELUTanh":
        from liger_kernel.ops.geglu import LigerGELUMulFunction

        return LigerGELUMulFunction.apply(gate, up)  # type: ignore[no-any-return]
    from liger_kernel.ops.swiglu import LigerSiLUMulFunction

    return LigerSiLUMulFunction.apply(gate, up)  # type: ignore[no-any-return]


def loss_gradient(
    states: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor, softcap: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradient of the summed loss towards the states, (learned, width), and each loss, (learned,), fp32.

    Args:
        states: (learned, width).
        labels: (learned,).
        weight: Of the output layer, frozen, (vocabulary, width).
        softcap: Scores s become softcap * tanh(s / softcap); None: they stay.
    """
    from liger_kernel.ops.fused_linear_cross_entropy import fused_linear_cross_entropy_forward

    each, _, _, _, gradient, _, _ = fused_linear_cross_entropy_forward(
        states.detach().to(weight.dtype).contiguous(),
        weight,
        labels,
        reduction="none",
        softcap=softcap,
        compute_gradients=True,
        weight_requires_grad=False,
    )
    return gradient, each


def rotated(
    query: torch.Tensor, key: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys turned by their places (RoPE, arXiv 2104.09864), as (lines, heads, tokens, head width).

    Args:
        query: (lines, heads, tokens, head width).
        key: As `query`, perhaps of fewer heads.
        cos: (lines, tokens, turned width), both halves alike; what lies beyond it in a head stays.
        sin: As `cos`.
    """
    return _Rotated.apply(query, key, cos, sin)  # type: ignore[no-any-return]


class _Rotated(torch.autograd.Function):
    """The kernel writes over what it is given, so it is given copies: others may hold the states or the gradients."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        from liger_kernel.ops.rope import rope_forward

        ctx.save_for_backward(cos, sin)
        query, key, _, _ = rope_forward(_by_token(query), _by_token(key), cos, sin)
        return query, key

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        from liger_kernel.ops.rope import rope_backward

        query, key = rope_backward(*map(_by_token, outer), *ctx.saved_tensors)
        return query, key, None, None


def _by_token(states: torch.Tensor) -> torch.Tensor:
    """A copy, (lines, heads, tokens, width), in which each token's heads lie together."""
    return states.transpose(1, 2).clone(memory_format=torch.contiguous_format).transpose(1, 2)
