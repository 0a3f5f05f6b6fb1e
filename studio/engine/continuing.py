"""Going on from an adapter that an earlier run has trained, with the same base model and the same way of tuning."""

import json
from pathlib import Path
from typing import Any

import torch

from studio.contract.compatibility import cannot_continue
from studio.contract.errors import StudioError
from studio.contract.methods import METHODS, AnyMethod, tag_of
from studio.engine import adapter_folder, fingerprint, peft_models
from studio.engine.methods import bottleneck, weights

KINDS = {
    "lora": "LORA", "vera": "VERA", "loha": "LOHA", "lokr": "LOKR", "oft": "OFT", "ia3": "IA3", "norms": "LN_TUNING",
    "prefix": "PREFIX_TUNING", "prompt": "PROMPT_TUNING", "llama_adapter": "ADAPTION_PROMPT",
    "bottleneck": bottleneck.KIND, "layers": weights.KIND, "full": weights.KIND,
}  # fmt: skip
"""Way of tuning -> kind of its adapters."""
NO_MATTER = frozenset({"lora_dropout", "vera_dropout", "rank_dropout", "module_dropout", "projection_prng_key"})
"""Options that may differ: they say how it learned, not what it is."""


def require(folder: Path, settings: AnyMethod, model: str) -> None:
    """Refuse an adapter that cannot be gone on from, before any time is spent.

    Args:
        folder: The adapter's.
        settings: Of the way of tuning that is to go on.
        model: The base model's folder.

    Raises:
        StudioError: It is of another kind, belongs to another base model, or cannot be read.
    """
    why = cannot_continue(settings)
    if why:
        raise StudioError(
            "train.cannot_continue",
            f"{METHODS[tag_of(settings)].label} cannot go on from an adapter.",
            why,
            "Begin with the model as it is, or choose another way of tuning.",
            where="start_from",
        )
    kind, _ = adapter_folder.read_options(folder)
    if kind != KINDS[tag_of(settings)]:
        raise StudioError(
            "train.continue_method",
            "The adapter was made by another way of tuning.",
            f"It is of the kind {kind}; {METHODS[tag_of(settings)].label} makes {KINDS[tag_of(settings)]}.",
            "Choose the way of tuning that made it, or begin with the model as it is.",
            where="start_from",
        )
    base = Path(str(json.loads((folder / "adapter_config.json").read_bytes()).get("base_model_name_or_path") or ""))
    if base.is_absolute() and base.is_dir() and not base.samefile(model):
        raise adapter_folder.unfit(folder, f"It was trained on {base.name}.")
    fingerprint.require_same(folder, Path(model))


def take_up(model: Any, settings: AnyMethod, folder: Path) -> None:
    """Put what an adapter has learned into a model that is ready to learn.

    Args:
        model: From `methods.attach`.
        settings: Those it was attached with.
        folder: The adapter's, for which `require` was called.

    Raises:
        StudioError: Its size or place is another than the settings say, or it does not fit the base model.
    """
    kind, options = adapter_folder.read_options(folder)
    tensors = adapter_folder.read_weights(folder)
    if kind in (bottleneck.KIND, weights.KIND):
        if kind == bottleneck.KIND:
            _require_same_options({name: getattr(settings, name) for name in options}, options)
        wanted = {name: p for name, p in model.named_parameters() if p.requires_grad}
        adapter_folder.require_same(wanted, tensors, folder)
        with torch.no_grad():
            for name, parameter in wanted.items():
                parameter.copy_(tensors[name])
        return
    config = model.peft_config["default"]
    _require_same_options({name: getattr(config, name, None) for name in options}, options)
    adapter_folder.require_fit(model, tensors, "default", folder)
    with peft_models.quiet_peft():
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(model, tensors)


def _require_same_options(here: dict[str, Any], there: dict[str, Any]) -> None:
    for name, value in there.items():
        mine = sorted(here[name]) if isinstance(here[name], set | frozenset) else here[name]
        other = sorted(value) if isinstance(value, list) else value
        if name not in NO_MATTER and mine != other and not (not mine and not other):
            raise StudioError(
                "train.continue_size",
                "The adapter is built differently from what the settings say.",
                f"Its {name} is {other}, the settings make it {mine}.",
                "Use the settings of the run that made it, or begin with the model as it is.",
                where="start_from",
            )
