"""An adapter's folder in PEFT's layout, from strangers: read by our own rules, safetensors only, checked to fit."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from studio.contract.errors import StudioError
from studio.engine.weights_file import Damaged, inside, read_header, read_json

LARGEST_CONFIG = 1_000_000
ANYWHERE = frozenset({"target_modules"})
VIRTUAL = frozenset(
    {"num_virtual_tokens", "token_dim", "num_attention_heads", "num_layers", "num_transformer_submodules"}
)
USED_OPTIONS: dict[str, frozenset[str]] = {
    "LORA": ANYWHERE | {"r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern"},
    "VERA": ANYWHERE | {"r", "vera_dropout", "d_initial", "projection_prng_key", "save_projection"},
    "LOHA": ANYWHERE | {"r", "alpha", "rank_dropout", "module_dropout"},
    "LOKR": ANYWHERE | {"r", "alpha", "rank_dropout", "module_dropout", "decompose_both", "decompose_factor"},
    "OFT": ANYWHERE | {"r", "oft_block_size", "module_dropout", "use_cayley_neumann", "num_cayley_neumann_terms"},
    "IA3": ANYWHERE | {"feedforward_modules"},
    "LN_TUNING": ANYWHERE,
    "ADAPTION_PROMPT": ANYWHERE | {"adapter_len", "adapter_layers"},
    "PREFIX_TUNING": VIRTUAL,
    "PROMPT_TUNING": VIRTUAL,
    "P_TUNING": VIRTUAL,
    "STUDIO_BOTTLENECK": frozenset({"width", "places", "activation"}),
    "STUDIO_WEIGHTS": frozenset(),
}
"""Kind of an adapter (`peft_type`) -> options that are used; the last two kinds are our own."""
IGNORED_OPTIONS = frozenset(
    {
        "base_model_name_or_path",
        "encoder_dropout",
        "encoder_hidden_size",
        "encoder_num_layers",
        "encoder_reparameterization_type",
        "inference_mode",
        "init_lora_weights",
        "init_weights",
        "peft_type",
        "peft_version",
        "prefix_projection",
        "prompt_tuning_init",
        "revision",
        "task_type",
    }
)
"""Options that change nothing when a trained adapter is used."""
NOTHING_SET: tuple[object, ...] = (None, False, [], {}, "none", "")


def read_options(folder: Path) -> tuple[str, dict[str, Any]]:
    """The kind of an adapter, and its options that are used, each by an allowed name.

    Raises:
        StudioError: There is no readable adapter_config.json, or it asks for what is not supported.
    """
    try:
        told: dict[str, Any] = read_json(inside(folder, "adapter_config.json"), LARGEST_CONFIG)
    except Damaged as damage:
        raise StudioError(
            "adapter.no_config",
            f"{folder.name} is no adapter folder.",
            f"{damage.problem.what} {damage.problem.why}",
            "Choose a folder with adapter_config.json and adapter_model.safetensors.",
            where=str(folder),
        ) from damage
    kind = told.get("peft_type")
    if kind not in USED_OPTIONS:
        raise unsupported(folder, f"It is of the kind {kind!r}; known are {', '.join(USED_OPTIONS)}.")
    for key, value in told.items():
        if key not in USED_OPTIONS[kind] | IGNORED_OPTIONS and not any(
            value == x and type(value) is type(x) for x in NOTHING_SET
        ):
            if value == _default(kind, key):
                continue
            raise unsupported(folder, f"Its option {key} is set, which is not supported.")
    _require_names(folder, kind, told)
    return kind, {key: told[key] for key in USED_OPTIONS[kind] if key in told}


def _require_names(folder: Path, kind: str, told: dict[str, Any]) -> None:
    """Layers are named one by one: a pattern from a stranger may take for ever to match."""
    for key in USED_OPTIONS[kind] & {"target_modules", "feedforward_modules"}:
        names = told.get(key)
        plain = names == "all-linear" or (kind == "ADAPTION_PROMPT" and names == "self_attn")
        if not plain and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise unsupported(folder, f"Its {key} are no list of names.")
    for key in ("rank_pattern", "alpha_pattern"):
        names = told.get(key) or {}
        if not isinstance(names, dict) or not all(re.fullmatch(r"[\w.]{1,300}", name) for name in names):
            raise unsupported(folder, f"Its {key} has more than names of layers.")


def _default(kind: str, key: str) -> object:
    import peft

    made = peft.PEFT_TYPE_TO_CONFIG_MAPPING.get(kind)  # type: ignore[call-overload]
    return getattr(made(), key, NOTHING_SET) if made else NOTHING_SET


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
        read_header(inside(folder, path.name))  # the library itself takes names that occur twice
        weights: dict[str, Any] = load_file(path)
    except (Damaged, SafetensorError, OSError, ValueError) as error:
        told = f"{error.problem.what} {error.problem.why}" if isinstance(error, Damaged) else str(error)
        raise StudioError(
            "adapter.damaged",
            "The adapter's weights are damaged.",
            told,
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

    require_same(get_peft_model_state_dict(model, adapter_name=inner, save_embedding_layers=False), weights, folder)


def require_same(wanted: Mapping[str, Any], weights: Mapping[str, Any], folder: Path) -> None:
    """Both hold the same names with the same shapes.

    Raises:
        StudioError: They do not; the message says where.
    """
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


def unsupported(folder: Path, why: str) -> StudioError:
    """The adapter asks for what this version does not do."""
    return StudioError(
        "adapter.unsupported",
        f"The adapter {folder.name} cannot be used.",
        why,
        "Choose another one.",
        where=str(folder),
    )
