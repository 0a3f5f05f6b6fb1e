"""Layers that keep only their input and compute the rest again in the backward pass (arXiv 1604.06174).

The first layers of those that learn, or stand above one that does, are those: their backward pass comes last, when the
later ones have given back what they kept. Layers below keep nothing anyway.
"""

import functools
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint


def apply(model: Any, count: int, offload: bool, device: torch.device) -> None:
    """Compute the first layers that keep something twice, and the others once.

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
    first = resting(causal)
    # Not by the model's own switch: it has the embeddings' output ask for gradients, and then all layers below keep
    # what they need for them, too. Only checkpoints of the reentrant kind need that.
    for place, layer in enumerate(_layers(causal)):
        layer.gradient_checkpointing = first <= place < first + count
        if layer.gradient_checkpointing:
            layer._gradient_checkpointing_func = again


def at_least(model: Any, wanted: int, device: torch.device) -> None:
    """As `apply`, where fewer layers are computed twice than are wanted; inputs stay where the model lies."""
    if count(model) < wanted:
        apply(model, wanted, False, device)


def resting(causal: Any) -> int:
    """How many layers, from the first, neither learn nor stand above anything that does.

    Args:
        causal: Without PEFT's wrapper; where no layer of it learns, what learns stands before all of them.
    """
    if any(p.requires_grad for p in causal.get_input_embeddings().parameters()):
        return 0
    learns = [any(p.requires_grad for p in layer.parameters()) for layer in _layers(causal)]
    return learns.index(True) if True in learns else 0


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
