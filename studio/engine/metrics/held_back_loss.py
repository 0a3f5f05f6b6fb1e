"""Loss on unseen examples: the mean over the learned tokens of held-back rows."""

from typing import Any

import msgspec
import numpy as np
import torch

from studio.contract.control import Control
from studio.engine.batches import Rows, collate
from studio.engine.loss import row_losses

BATCH_TOKENS = 4096
"""Places in one batch, pads included; without gradients that is little memory."""


class Losses(msgspec.Struct, frozen=True):
    """Per row: `sums` of the loss and `counts` of learned tokens, both (rows,)."""

    sums: np.ndarray
    counts: np.ndarray

    @property
    def mean(self) -> float:
        """Over all learned tokens."""
        return float(self.sums.sum() / max(1, self.counts.sum()))

    @property
    def row_means(self) -> list[float]:
        """Of each row."""
        return [float(value) for value in self.sums / np.maximum(1, self.counts)]


def measure(model: Any, rows: Rows, pad_id: int, device: torch.device, control: Control) -> Losses | None:
    """Test a model on rows; None where the user ended the run meanwhile.

    Args:
        model: With or without an adapter; left in the mode (training or not) it was in.
        rows: Encoded held-back rows.
        pad_id: Fills shorter rows.
        device: The model's.
        control: Polled between batches.
    """
    was_training = model.training
    model.eval()
    sums = np.zeros(len(rows))
    counts = np.zeros(len(rows), dtype=np.int64)
    try:
        for indices in _batches(rows.lengths):
            if control.poll() in ("stop", "discard"):
                return None
            found = row_losses(model, collate(rows, indices.tolist(), pad_id, device))
            sums[indices], counts[indices] = found[0].numpy(), found[1].numpy()
    finally:
        model.train(was_training)
    return Losses(sums, counts)


def _batches(lengths: np.ndarray) -> list[np.ndarray]:
    """Rows of similar length together, at most BATCH_TOKENS places each (one row at least)."""
    batches: list[list[int]] = []
    for index in np.argsort(lengths, kind="stable"):
        if not batches or (len(batches[-1]) + 1) * int(lengths[index]) > BATCH_TOKENS:
            batches.append([])
        batches[-1].append(int(index))
    return [np.asarray(batch) for batch in batches]
