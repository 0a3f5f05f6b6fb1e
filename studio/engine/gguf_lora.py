"""A GGUF file of low-rank matrices, read again and put on the base model: so it is seen what llama.cpp will be given.

Names and the order of rows are undone by the tables of transformers' reader, which are not ours. That reader knows no
files of adapters, and llama.cpp cannot be assumed: the sum itself (the layer's own answer and B·A times alpha / rank,
as llama.cpp reckons it) is ours.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import linear

from studio.contract.errors import StudioError
from studio.engine.gguf_model import Array, require_supported

PARTS = (".lora_a", ".lora_b")


def put_on(model: Any, path: Path) -> Any:
    """Have a model's layers answer with what a file adds to them.

    Args:
        model: The base, from `base_model.load` in fp32; changed in place.
        path: The file.

    Returns:
        The model.

    Raises:
        StudioError: The file is no such adapter, or has what this model has no layer for.
    """
    import gguf

    file = gguf.GGUFReader(path)
    arch = require_supported(model.config)
    told = {name: field.contents() for name, field in file.fields.items()}
    kind = tuple(told.get(key) for key in ("general.type", "adapter.type", "general.architecture"))
    if kind != ("adapter", "lora", arch):
        raise _unfit(path, f"It says that it is {kind}, and not a LoRA of {arch}.")
    found: dict[str, Array] = {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in file.tensors
    }
    names, rows_of = _tables(model, arch)
    for name in sorted({name.removesuffix(PARTS[0]).removesuffix(PARTS[1]) for name in found}):
        a, b = (found.get(f"{name}{part}") for part in PARTS)
        if a is None or b is None or name not in names:
            raise _unfit(path, f"It has {name} without its other half, or the model has no such layer.")
        layer = model.get_submodule(names[name].removesuffix(".weight"))
        if (b.shape[0], a.shape[1]) != tuple(layer.weight.shape) or a.shape[0] != b.shape[1]:
            raise _unfit(path, f"Its {name} has other sizes than the model's layer.")
        _add(layer, a, rows_of(f"{name}{PARTS[1]}", b), float(told["adapter.lora.alpha"]) / a.shape[0])
    return model


def _tables(model: Any, arch: str) -> tuple[dict[str, str], Any]:
    """Name in the file -> in the model; and what puts a tensor's rows back into the model's order."""
    from transformers import modeling_gguf_pytorch_utils as reader

    processor = reader.TENSOR_PROCESSORS.get(arch, reader.TensorProcessor)(config=model.config.to_dict())
    names: dict[str, str] = reader.get_gguf_hf_weights_map(model, processor, model_type=arch)
    return names, lambda name, value: processor.process(value, name).weights


def _add(layer: Any, a: Array, b: Array, scale: float) -> None:
    first, second = (torch.from_numpy(np.array(value, np.float32)) for value in (a, b))

    def more(_layer: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        return output + scale * linear(linear(inputs[0], first), second)

    layer.register_forward_hook(more)


def _unfit(path: Path, why: str) -> StudioError:
    return StudioError(
        "export.misfit",
        f"The file {path.name} does not fit the model that it was made for.",
        why,
        "Export what was learned in another form, and report this.",
        where=path.name,
    )
