"""The loss at the learned positions only, so that memory for the vocabulary's scores stays small.

The hidden states of the learned positions alone go through the output layer, in slices; the gradient towards the
hidden states is made in the forward pass of each slice, and so is that of an output layer that learns itself. So at no
time do scores of (tokens, vocabulary) exist. On a CPU the scores become their own gradient, in place;
`gradient_by_graph` is the slow way to the same. Equality with the model's own loss is tested, and of the two ways with
each other.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from studio.engine import last_layer, liger, virtual_tokens
from studio.engine.batches import Batch

SLICE_SCORES = 2**24
"""Scores held at a time: 64 MiB in fp32. Half as many made the products of a 32k vocabulary 8 % slower on a CPU."""

Gradient = Callable[["_Loss", torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""A way to the gradient of a slice's summed loss towards its states, (learned, width), and each loss, (learned,)."""

_rooms: dict[torch.dtype, torch.Tensor] = {}
"""On a CPU one array of scores serves all slices, by kind of number: large arrays taken and freed time and again leave
holes in the heap that the next one does not fit into (some 800 MB after tests of a 32k vocabulary)."""


def summed_loss(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum of the cross-entropy over the learned tokens of a batch; backward through it trains the adapter.

    Args:
        model: A causal language model, with or without a PEFT adapter.
        batch: On the model's device.

    Returns:
        The sum, and the loss of each learned token, (learned,), without gradients.
    """
    states, labels, _ = learned_states(model, batch)
    return _Loss(_causal(model))(states, labels)


@torch.no_grad()
def row_losses(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum of the loss and number of learned tokens of each row, both (rows), on the CPU, without gradients."""
    states, labels, rows = learned_states(model, batch)
    head = _Loss(_causal(model))
    way = _losses_in_place if head.is_plain else _Loss.scores_loss
    losses = torch.cat([way(head, s, y) for s, y in head.slices(states, labels)])  # (learned,)
    rows = rows.to(losses.device)
    sums = torch.zeros(batch.rows, dtype=torch.float64, device=losses.device).index_add_(0, rows, losses.double())
    counts = torch.bincount(rows, minlength=batch.rows)
    return sums.cpu(), counts.cpu()


class StepLosses:
    """Mean losses of one step: over all learned tokens, over those of the user's rows, over those of general rows.

    Attributes:
        all, own, general: Numbers once `close` was called; `general` None where the step has no general rows, `own`
            then being `all`.
    """

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)
        self._counts = torch.zeros_like(self._sums)
        self.all = self.own = float("nan")
        self.general: float | None = None

    def add(self, each: torch.Tensor, own_rows: np.ndarray, row_of: torch.Tensor) -> None:
        """Take in a part of the step.

        Args:
            each: Loss of each learned token, (learned,).
            own_rows: Whether each row of the part is the user's, (rows,).
            row_of: Row of each learned token, (learned,).
        """
        side = torch.from_numpy(np.where(own_rows, 0, 1)).to(each.device)[row_of]  # (learned,)
        self._sums.index_add_(0, side, each.double())
        self._counts += torch.bincount(side, minlength=2)

    def close(self) -> None:
        """All parts were added: read the numbers, once."""
        (own, general), (own_count, general_count) = self._sums.tolist(), self._counts.tolist()
        self.all = (own + general) / (own_count + general_count)
        self.own = own / own_count if own_count else self.all
        self.general = general / general_count if general_count and own_count else None


def learned_states(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden states that predict a learned token (learned, width), those tokens (learned,), and their rows (learned,).

    The position before a learned token predicts it, so labels are shifted here; the first token of a row, which
    nothing of its own row predicts, is never learned (`Batch` sees to it).
    """
    line, place = batch.learned  # of the learned tokens themselves
    flat = line * batch.ids.shape[1] + place - 1
    if virtual_tokens.is_virtual(model):
        if batch.positions is not None:
            raise AssertionError("learned tokens do not fit packs; check_together refuses them")
        states = virtual_tokens.states(model, batch.ids)  # (lines, tokens, width)
    else:
        causal = _causal(model)
        last_layer.name_places(causal, flat, batch.ids.shape)
        states = causal.base_model(
            input_ids=batch.ids, position_ids=batch.positions, use_cache=False, **batch.attention
        ).last_hidden_state
    return states.flatten(0, 1).index_select(0, flat), batch.ids[line, place], batch.row_of_learned


def _causal(model: nn.Module) -> Any:
    """The model with the output layer, without PEFT's wrapper (the adapter's layers sit inside it)."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]


class _Loss:
    """Output layer and cross-entropy of one model."""

    def __init__(self, causal: Any) -> None:
        self.head = causal.get_output_embeddings()
        self.softcap = getattr(causal.config, "final_logit_softcapping", None)
        self.way = way_of(causal)

    def __call__(self, states: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        learning = [p for p in self.head.parameters() if p.requires_grad]
        total, each = _HeadLoss.apply(states, labels, self, *learning)
        return total, each

    def scores_loss(self, states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of each token, (learned,), in fp32 at least."""
        scores = self.head(states.to(self.dtype))  # (learned, vocabulary)
        scores = scores.float() if scores.dtype.itemsize < 4 else scores
        if self.softcap:
            scores = self.softcap * torch.tanh(scores / self.softcap)
        return functional.cross_entropy(scores, labels, reduction="none")

    def slices(self, states: torch.Tensor, labels: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Pieces of both, as equal as may be, whose scores fit into SLICE_SCORES."""
        most = max(1, SLICE_SCORES // self.head.out_features)
        size = max(1, -(-len(labels) // max(1, -(-len(labels) // most))))
        return zip(states.split(size), labels.split(size), strict=True)

    @property
    def is_plain(self) -> bool:
        """Whether the scores are one product of full-precision numbers on a CPU."""
        head = self.head
        exact = type(head) is nn.Linear and head.weight.dtype in (torch.float32, torch.float64)
        return exact and head.bias is None and head.weight.device.type == "cpu" and not torch.is_autocast_enabled("cpu")

    @property
    def dtype(self) -> torch.dtype:
        weight = self.head.weight
        return weight.dtype if weight.is_floating_point() else torch.float32


def way_of(causal: Any) -> Gradient:
    """How a model's loss is computed where it is not `is_plain`: as was chosen for the run, else by torch's graph."""
    return getattr(causal, "loss_way", gradient_by_graph)


def gradient_by_liger(loss: _Loss, states: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same by liger-kernel, on a GPU, where the output layer is one frozen matrix."""
    return liger.loss_gradient(states, labels, loss.head.weight, loss.softcap)


def gradient_by_graph(loss: _Loss, states: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradient of the summed loss towards the states, (learned, width), and each loss, (learned,), by torch's graph."""
    (gradient,), each = _by_graph(loss, states, labels, [])
    return gradient, each


def _by_graph(
    loss: _Loss, states: torch.Tensor, labels: torch.Tensor, learning: list[torch.Tensor]
) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """The same, towards the states and towards each of what learns in the output layer."""
    with torch.enable_grad():
        leaf = states.detach().requires_grad_()
        each = loss.scores_loss(leaf, labels)
        part = each.sum()
    return torch.autograd.grad(part, [leaf, *learning]), each.detach()


@torch.no_grad()
def gradient_in_place(loss: _Loss, states: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same where the output layer is one matrix; in fp32, but for capped scores, one array is all that is used."""
    slopes, each = _slopes(loss, states, labels)
    return slopes @ loss.head.weight, each


def _slopes(loss: _Loss, states: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradient of the summed loss towards the scores, (learned, vocabulary), in their place, and each loss, (learned,).

    With p = softmax(scores), the loss is log(sum(exp(scores))) - scores[label], its gradient towards the scores p - 1
    at the label and p elsewhere. As the largest p is exp(0) / sum(exp(scores - largest)), it tells the logarithm.
    """
    label = labels[:, None]
    scores = _scores(loss, states)
    slope = scores.div(loss.softcap).square_().neg_().add_(1) if loss.softcap else None
    wanted, largest = scores.gather(1, label), scores.amax(1, keepdim=True)
    torch.softmax(scores, 1, out=scores)
    each = (largest - wanted - scores.amax(1, keepdim=True).log_())[:, 0]
    scores.scatter_add_(1, label, scores.new_full(label.shape, -1.0))
    if slope is not None:
        scores.mul_(slope)
    return scores.to(loss.head.weight.dtype), each


def _losses_in_place(loss: _Loss, states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Each loss alone, (learned,), with one array of scores."""
    scores = _scores(loss, states)
    wanted, largest = scores.gather(1, labels[:, None]), scores.amax(1, keepdim=True)
    sums = scores.sub_(largest).exp_().sum(1, keepdim=True)
    return (sums.log_() + largest - wanted)[:, 0]


def _scores(loss: _Loss, states: torch.Tensor) -> torch.Tensor:
    """Scores in fp32 at least, capped where the model caps them, (learned, vocabulary)."""
    weight = loss.head.weight  # (vocabulary, width)
    states = states.to(weight.dtype)
    if weight.dtype.itemsize < 4 or weight.device.type != "cpu":
        scores = (states @ weight.T).float() if weight.dtype.itemsize < 4 else states @ weight.T
    else:
        scores = torch.mm(states, weight.T, out=_room(len(states), len(weight), weight.dtype))
    return scores.div_(loss.softcap).tanh_().mul_(loss.softcap) if loss.softcap else scores


def _room(places: int, vocabulary: int, dtype: torch.dtype) -> torch.Tensor:
    """The array for the scores of a slice, (places, vocabulary); what it held is lost."""
    need, room = places * vocabulary, _rooms.get(dtype)
    if room is None or room.numel() < need:
        room = _rooms[dtype] = torch.empty(need + need // 8, dtype=dtype)
    return room[:need].view(places, vocabulary)


class _HeadLoss(torch.autograd.Function):
    """Summed cross-entropy whose gradients are made slice by slice in the forward pass.

    They go towards the hidden states and towards what learns in the output layer.
    """

    @staticmethod
    def forward(
        ctx: Any, states: torch.Tensor, labels: torch.Tensor, loss: _Loss, *learning: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        gradients, losses = [], []
        sums = [torch.zeros_like(one) for one in learning]
        make = gradient_in_place if loss.is_plain else loss.way
        for piece, wanted in loss.slices(states, labels):
            if not learning:
                gradient, each = make(loss, piece, wanted)
            elif loss.is_plain:
                slopes, each = _slopes(loss, piece, wanted)
                gradient = slopes @ loss.head.weight
                sums[0].addmm_(slopes.T, piece.to(slopes.dtype))
            else:
                (gradient, *more), each = _by_graph(loss, piece, wanted, list(learning))
                for total, one in zip(sums, more, strict=True):
                    total += one
            gradients.append(gradient)
            losses.append(each)
        ctx.save_for_backward(torch.cat(gradients) if gradients else torch.zeros_like(states))
        ctx.sums = sums
        every = torch.cat(losses) if losses else torch.zeros(0, device=states.device)
        ctx.mark_non_differentiable(every)
        return every.sum(), every

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        sums, ctx.sums = ctx.sums, []
        return (
            gradient * outer[0].to(gradient.dtype),
            None,
            None,
            *(total.mul_(outer[0].to(total.dtype)) for total in sums),
        )
