"""A base model with what was learned built in, tensor by tensor: the base is mapped from its files, never loaded.

PEFT's own layers do the sums, one layer at a time and in fp32, so every way of tuning merges as it answers. The base is
the one on the disk, not the compressed copy that a QLoRA run may have trained on.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from studio.contract.architectures import expected_shapes, is_tied
from studio.data.own_files import own_files
from studio.engine import adapted, model_config, model_folder
from studio.engine.weights_file import read_json, read_weights

LARGEST_CONFIG = 1_000_000
STORED = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
WANTED = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


class Merging:
    """What an adapter makes of a base model.

    Attributes:
        config: The base's config.json, fitted: another number format, or an output layer of its own.
        shapes: Every tensor's name and shape, in the order in which `tensors` gives them.
        formats: The number format of each.
        tied: Whether the output layer is still the table of words.
    """

    def __init__(self, base: Path, adapter: Path, numbers: str = "base") -> None:
        """Map the base and put the adapter on it; reads no weight but the adapter's.

        Args:
            base: Model folder.
            adapter: In PEFT's layout.
            numbers: "base", or a key of WANTED.

        Raises:
            StudioError: The base is not usable, or the adapter is of another one.
        """
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        model_folder.require_usable(base)
        self.config = dict(read_json(base / "config.json", LARGEST_CONFIG))
        model = mapped(base)
        made = adapted.put_on(model, adapter)
        self._model = made.get_base_model() if hasattr(made, "get_base_model") else made
        self._modules = dict(self._model.named_modules())
        head, table = self._model.get_output_embeddings(), self._model.get_input_embeddings()
        self.tied = is_tied(self.config) and not _is_tuned(head) and not _is_tuned(table)
        self.shapes = expected_shapes(self.config)
        if not self.tied:
            self.shapes["lm_head.weight"] = self.shapes["model.embed_tokens.weight"]
        self.config["tie_word_embeddings"] = self.tied
        stored = {_full_name(name): tensor.dtype for name, tensor in read_weights(base).tensors.items()}
        table_format = stored["model.embed_tokens.weight"]
        self.formats = {name: WANTED.get(numbers) or STORED[stored.get(name, table_format)] for name in self.shapes}
        if numbers in WANTED:
            self.config.pop("torch_dtype", None)
            self.config["dtype"] = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}[numbers]

    def layers(self) -> dict[str, Any]:
        """The layers beside which something was learned, by the name of the base's layer."""
        return {name: module for name, module in self._modules.items() if _is_tuned(module)}

    @property
    def total_bytes(self) -> int:
        """Of all tensors."""
        return sum(torch.Size(shape).numel() * self.formats[name].itemsize for name, shape in self.shapes.items())

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor, merged, in its number format; at most one layer's weights are in memory at a time."""
        done: dict[str, torch.Tensor] = {}
        for name in self.shapes:
            holder = name.rpartition(".")[0]
            if name not in done:
                done = {f"{holder}.{part}": value for part, value in _merged(self._modules[holder]).items()}
            yield name, done.pop(name).to(self.formats[name]).contiguous()


def mapped(base: Path) -> Any:
    """The model with weights that lie in its files: the system reads what is used and drops it again."""
    from safetensors import safe_open
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = model_config.read(base)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    tensors: dict[str, torch.Tensor] = {}
    for path in own_files(base, ["*.safetensors"]):
        with safe_open(path, "pt") as file:
            tensors |= {_full_name(name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    model.load_state_dict(tensors, strict=False, assign=True)
    model.tie_weights()
    return model.eval().requires_grad_(False)


def _full_name(name: str) -> str:
    """Files of a bare model leave the first part out."""
    return name if name.startswith(("model.", "lm_head.")) else f"model.{name}"


def _is_tuned(module: nn.Module) -> bool:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return isinstance(module, BaseTunerLayer)


@torch.no_grad()
def _merged(module: nn.Module) -> dict[str, torch.Tensor]:
    """Weight and bias of a layer with what was learned beside it; the layer itself stays as it was."""
    if not _is_tuned(module):
        return {name: value.detach() for name, value in module.named_parameters(recurse=False)}
    layer: Any = module
    inner = layer.get_base_layer()
    before = dict(inner.named_parameters(recurse=False))
    for name, value in before.items():
        setattr(inner, name, nn.Parameter(value.float(), requires_grad=False))
        if getattr(inner, name).data_ptr() == value.data_ptr():  # it was fp32 already: PEFT adds in place
            setattr(inner, name, nn.Parameter(value.clone(), requires_grad=False))
    layer.merge(safe_merge=False)
    after = {name: value.detach() for name, value in layer.get_base_layer().named_parameters(recurse=False)}
    for name, value in before.items():
        setattr(inner, name, value)
    return after
