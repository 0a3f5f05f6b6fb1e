"""The feed-forward part of a model's last layer only where something is learned.

Of what the last layer gives, only the positions that predict a learned token are read. Its attention needs the others
as keys and values, its feed-forward part does not: there, a place that nobody reads costs as much as any other.
Losses and gradients stay what they were, as nothing ever flowed back from those places.
"""

import types
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def fuse(causal: Any) -> bool:
    """Let the last feed-forward part leave out, in training, what `name_places` has not named.

    Args:
        causal: A causal language model of transformers, without PEFT's wrapper.

    Returns:
        Whether the architecture has such a part; if not, all is computed.
    """
    layers = getattr(causal.base_model, "layers", None)
    part = getattr(layers[-1], "mlp", None) if layers else None
    if part is None:
        return False
    causal.last_places = _Places(part.forward)
    part.forward = types.MethodType(causal.last_places.forward_of, part)
    return True


def name_places(causal: Any, flat: torch.Tensor, shape: torch.Size) -> None:
    """Say which places of the coming batch are read.

    Args:
        causal: Told to `fuse` before; if not, nothing happens.
        flat: Places in the lines laid end to end, (read,), each once.
        shape: Of the batch, (lines, tokens).
    """
    places = getattr(causal, "last_places", None)
    if places is not None:
        places.flat, places.shape = flat, shape


class _Places:
    """The places of one batch; kept until the next, as checkpointing computes a layer again in the backward pass."""

    def __init__(self, own: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.own = own
        self.flat: torch.Tensor | None = None
        self.shape: torch.Size | None = None

    def forward_of(self, part: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """What the part's own `forward` gives at the named places, and nought elsewhere, (lines, tokens, width)."""
        if not part.training or self.flat is None or x.shape[:-1] != self.shape:
            return self.own(x)
        flat = x.reshape(-1, x.shape[-1])
        some = self.own(flat.index_select(0, self.flat)[None])[0]  # (read, width)
        return some.new_zeros(flat.shape).index_copy(0, self.flat, some).view(x.shape)
