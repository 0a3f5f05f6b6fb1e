"""Layers that keep only their input and compute the rest again in the backward pass (arXiv 1604.06174).

The first layers are those: their backward pass comes last, when the later ones have given back what they kept.
"""

import functools
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint


def apply(model: Any, count: int, offload: bool, device: torch.device) -> None:
    """Compute the first layers of a model twice, and the others once.

    Args:
        model: A causal language model of transformers, with or without PEFT's wrapper.
        count: How many layers; 0: none.
        offload: Keep their inputs in main memory.
        device: Where the model lies.
    """
    if offload and device.type == "cpu":
        raise AssertionError("inputs lie in main memory already; check_together refuses it")
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    again = (
        functools.partial(_offloaded, pinned=True) if offload else functools.partial(checkpoint, use_reentrant=False)
    )
    if count:
        causal.activation_checkpointing_enable({"use_reentrant": False})
    for place, layer in enumerate(_layers(causal)):
        layer.gradient_checkpointing = place < count
        if place < count:
            layer._gradient_checkpointing_func = again


def count(model: Any) -> int:
    """How many layers are computed twice."""
    return sum(bool(layer.gradient_checkpointing) for layer in _layers(model))


def _layers(model: Any) -> list[Any]:
    """Those that transformers can compute twice, from the first to the last."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


def _offloaded(function: Any, *states: Any, pinned: bool) -> Any:
    """As `checkpoint`, but what it keeps, the states that go into the layer, lies in main memory.

    Args:
        function: The layer.
        states: What it is given; tensors may lie on a GPU.
        pinned: Where the system cannot move it, so that it is copied beside the computing.
    """
    with torch.autograd.graph.save_on_cpu(pin_memory=pinned):
        return checkpoint(function, *states, use_reentrant=False)
