"""What all ways of tuning that PEFT knows have in common: frozen base, layers by name, fp32 add-on, saving."""

import contextlib
import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from studio.contract import target_layers
from studio.contract.errors import StudioError


def wrap(model: Any, make_config: Callable[[], Any], seed: int) -> Any:
    """Freeze a base model and put an add-on of PEFT to it.

    The add-on's weights are fp32, whatever the base's precision.

    Args:
        model: A causal language model of transformers, possibly loaded compressed.
        make_config: Makes the `peft.PeftConfig`; called where PEFT may be imported.
        seed: Decides the add-on's first weights.

    Returns:
        The `peft.PeftModel`.
    """
    with light_peft(quantised=bool(getattr(model, "is_quantized", False))), quiet_peft():
        from peft import get_peft_model

        freeze(model)
        torch.manual_seed(seed)
        adapted = get_peft_model(model, make_config())
    for parameter in adapted.parameters():
        if parameter.requires_grad and parameter.dtype != torch.float32:
            parameter.data = parameter.data.float()
    return adapted


def keep_format(adapted: Any) -> Any:
    """Let adapted layers give the number format of a bf16 base, which fp32 factors would turn into fp32; returns it."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    base = adapted.get_base_model().get_input_embeddings().weight.dtype
    if base != torch.float32:
        for module in adapted.modules():
            if isinstance(module, BaseTunerLayer):
                module.register_forward_hook(lambda _layer, _inputs, output: output.to(base))  # type: ignore[attr-defined]
    return adapted


def freeze(model: nn.Module) -> None:
    """Nothing of the model learns from here on."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)


@contextlib.contextmanager
def quiet_peft() -> Iterator[None]:
    """While inside, PEFT does not warn of what no user could change."""
    with warnings.catch_warnings():
        # PEFT 0.21 reads a property that transformers 5.23 has renamed.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        # Norms are what LayerNorm tuning is for; it warns of each of them.
        warnings.filterwarnings("ignore", message="Unsupported layer type", category=UserWarning)
        # An output layer that is tuned is written beside the table of words when it is merged (engine/merging.py).
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`", category=UserWarning)
        # It saves memory on a second copy of the adapter, which is small.
        warnings.filterwarnings("ignore", message="lora with eva initialization", category=UserWarning)
        yield


@contextlib.contextmanager
def light_peft(quantised: bool) -> Iterator[None]:
    """Where no weight is 4-bit, keep PEFT from importing bitsandbytes: the first step comes two seconds earlier.

    PEFT imports it wherever it is installed, and that has torch load its compiler. What PEFT looked up meanwhile is
    forgotten afterwards, so that a 4-bit model in the same process works.
    """
    if quantised or "bitsandbytes" in sys.modules:
        yield
        return
    sys.modules["bitsandbytes"] = None  # type: ignore[assignment] # Python's own way to say: not there
    try:
        yield
    finally:
        del sys.modules["bitsandbytes"]
        imports = importlib.import_module("peft.import_utils")
        imports.is_bnb_available.cache_clear()
        imports.is_bnb_4bit_available.cache_clear()


def target_modules(model: nn.Module, wanted: str) -> str | list[str]:
    """What PEFT is to adapt: "all-linear", or the last parts of layers' names.

    Raises:
        StudioError: A name fits no linear layer; the message lists those there are.
    """
    if wanted == target_layers.ALL:
        return wanted
    from peft.tuners.tuners_utils import BaseTunerLayer

    linear = {
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not isinstance(module, BaseTunerLayer)
    }
    problem = target_layers.missing(wanted, linear)
    if problem is not None:
        raise StudioError.of(problem)
    return target_layers.found(wanted, linear)


def adapted_linears(model: Any, wanted: str) -> dict[str, nn.Module]:
    """The linear layers that `wanted` means, by full name; the output layer is never one of them."""
    targets = target_modules(model, wanted)
    head = model.get_output_embeddings()
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear) and m is not head}
    if isinstance(targets, str):
        return layers
    return {name: m for name, m in layers.items() if target_layers.is_meant(name, targets)}


def save(model: Any, folder: Path, base: str) -> None:
    """Write the add-on alone in PEFT's layout (safetensors), bound to `base`, the base model's folder."""
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty form; the export writes a true card
