"""Whether an adapter's options ask for no more memory than its own weights and this model explain.

Asked before anything is built from them: a line of JSON must not cost gigabytes. What is built afterwards is compared
name by name (`adapter_folder.require_fit`).
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from studio.engine.adapter_folder import unfit, unsupported

LIMITS = {
    **dict.fromkeys(("r", "oft_block_size", "width", "adapter_len", "num_virtual_tokens"), (0, 2**20)),
    "token_dim": (0, 2**20),
    **dict.fromkeys(("num_layers", "num_attention_heads", "adapter_layers"), (0, 2**16)),
    "num_transformer_submodules": (1, 2),
    "num_cayley_neumann_terms": (0, 100),
    "decompose_factor": (-1, 2**20),
    "projection_prng_key": (0, 2**63 - 1),
}
"""Option -> least and most, of whole numbers; None is "not said"."""
NUMBERS = ("lora_alpha", "alpha", "lora_dropout", "vera_dropout", "rank_dropout", "module_dropout", "d_initial")
LARGEST_VERA = 16_384
"""Its two large matrices are not in the file: nothing but this bounds them."""
SPARE = 2.0
"""So many times what the weights hold may be built; small differences are told by their names later."""

_Shapes = Mapping[str, tuple[int, ...]]


def require_plausible(model: Any, kind: str, options: Mapping[str, Any], tensors: Mapping[str, Any], at: Path) -> None:
    """Refuse options whose sizes neither the adapter's weights nor the model explain.

    Args:
        model: The base, for the sizes of its layers.
        kind: Of the adapter.
        options: Those that are used.
        tensors: Its weights, by name.
        at: The adapter's folder, for the message.

    Raises:
        StudioError: A size is no number, or larger than what its weights hold.
    """
    _require_kinds(options, at)
    shapes: _Shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    match kind:
        case "LORA":
            _require_ranks(model, options, shapes, at)
        case "LOHA":
            layers = _layers(model, options)
            _require_bounded(sum(2 * options.get("r", 0) * (i + o) for _, i, o in layers), shapes, at, "r")
        case "VERA":
            known = {shape[0] for name, shape in shapes.items() if name.endswith("vera_lambda_d") and shape}
            _require_known(options, "r", known, at)
            if options.get("r", 0) > LARGEST_VERA:
                raise unsupported(at, f"Its r is {options['r']:,}; at most {LARGEST_VERA:,} is supported.")
        case "ADAPTION_PROMPT":
            prompts = [shape for name, shape in shapes.items() if name.endswith("adaption_prompt") and len(shape) == 3]
            _require_known(options, "adapter_len", {shape[1] for shape in prompts}, at)
            _require_known(options, "adapter_layers", {len(prompts)}, at)
        case "PREFIX_TUNING" | "PROMPT_TUNING" | "P_TUNING":
            _require_prompt(model, kind, options, shapes, at)
        case "STUDIO_BOTTLENECK":
            _require_known(options, "width", {size for shape in shapes.values() for size in shape}, at)
            hidden, layers_count = model.config.hidden_size, model.config.num_hidden_layers
            _require_bounded(2 * options.get("width", 0) * hidden * layers_count, shapes, at, "width")


def _require_kinds(options: Mapping[str, Any], at: Path) -> None:
    for name, (least, most) in LIMITS.items():
        value = options.get(name)
        if value is not None and (type(value) is not int or not least <= value <= most):
            raise unsupported(at, f"Its {name} is {str(value)[:40]}; it must be a whole number up to {most:,}.")
    for name in NUMBERS:
        value = options.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e6):
            raise unsupported(at, f"Its {name} is {str(value)[:40]}; it must be a number.")
    for name in ("rank_pattern", "alpha_pattern"):
        for layer, value in dict(options.get(name) or {}).items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)  # numpy's, too: EVA's in memory
            if not is_number or not 0 <= value <= 2**20 or len(str(layer)) > 300:
                raise unsupported(at, f"Its {name} holds {str(value)[:40]}, which is no size.")


def _layers(model: Any, options: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """The layers that an adapter is put on: the name of what it reads with, inputs, outputs."""
    wanted = options.get("target_modules")
    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        table = hasattr(module, "num_embeddings")
        names = ("num_embeddings", "embedding_dim") if table else ("in_features", "out_features")
        inputs, outputs = (getattr(module, one, None) for one in names)
        if not isinstance(inputs, int) or not isinstance(outputs, int):
            continue
        every = wanted == "all-linear" and not table and module is not head
        if every or (wanted != "all-linear" and any(name == o or name.endswith(f".{o}") for o in wanted or ())):
            yield f"{name}.lora_embedding_A" if table else f"{name}.lora_A.weight", inputs, outputs


def _require_ranks(model: Any, options: Mapping[str, Any], shapes: _Shapes, at: Path) -> None:
    """The rank of each layer is the one that its weights have."""
    pattern = dict(options.get("rank_pattern") or {})
    layers = list(_layers(model, options))
    if layers and not any(f"base_model.model.{name}" in shapes for name, _, _ in layers):
        raise unfit(at, "None of its weights has a place in this model.")
    for name, inputs, _ in layers:
        layer, key = name.rpartition(".lora_")[0], f"base_model.model.{name}"
        own = next((rank for one, rank in pattern.items() if layer == one or layer.endswith(f".{one}")), None)
        rank = options.get("r", 8) if own is None else own
        there = shapes.get(key)
        if there is None:
            raise unfit(at, f"Of its layers it lacks {key}.")
        if there != (rank, inputs):
            raise unfit(at, f"Its {key} has the shape {there}, its options and this model need {(rank, inputs)}.")


def _require_prompt(model: Any, kind: str, options: Mapping[str, Any], shapes: _Shapes, at: Path) -> None:
    table = [shape for name, shape in shapes.items() if name.endswith("prompt_embeddings") and len(shape) == 2]
    known = {shape[0] // (options.get("num_transformer_submodules") or 1) for shape in table}
    _require_known(options, "num_virtual_tokens", known | {shape[0] for shape in table}, at)
    widths = {shape[1] for shape in table}
    layers, width = options.get("num_layers"), options.get("token_dim")
    if layers is not None and layers > 4 * model.config.num_hidden_layers:
        raise unfit(at, f"Its num_layers is {layers:,}; this model has {model.config.num_hidden_layers:,}.")
    if width is not None and kind != "PREFIX_TUNING":
        _require_known(options, "token_dim", widths, at)
    elif width is not None and layers is not None and 2 * layers * width not in widths:
        raise unfit(at, f"Its token_dim is {width:,}; its weights have another.")


def _require_known(options: Mapping[str, Any], name: str, known: set[int], at: Path) -> None:
    value = options.get(name)
    if value is not None and value not in known:
        told = ", ".join(f"{one:,}" for one in sorted(known)[:3]) or "none of its kind"
        raise unfit(at, f"Its {name} is {value:,}; its weights have {told}.")


def _require_bounded(numbers: int, shapes: _Shapes, at: Path, name: str) -> None:
    held = sum(math.prod(shape) for shape in shapes.values())
    if numbers > SPARE * held:
        raise unfit(at, f"Its {name} asks for {numbers:,} numbers; its weights hold {held:,}.")
