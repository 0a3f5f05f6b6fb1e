"""Noise while reading: NEFTune (arXiv 2310.05914)."""

from typing import Any

import torch


class EmbeddingNoise:
    """Adds uniform noise to the embeddings in training, scaled by alpha / sqrt(tokens of the row * width).

    Attributes:
        row_lengths: For the batch being read: tokens of the row that each place belongs to, (lines, tokens).
            None: no noise.
    """

    def __init__(self, model: Any, alpha: float) -> None:
        self.alpha = alpha
        self.row_lengths: torch.Tensor | None = None
        self._hook = model.get_input_embeddings().register_forward_hook(self._add) if alpha else None

    def _add(self, module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        if self.row_lengths is None or not module.training:
            return output
        scale = self.alpha / torch.sqrt(self.row_lengths.to(output.dtype) * output.shape[-1])  # (lines, tokens)
        return output + torch.empty_like(output).uniform_(-1, 1) * scale[..., None]

    def remove(self) -> None:
        """Take the noise off the model."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = None
