"""The optimiser that turns gradients into corrections of the adapter."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from studio.contract.errors import StudioError
from studio.contract.methods import LoraSettings
from studio.contract.settings import TrainSettings

BETAS = (0.9, 0.999)
LION_BETAS = (0.9, 0.99)
_SCALE = "rate_scale"


def make_optimiser(
    adapter: Mapping[str, torch.nn.Parameter], settings: TrainSettings, device: torch.device
) -> torch.optim.Optimizer:
    """The kind that the settings name.

    AdamW (fused); bitsandbytes' 8-bit kinds (arXiv 2110.02861); Adafactor (arXiv 1804.04235) of
    transformers; Lion (arXiv 2302.06675) of bitsandbytes; schedule-free AdamW (arXiv 2405.15682) of its authors.

    Args:
        adapter: The trainable parameters by name, in a fixed order.
        settings: Kind, learning rate and weight decay.
        device: Where the parameters lie.

    Raises:
        StudioError: The paged kind was asked for without an NVIDIA GPU.
    """
    rate, decay = settings.learning_rate, settings.weight_decay
    parameters = _groups(adapter, settings)
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, betas=BETAS, weight_decay=decay, fused=True)
    if settings.optimiser == "adafactor":
        # torch's scales each step by the size of the weights, which in a new adapter are nought: it would not learn.
        from transformers.optimization import Adafactor

        return Adafactor(parameters, lr=rate, weight_decay=decay, scale_parameter=False, relative_step=False)
    if settings.optimiser == "schedule_free":
        from schedulefree import AdamWScheduleFree

        made = AdamWScheduleFree(parameters, lr=rate, betas=BETAS, weight_decay=decay)
        made.train()
        return made
    if settings.optimiser == "paged_adamw_8bit" and device.type != "cuda":
        raise StudioError(
            "settings.paged_needs_cuda",
            "The paged correction method only works on an NVIDIA GPU.",
            "It moves memory between the GPU and the computer; without a GPU there is nothing to page.",
            "Choose AdamW or AdamW, 8-bit.",
            where="optimiser",
        )
    import bitsandbytes.optim  # some seconds to import, so only where it is asked for

    if settings.optimiser == "lion":
        return bitsandbytes.optim.Lion(parameters, lr=rate, betas=LION_BETAS, weight_decay=decay)
    kind = bitsandbytes.optim.PagedAdamW8bit if device.type == "cuda" else bitsandbytes.optim.AdamW8bit
    if settings.optimiser == "adamw_8bit":
        kind = bitsandbytes.optim.AdamW8bit
    return kind(parameters, lr=rate, betas=BETAS, weight_decay=decay)


def _groups(adapter: Mapping[str, torch.nn.Parameter], settings: TrainSettings) -> list[dict[str, Any]]:
    """All parameters as one group; with LoRA+ (arXiv 2402.12354) those of the second matrices (B) as another."""
    ratio = settings.method.rate_ratio if isinstance(settings.method, LoraSettings) else 1.0
    faster = [parameter for name, parameter in adapter.items() if ratio != 1 and ".lora_B." in name]
    others = [parameter for name, parameter in adapter.items() if ratio == 1 or ".lora_B." not in name]
    groups = [{"params": others, _SCALE: 1.0}, {"params": faster, _SCALE: ratio}]
    return [group for group in groups if group["params"]]


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Use this learning rate in the next step; groups that learn faster get their multiple of it."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group[_SCALE]


def settle(optimiser: torch.optim.Optimizer) -> None:
    """Put the weights where they are to be used: a schedule-free optimiser learns beside the mean that it has found."""
    if hasattr(optimiser, "eval"):
        optimiser.eval()


@contextmanager
@torch.no_grad()
def settled(optimiser: torch.optim.Optimizer, parameters: list[torch.nn.Parameter]) -> Iterator[None]:
    """While inside, the weights are those that would be used; afterwards, bit for bit, those that are learned with."""
    if not hasattr(optimiser, "eval"):
        yield
        return
    learning = [parameter.detach().clone() for parameter in parameters]
    optimiser.eval()
    try:
        yield
    finally:
        optimiser.train()  # type: ignore[attr-defined]
        for parameter, value in zip(parameters, learning, strict=True):
            parameter.detach().copy_(value)


def clip_gradients(parameters: list[torch.nn.Parameter], max_norm: float) -> float:
    """Norm of all gradients together, before they are scaled down to `max_norm` (0: left as they are).

    A norm that is not finite leaves the gradients as they are; the caller must not step with them.
    """
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if max_norm > 0 and bool(torch.isfinite(norm)):
        torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return float(norm)
