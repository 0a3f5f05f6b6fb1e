"""The loss at the learned positions only, so that memory for the vocabulary's scores stays small.

The hidden states of the learned positions alone go through the output layer, in slices; the gradient towards the
hidden states is made in the forward pass of each slice, as the output layer itself is frozen. So at no time do scores
of (tokens, vocabulary) exist. Equality with the model's own loss is tested.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from studio.engine.batches import Batch

SLICE_SCORES = 2**25
"""Scores held at a time: 128 MiB in fp32."""


def summed_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Sum of the cross-entropy over the learned tokens of a batch; backward through it trains the adapter.

    Args:
        model: A causal language model, with or without a PEFT adapter.
        batch: On the model's device.
    """
    states, labels, _ = learned_states(model, batch)
    return _Loss(_causal(model))(states, labels)


@torch.no_grad()
def row_losses(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum of the loss and number of learned tokens of each row, both (rows), on the CPU, without gradients."""
    states, labels, rows = learned_states(model, batch)
    head = _Loss(_causal(model))
    losses = torch.cat([head.scores_loss(s, y) for s, y in head.slices(states, labels)])  # (learned,)
    rows = rows.to(losses.device)
    sums = torch.zeros(batch.rows, dtype=torch.float64, device=losses.device).index_add_(0, rows, losses.double())
    counts = torch.bincount(rows, minlength=batch.rows)
    return sums.cpu(), counts.cpu()


def learned_states(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden states that predict a learned token (learned, width), those tokens (learned,), and their rows (learned,).

    The position before a learned token predicts it, so labels are shifted here; the first token of a row, which
    nothing of its own row predicts, is never learned (`Batch` sees to it).
    """
    causal = _causal(model)
    states = causal.base_model(
        input_ids=batch.ids, position_ids=batch.positions, use_cache=False, **batch.attention
    ).last_hidden_state  # (lines, tokens, width)
    line, place = batch.learned  # of the learned tokens themselves
    return states[line, place - 1], batch.ids[line, place], batch.row_of_learned


def _causal(model: nn.Module) -> Any:
    """The model with the output layer, without PEFT's wrapper (the adapter's layers sit inside it)."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]


class _Loss:
    """Output layer and cross-entropy of one model."""

    def __init__(self, causal: Any) -> None:
        self.head = causal.get_output_embeddings()
        self.softcap = getattr(causal.config, "final_logit_softcapping", None)

    def __call__(self, states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        frozen = all(not p.requires_grad for p in self.head.parameters())
        if frozen:
            return _HeadLoss.apply(states, labels, self)
        return torch.stack([self.scores_loss(s, y).sum() for s, y in self.slices(states, labels)]).sum()

    def scores_loss(self, states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of each token, (learned,), in fp32."""
        scores = self.head(states.to(self.dtype)).float()  # (learned, vocabulary)
        if self.softcap:
            scores = self.softcap * torch.tanh(scores / self.softcap)
        return functional.cross_entropy(scores, labels, reduction="none")

    def slices(self, states: torch.Tensor, labels: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Pieces of both whose scores fit into SLICE_SCORES."""
        size = max(1, SLICE_SCORES // self.head.out_features)
        return zip(states.split(size), labels.split(size), strict=True)

    @property
    def dtype(self) -> torch.dtype:
        weight = self.head.weight
        return weight.dtype if weight.is_floating_point() else torch.float32


class _HeadLoss(torch.autograd.Function):
    """Summed cross-entropy whose gradient towards the hidden states is made slice by slice in the forward pass."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, labels: torch.Tensor, loss: _Loss) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        gradients = []
        for piece, wanted in loss.slices(states, labels):
            with torch.enable_grad():
                leaf = piece.detach().requires_grad_()
                part = loss.scores_loss(leaf, wanted).sum()
            gradients.append(torch.autograd.grad(part, leaf)[0])
            total += part.detach()
        ctx.save_for_backward(torch.cat(gradients) if gradients else torch.zeros_like(states))
        return total

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer[0].to(gradient.dtype), None, None
