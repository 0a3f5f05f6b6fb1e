"""An adapter's folder in PEFT's layout, from strangers: read by our own rules, safetensors only, checked to fit."""

import json
from pathlib import Path
from typing import Any

import torch

from studio.contract.errors import StudioError

USED_OPTIONS = frozenset(
    {"r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern"}
)
IGNORED_OPTIONS = frozenset(
    {
        "base_model_name_or_path",
        "inference_mode",
        "init_lora_weights",
        "peft_version",
        "revision",
        "task_type",
        "peft_type",
    }
)
"""Options that change nothing when a trained adapter is used."""
NOTHING_SET: tuple[object, ...] = (None, False, [], {}, "none", "")


def read_options(folder: Path) -> dict[str, Any]:
    """The options of an adapter that are used, each by an allowed name.

    Raises:
        StudioError: There is no readable adapter_config.json, or it asks for what is not supported.
    """
    path = folder / "adapter_config.json"
    try:
        if path.stat().st_size > 1_000_000:
            raise ValueError("it is longer than 1 MB")
        told = json.loads(path.read_bytes())
        if not isinstance(told, dict):
            raise ValueError("it is no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise StudioError(
            "adapter.no_config",
            f"{folder.name} is no adapter folder.",
            f"adapter_config.json cannot be read: {error}",
            "Choose a folder with adapter_config.json and adapter_model.safetensors.",
            where=str(folder),
        ) from error
    if told.get("peft_type") != "LORA":
        raise _unsupported(folder, f"It is of the kind {told.get('peft_type')!r}; only LORA is supported.")
    for key, value in told.items():
        if key not in USED_OPTIONS | IGNORED_OPTIONS and not any(
            value == x and type(value) is type(x) for x in NOTHING_SET
        ):
            if value == _default(key):
                continue
            raise _unsupported(folder, f"Its option {key} is set, which is not supported.")
    targets = told.get("target_modules")
    if targets != "all-linear" and not (isinstance(targets, list) and all(isinstance(t, str) for t in targets)):
        raise _unsupported(folder, "Its target_modules are no list of names.")
    return {key: told[key] for key in USED_OPTIONS if key in told}


def _default(key: str) -> object:
    from peft import LoraConfig

    return getattr(LoraConfig(), key, NOTHING_SET)


def read_weights(folder: Path) -> dict[str, Any]:
    """The adapter's tensors, by the names they have in the file.

    Raises:
        StudioError: They are missing, only there as a pickle, damaged, or not finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "adapter_model.safetensors"
    if not path.is_file():
        pickled = (folder / "adapter_model.bin").exists()
        raise StudioError(
            "adapter.pickle" if pickled else "adapter.no_weights",
            "The adapter's weights are only there as a pickle file, which can run code."
            if pickled
            else "The adapter's weights are missing.",
            f"adapter_model.safetensors is not in {folder.name}.",
            "Get the adapter in the safetensors format.",
            where=str(folder),
        )
    try:
        weights: dict[str, Any] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise StudioError(
            "adapter.damaged",
            "The adapter's weights are damaged.",
            str(error),
            "Get the adapter again.",
            where=path.name,
        ) from error
    broken = next((n for n, t in weights.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())), None)
    if broken:
        raise StudioError(
            "adapter.not_finite",
            f"The adapter's weights {broken} hold numbers that are not finite.",
            fix="Train it again with a lower learning speed.",
            where=path.name,
        )
    return weights


def require_fit(model: Any, weights: dict[str, Any], inner: str, folder: Path) -> None:
    """Every tensor has a place of its shape in the model, and every place a tensor.

    Args:
        model: A `PeftModel` that already has an empty adapter made from the folder's options.
        weights: From `read_weights`.
        inner: The empty adapter's name.
        folder: To name in the message.

    Raises:
        StudioError: It was trained on another base model, or nothing of it would be applied (peft#2566).
    """
    from peft import get_peft_model_state_dict

    wanted = get_peft_model_state_dict(model, adapter_name=inner, save_embedding_layers=False)
    shared = wanted.keys() & weights.keys()
    if not shared:
        raise unfit(folder, "None of its weights has a place in this model.")
    for key in sorted(shared):
        if wanted[key].shape != weights[key].shape:
            there, here = tuple(weights[key].shape), tuple(wanted[key].shape)
            raise unfit(folder, f"Its {key} has the shape {there}, this model needs {here}.")
    for missing, where in (
        (wanted.keys() - weights.keys(), "it lacks"),
        (weights.keys() - wanted.keys(), "this model lacks"),
    ):
        if missing:
            raise unfit(folder, f"Of its layers {where} {sorted(missing)[0]} ({len(missing)} in all).")


def unfit(folder: Path, why: str) -> StudioError:
    """The adapter belongs to another base model."""
    return StudioError(
        "adapter.other_base",
        f"The adapter {folder.name} does not fit this base model.",
        why,
        "Choose the base model that it was trained on.",
        where=str(folder),
    )


def _unsupported(folder: Path, why: str) -> StudioError:
    return StudioError(
        "adapter.unsupported",
        f"The adapter {folder.name} cannot be used.",
        why,
        "Choose another one.",
        where=str(folder),
    )
