"""A base model and its adapters, of whatever kind: each has a tree of modules of its own over the same weights."""

import copy
from pathlib import Path
from typing import Any

import torch

from studio.engine import adapter_folder, adapter_size, peft_models, virtual_tokens
from studio.engine.methods import bottleneck, weights


def shell(model: Any) -> Any:
    """A model of its own modules that shares every weight with `model`: what is put on it leaves `model` as it is."""
    shared: dict[int, Any] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    # Scales of 4-bit and 8-bit weights hang on the weights themselves, and so are shared with them.
    beside = model.__dict__.get("studio_adapters")
    if beside is not None:
        shared[id(beside)] = {}
    return copy.deepcopy(model, shared)


def put_on(model: Any, folder: Path) -> Any:
    """Put a saved adapter on a model.

    Args:
        model: A base model, or a `shell` of it; changed in place.
        folder: In PEFT's layout, weights as safetensors.

    Returns:
        The model with the adapter, in evaluation mode.

    Raises:
        StudioError: The folder is no adapter, has only pickled weights, asks for what is not supported, or does not
            fit this base model.
    """
    kind, options = adapter_folder.read_options(folder)
    tensors = adapter_folder.read_weights(folder)
    adapter_size.require_plausible(model, kind, options, tensors, folder)
    if kind in (bottleneck.KIND, weights.KIND):
        made = _put_own(model, kind, options, tensors, folder)
    else:
        with peft_models.light_peft(bool(getattr(model, "is_quantized", False))), peft_models.quiet_peft():
            made = _put_pefts(model, kind, options, tensors, folder)
    made.eval()
    made.requires_grad_(False)
    return made


def _put_pefts(model: Any, kind: str, options: dict[str, Any], tensors: dict[str, Any], folder: Path) -> Any:
    from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftModelForCausalLM, set_peft_model_state_dict

    make: Any = PEFT_TYPE_TO_CONFIG_MAPPING[kind]  # type: ignore[index]
    try:
        made = PeftModelForCausalLM(model, make(task_type="CAUSAL_LM", inference_mode=True, **options))
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise adapter_folder.unfit(folder, f"Its layers are not in this model: {str(error)[:500]}") from error
    adapter_folder.require_fit(made, tensors, "default", folder)
    set_peft_model_state_dict(made, tensors)
    if virtual_tokens.is_virtual(made):
        return virtual_tokens.take_over(made)
    return peft_models.keep_format(made) if kind in ("IA3", "LN_TUNING") else made


def _put_own(model: Any, kind: str, options: dict[str, Any], tensors: dict[str, Any], folder: Path) -> Any:
    if kind == bottleneck.KIND:
        try:
            bottleneck.load(model, options)
        except (TypeError, ValueError, KeyError) as error:
            raise adapter_folder.unfit(folder, f"Its options are not understood: {error}") from error
        wanted = {name: p for name, p in model.named_parameters() if f".{bottleneck.CHILD}." in name}
    else:
        wanted = {name: p for name, p in model.named_parameters() if name in tensors}
    adapter_folder.require_same(wanted, tensors, folder)
    with torch.no_grad():
        for name, value in tensors.items():
            holder, _, last = name.rpartition(".")
            there = wanted[name]
            if not there.is_floating_point():
                raise adapter_folder.unfit(folder, f"Its {name} is stored compressed in this model.")
            fresh = torch.nn.Parameter(value.to(there.device, there.dtype), requires_grad=False)
            _replace(model, model.get_submodule(holder), last, fresh)
    return model


def _replace(model: Any, module: Any, name: str, value: torch.nn.Parameter) -> None:
    """Another parameter instead of the shared one; an output layer that is the table of words stays so."""
    table, head = model.get_input_embeddings(), model.get_output_embeddings()
    tied = module is table and head is not None and head.weight is table.weight
    setattr(module, name, value)
    if tied:
        head.weight = value
