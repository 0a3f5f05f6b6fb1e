"""LoRA adapters (arXiv 2106.09685) with PEFT; on a 4-bit base this is QLoRA (arXiv 2305.14314)."""

import contextlib
import importlib
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from studio.contract.errors import StudioError
from studio.contract.methods import LoraSettings

GROUPS: dict[str, tuple[str, ...]] = {
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj"),
    "feed-forward": ("gate_proj", "up_proj", "down_proj", "gate_up_proj"),
}
"""Names of linear layers in the supported architectures; phi3 joins q, k, v and gate, up into one each."""


def attach(model: Any, settings: LoraSettings, seed: int) -> Any:
    """Freeze a base model and put LoRA adapters beside its linear layers.

    The adapter's weights are fp32, whatever the base's precision. At first the adapter changes nothing.

    Args:
        model: A causal language model of transformers, possibly loaded in 4-bit.
        settings: Rank, alpha, dropout, target modules, rsLoRA, DoRA.
        seed: Decides the adapter's first weights.

    Returns:
        The `peft.PeftModel`.

    Raises:
        StudioError: No layer of the model bears a wanted name.
    """
    with light_peft(quantised=bool(getattr(model, "is_quantized", False))), warnings.catch_warnings():
        # PEFT 0.21 reads a property that transformers 5.23 has renamed; nothing that a user could change.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        from peft import LoraConfig, get_peft_model

        targets = target_modules(model, settings.target_modules)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]
            lora_dropout=settings.dropout,
            target_modules=targets,
            use_rslora=settings.rslora,
            use_dora=settings.dora,
        )
        torch.manual_seed(seed)
        adapted = get_peft_model(model, config)
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad and parameter.dtype != torch.float32:
            raise AssertionError(f"the adapter's {name} is {parameter.dtype}")
    return adapted


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
    if wanted == "all-linear":
        return wanted
    from peft.tuners.tuners_utils import BaseTunerLayer

    linear = {
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not isinstance(module, BaseTunerLayer)
    }
    found: list[str] = []
    for word in re.split(r" *, *", wanted):
        names = [n for n in GROUPS.get(word, (word,)) if any(x == n or x.endswith(f".{n}") for x in linear)]
        if not names:
            kinds = sorted({name.rsplit(".", 1)[-1] for name in linear})
            raise StudioError(
                "train.no_such_module",
                f"The model has no layer named {word!r}.",
                f"Its layers are named {', '.join(kinds)}.",
                "Choose all-linear, attention, feed-forward, or names from that list.",
                where="method.target_modules",
            )
        found += [name for name in names if name not in found]
    return found


def save(model: Any, folder: Path, base: str) -> None:
    """Write the adapter alone in PEFT's layout (safetensors), bound to `base`, the base model's folder."""
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty form; the export writes a true card
