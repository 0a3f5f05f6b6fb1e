"""What a way of tuning may do in each step beside the optimiser."""

import torch


class Companion:
    """Does nothing; a way of tuning that needs more inherits from it."""

    def add_gradients(self) -> None:
        """After the gradients of the loss: add those of the method's own term."""

    def after_step(self, step: int, total_steps: int) -> None:
        """After a correction, while its gradients are still there.

        Args:
            step: Corrections made so far.
            total_steps: Corrections planned; a time box may have changed it.
        """

    def tensors(self) -> dict[str, torch.Tensor]:
        """Its state, for a checkpoint."""
        return {}

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go back to the state of a checkpoint."""
