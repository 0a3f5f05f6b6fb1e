"""Going on from an adapter that an earlier run has trained, with the same base model and the same way of tuning."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from studio.contract.continuing import Made, differing, evened, is_rooted, refusal, remark, unlike
from studio.contract.control import Emit
from studio.contract.errors import StudioError
from studio.contract.events import Notice
from studio.contract.methods import AnyMethod
from studio.contract.settings import TrainSettings
from studio.contract.target_layers import is_meant
from studio.data import made_adapter
from studio.engine import adapter_folder, fingerprint, peft_models
from studio.engine.methods import bottleneck, weights


def require(folder: Path, settings: TrainSettings, model: Path, emit: Emit) -> None:
    """Refuse an adapter that cannot be gone on from, before any time is spent.

    Args:
        folder: The adapter's.
        settings: Of the run that is to go on.
        model: The base model's folder.
        emit: Is told where it goes on at another size than the run that made it had.

    Raises:
        StudioError: It is of another kind or size, belongs to another base model, or cannot be read.
    """
    adapter_folder.read_options(folder)
    made = made_adapter.read(folder)
    if not made.kind:
        raise adapter_folder.unsupported(folder, "Its size cannot be read.")
    problem = refusal(settings, made, made_adapter.linear_layers(model))
    if problem is not None:
        raise StudioError.of(problem)
    base = Path(str(json.loads((folder / "adapter_config.json").read_bytes()).get("base_model_name_or_path") or ""))
    if base.is_absolute() and base.is_dir() and not base.samefile(model):
        raise adapter_folder.unfit(folder, f"It was trained on {base.name}.")
    fingerprint.require_same(folder, model)
    told = remark(made)
    if told is not None:
        emit(Notice(problem=told))


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
        _require_same(settings, {name: getattr(settings, name) for name in options}, Made(kind=kind, options=options))
        wanted = {name: p for name, p in model.named_parameters() if p.requires_grad}
        adapter_folder.require_same(wanted, tensors, folder)
        with torch.no_grad():
            for name, parameter in wanted.items():
                parameter.copy_(tensors[name])
        return
    if kind == "LORA":
        tensors, options = _evened(model, tensors, options)
    config = model.peft_config["default"]
    here = {name: getattr(config, name, None) for name in options}
    _require_same(settings, here, Made(kind=kind, options=options), _linears(model))
    adapter_folder.require_fit(model, tensors, "default", folder)
    with peft_models.quiet_peft():
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(model, tensors)


def _evened(model: Any, tensors: dict[str, Any], options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights and options of LoRA at one size for all layers, which change the model as they did.

    A smaller layer keeps the fresh inner half of what is added; its outer half is nought, as of any new adapter.
    """
    even = evened(options)
    if even == options:
        return tensors, options
    from peft import get_peft_model_state_dict

    fresh = get_peft_model_state_dict(model, adapter_name="default", save_embedding_layers=False)
    made = dict(tensors)
    for name, down in tensors.items():
        layer, _, rest = name.partition(".lora_A.")
        outer = f"{layer}.lora_B.{rest}"
        up, mine = tensors.get(outer), fresh.get(name)
        if not rest or up is None or mine is None or down.shape[0] > mine.shape[0] or down.shape[1:] != mine.shape[1:]:
            continue  # the comparison of shapes that follows tells what does not fit
        rank, alpha = (_told(options, kind, layer) for kind in ("rank", "alpha"))
        kept = down.shape[0]  # down: (rank, in), up: (out, rank)
        made[name] = torch.cat([down, mine[kept:].to(down)])
        nought = torch.zeros(up.shape[0], mine.shape[0] - kept, dtype=up.dtype)
        ratio = _strength(alpha, rank, options) / _strength(even["lora_alpha"], even["r"], options)
        made[outer] = torch.cat([up * ratio, nought], dim=1)
    return made, even


def _told(options: dict[str, Any], kind: str, layer: str) -> float:
    """Size or strength of one layer."""
    pattern = options.get(f"{kind}_pattern") or {}
    usual = options["r" if kind == "rank" else "lora_alpha"]
    return float(next((value for name, value in pattern.items() if is_meant(layer, (name,))), usual))


def _strength(alpha: float, rank: float, options: dict[str, Any]) -> float:
    return float(alpha / (rank**0.5 if is_rooted(options) else rank))


def _require_same(settings: AnyMethod, here: dict[str, Any], made: Made, layers: Collection[str] = ()) -> None:
    """The last guard: what was really attached, by the same comparison as before the model was loaded."""
    names = differing(here, made.options, layers)
    if names:
        raise StudioError.of(unlike(settings, names, here, made, layers))


def _linears(model: Any) -> tuple[str, ...]:
    """Full names of an adapted model's linear layers, as the base model calls them."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    base = model.get_base_model()
    return tuple(
        name
        for name, module in base.named_modules()
        if isinstance(module, BaseTunerLayer)
        or (isinstance(module, torch.nn.Linear) and ".base_layer" not in name and ".lora_" not in name)
    )
