"""Going on from an adapter: what of the settings it brings along, and what it cannot go on with. Knows no torch.

The adapter's own folder is the truth of its size: what began with PiSSA or OLoRA is kept as ordinary LoRA of twice the
size, and AdaLoRA and EVA deal out sizes to layers, so the settings of the run that made it would not fit it. Layers of
different sizes go on at the largest: what is added to the others changes nothing at first.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from studio.contract import target_layers
from studio.contract.errors import Problem, StudioError
from studio.contract.fields import check_values
from studio.contract.methods import (
    METHODS,
    AdaLoraSettings,
    AnyMethod,
    Ia3Settings,
    LlamaAdapterSettings,
    LoraSettings,
    PrefixSettings,
    PTuningSettings,
    tag_of,
)
from studio.contract.places import named, put_together
from studio.contract.settings import TrainSettings
from studio.contract.trainable import PAPER_IA3

KINDS = {
    "lora": "LORA", "vera": "VERA", "loha": "LOHA", "lokr": "LOKR", "oft": "OFT", "ia3": "IA3", "norms": "LN_TUNING",
    "prefix": "PREFIX_TUNING", "prompt": "PROMPT_TUNING", "llama_adapter": "ADAPTION_PROMPT",
    "bottleneck": "STUDIO_BOTTLENECK", "layers": "STUDIO_WEIGHTS", "full": "STUDIO_WEIGHTS",
}  # fmt: skip
"""Way of tuning -> kind of its adapters (`peft_type`)."""
_TOKENS = {"num_virtual_tokens": "virtual_tokens"}
_PLACES = {"target_modules": "target_modules"}
SIZES: dict[str, dict[str, str]] = {
    "lora": {"r": "rank", "lora_alpha": "alpha", "use_rslora": "rslora", "use_dora": "dora"} | _PLACES,
    "vera": {"r": "rank"} | _PLACES,
    "loha": {"r": "rank", "alpha": "alpha"} | _PLACES,
    "lokr": {"r": "rank", "alpha": "alpha", "decompose_both": "both_small", "decompose_factor": "factor"} | _PLACES,
    "oft": {"oft_block_size": "block_size"} | _PLACES,
    "ia3": _PLACES,
    "bottleneck": {"width": "width", "places": "places", "activation": "activation"},
    "prefix": _TOKENS,
    "prompt": _TOKENS,
    "llama_adapter": {"adapter_len": "prompt_length", "adapter_layers": "layers_share"},
    "layers": {"last_layers": "last_layers", "parts": "parts"},
    "full": {"embeddings": "embeddings"},
}
"""Way of tuning -> option of its adapter -> the setting that decides it. All others change nothing of what it is."""
NO_MATTER = frozenset(
    {"lora_dropout", "vera_dropout", "rank_dropout", "module_dropout", "projection_prng_key", "d_initial"}
)
"""Options that may differ: they say how it began or learned, not what it is."""
BEGINNINGS = {"pissa": "PiSSA", "olora": "OLoRA", "eva": "EVA"}
"""What a new LoRA adapter can begin with and one that goes on cannot. LoftQ's belongs to the 4-bit model for ever."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter that is there.

    Attributes:
        kind: Its `peft_type`; "" where its options cannot be read, which is told when it is to be loaded.
        options: By PEFT's names, of LoRA those that `evened` gives; of the model's own weights what is seen from their
            names (`data.made_adapter`).
        uneven: Its layers have different sizes.
        by: Settings of the run that made it, where they are known.
    """

    kind: str = ""
    options: dict[str, Any] = {}
    uneven: bool = False
    by: TrainSettings | None = None


def evened(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of LoRA whose layers all have the largest of its sizes, at the strength that a usual layer has.

    Args:
        options: As an adapter's folder tells them.
    """
    patterns = ("rank_pattern", "alpha_pattern")
    plain = {name: value for name, value in options.items() if name not in patterns}
    if not any(options.get(name) for name in patterns):
        return dict(options)
    rank = max([int(plain["r"]), *map(int, (options.get("rank_pattern") or {}).values())])
    grown = rank / int(plain["r"])
    return plain | {"r": rank, "lora_alpha": float(plain["lora_alpha"]) * (grown**0.5 if is_rooted(plain) else grown)}


def is_rooted(options: Mapping[str, Any]) -> bool:
    """Whether the strength is divided by the size's root (rsLoRA)."""
    return bool(options.get("use_rslora"))


def going_on(settings: TrainSettings, made: Made, layers: Collection[str] = ()) -> TrainSettings:
    """Settings for a run that goes on: the way of tuning of the earlier run, at the size that its adapter has.

    Args:
        settings: What was chosen otherwise.
        made: The adapter.
        layers: Full names of the model's linear layers; empty: not known.

    Raises:
        StudioError: The adapter is larger than settings can say.
    """
    if made.by is None:
        return settings
    method = made.by.method
    if isinstance(method, AdaLoraSettings):  # which is saved as ordinary LoRA
        method = LoraSettings(dropout=method.dropout, target_modules=method.target_modules)
    settings = msgspec.structs.replace(settings, method=method)
    if _is_loftq(made.by):
        settings = msgspec.structs.replace(settings, quantisation=_four_bit(made.by))
    sets = _sets(settings.method, made, layers)
    too_large = check_values(TrainSettings, sets, settings)
    if too_large:
        raise StudioError(
            "train.continue_limits",
            "The adapter is larger than what can be trained.",
            " ".join(problem.sentence().replace("\n", " ") for problem in too_large),
            "Export what it has learned as a whole model (merged), add that model and let it learn on.",
            where="start_from",
        )
    own = {path.removeprefix("method."): value for path, value in sets.items()}
    return msgspec.structs.replace(settings, method=msgspec.structs.replace(settings.method, **own))


def refusal(settings: TrainSettings, made: Made, layers: Collection[str]) -> Problem | None:
    """Why a run with these settings cannot go on from an adapter; None where nothing speaks against it.

    Args:
        settings: Of the new run.
        made: The adapter.
        layers: Full names of the model's linear layers; empty: not known, so places are not compared.
    """
    method, tag = settings.method, tag_of(settings.method)
    never = cannot_continue(method)
    if never is not None or not made.kind:
        return never
    whole = made.options.get("whole", tag == "full")
    if made.kind != KINDS[tag] or whole != (tag == "full"):
        return Problem(
            code="train.continue_method",
            what="The adapter was made by another way of tuning.",
            why=f"It is of the kind {made.kind}; {METHODS[tag].label} makes {KINDS[tag]}."
            if made.kind != KINDS[tag]
            else "One changes the last layers, the other the whole model.",
            fix="Choose the way of tuning that made it, or begin with the model as it is.",
            where="start_from",
        )
    return _other_base(settings, made) or _otherwise(method, made, layers)


def cannot_continue(method: AnyMethod) -> Problem | None:
    """Why a run with this way of tuning cannot go on from an adapter; with `sets` where `going_on` puts it right.

    Returns:
        None where nothing speaks against it.
    """
    sets: dict[str, str | bool | int | float] = {}
    tag, fix = tag_of(method), "Begin with the model as it is, or choose another way of tuning."
    if isinstance(method, AdaLoraSettings):
        why = "It moves sizes between the layers from its first steps on; an adapter that was saved has fixed ones."
        fix = "Choose LoRA: it goes on from what LoRA or AdaLoRA has learned; or begin with the model as it is."
        sets = {"method": "lora"}
    elif isinstance(method, PTuningSettings):
        why = "The network that wrote what it learned was thrown away when it was saved."
    elif isinstance(method, PrefixSettings) and method.projection:
        why = "The network that wrote what it learned was thrown away when it was saved; what it wrote was kept."
        fix = "Switch learning through a small network off, or begin with the model as it is."
        sets = {"method.projection": False}
    else:
        return None
    return Problem(
        code="train.cannot_continue",
        what=f"{METHODS[tag].label} cannot go on from an adapter.",
        why=why,
        fix=fix,
        where="start_from",
        sets=sets,
    )


def differing(here: Mapping[str, Any], there: Mapping[str, Any], layers: Collection[str]) -> list[str]:
    """Options that make an adapter another one.

    Args:
        here: As a run would make them.
        there: As the adapter's folder tells them.
        layers: Full names of the model's linear layers; empty: places are not compared.
    """
    return [
        name
        for name, other in there.items()
        if name in here and name not in NO_MATTER and not _is_same(name, here[name], other, layers)
    ]


def unlike(
    method: AnyMethod, names: list[str], here: Mapping[str, Any], made: Made, layers: Collection[str]
) -> Problem:
    """What to say where `differing` found some.

    Args:
        method: Of the settings.
        names: From `differing`.
        here: As there.
        made: The adapter.
        layers: As there.
    """
    settings, own = SIZES.get(tag_of(method), {}), _sets(method, made, layers)
    said = []
    for name in sorted(names, key=[*settings, *names].index):
        path = f"method.{settings[name]}" if name in settings else name
        mine, other = here[name], made.options[name]
        if path in own:
            mine, other = getattr(method, settings[name]), own[path]
        title = put_together(*named("train.continue_size", path))
        said.append(f"{title}: {_say(other)} there, {_say(mine)} in the settings.")
    return Problem(
        code="train.continue_size",
        what="The adapter is built differently from what the settings say.",
        why=" ".join(said),
        fix="Use the adapter's own values, or begin with the model as it is.",
        where="start_from",
        sets=own,
    )


def remark(made: Made) -> Problem | None:
    """What to tell where an adapter goes on at another size than that of the run that made it; None: nothing."""
    rank = made.options.get("r")
    by = made.by.method if made.by is not None else None
    size = by.rank if isinstance(by, LoraSettings) else 0
    if made.kind != KINDS["lora"] or not isinstance(by, LoraSettings | AdaLoraSettings) or size == rank:
        return None
    why = f"The run that made it had size {size}."
    if made.uneven:
        maker = METHODS["adalora"].label if isinstance(by, AdaLoraSettings) else BEGINNINGS.get(by.initialisation, "")
        why = f"Its layers have different sizes{f', dealt out by {maker}' if maker else ''}; all go on at the largest."
    elif isinstance(by, LoraSettings) and by.initialisation in BEGINNINGS:
        began = BEGINNINGS[by.initialisation]
        why = f"The run that made it had size {size} and began with {began}: that is kept as LoRA of twice the size."
    return Problem(
        code="train.continue_kept_size",
        what=f"The adapter goes on as it was kept: size {rank}, strength {_say(made.options.get('lora_alpha'))}.",
        why=why,
    )


def _other_base(settings: TrainSettings, made: Made) -> Problem | None:
    """LoftQ's adapter makes up for one kind of 4-bit loading: on the model as it is that would count twice."""
    if not _is_loftq(made.by) or made.by is None:
        return None
    kind = _four_bit(made.by)
    if _is_loftq(settings) and _four_bit(settings) == kind:
        return None
    return Problem(
        code="train.continue_loftq",
        what="The adapter belongs to the model as 4-bit loading leaves it.",
        why=f"It began with what that loses (LoftQ, {kind}); on a model that is loaded otherwise it would count twice.",
        fix="Leave what it begins with at LoftQ, and compressed loading as it was, or begin with the model as it is.",
        where="start_from",
        sets={"method.initialisation": "loftq", "quantisation": kind},
    )


def _is_loftq(settings: TrainSettings | None) -> bool:
    method = settings.method if settings is not None else None
    return isinstance(method, LoraSettings) and method.initialisation == "loftq"


def _four_bit(settings: TrainSettings) -> str:
    return "nf4" if settings.quantisation == "auto" else settings.quantisation


def _otherwise(method: AnyMethod, made: Made, layers: Collection[str]) -> Problem | None:
    """Another size or another beginning than the adapter has."""
    here = _options(method, made, layers)
    names = differing(here, made.options, layers)
    if names:
        return unlike(method, names, here, made, layers)
    if _standard(method, made) is None:
        return None
    return Problem(
        code="train.continue_beginning",
        what="An adapter that goes on begins with what it has learned.",
        why="PiSSA, OLoRA, EVA and LoftQ decide what a new one begins with, and would take its place.",
        fix="Set what the adapter begins with to nothing (standard): what was learned comes by itself; "
        "or begin with the model as it is.",
        where="start_from",
        sets={"method.initialisation": "standard"},
    )


def _standard(method: AnyMethod, made: Made) -> str | None:
    """The beginning that belongs to the adapter, where the settings have another."""
    if not isinstance(method, LoraSettings) or method.initialisation == "standard":
        return None
    return None if method.initialisation == "loftq" and (made.by is None or _is_loftq(made.by)) else "standard"


def _options(method: AnyMethod, made: Made, layers: Collection[str]) -> dict[str, Any]:
    """Those that an adapter made with these settings would have, as far as settings decide them."""
    options = {name: getattr(method, field) for name, field in SIZES.get(tag_of(method), {}).items()}
    if isinstance(method, LlamaAdapterSettings):
        del options["adapter_layers"]
        if layers:
            options["adapter_layers"] = max(1, int(method.layers_share * _count(layers)))
    if isinstance(method, Ia3Settings) and method.target_modules == "paper":
        options["target_modules"] = PAPER_IA3
    return options


def _sets(method: AnyMethod, made: Made, layers: Collection[str]) -> dict[str, str | bool | int | float]:
    """Dotted path -> value: what must be changed for the adapter to fit."""
    fields = SIZES.get(tag_of(method), {})
    sets: dict[str, str | bool | int | float] = {}
    if made.kind == KINDS.get(tag_of(method)):
        others = differing(_options(method, made, layers), made.options, layers)
        for name in (one for one in fields if one in others):
            sets[f"method.{fields[name]}"] = _value(method, name, made.options[name], layers)
    if isinstance(method, PrefixSettings) and method.projection:
        sets["method.projection"] = False
    beginning = _standard(method, made)
    if beginning is not None:
        sets["method.initialisation"] = beginning
    return sets


def _value(method: AnyMethod, name: str, told: Any, layers: Collection[str]) -> Any:
    """An option of an adapter as the setting that decides it."""
    if name == "target_modules":
        everywhere = _is_same(name, target_layers.ALL, told, layers)
        if everywhere or isinstance(method, Ia3Settings):
            return target_layers.ALL if everywhere else "paper"
        return ", ".join(sorted(told))
    if name == "adapter_layers":
        return min(1.0, (int(told) + 0.5) / _count(layers))
    return told


def _count(layers: Collection[str]) -> int:
    return 1 + max((int(name.split(".")[2]) for name in layers if name.startswith("model.layers.")), default=-1)


def _is_same(name: str, mine: Any, other: Any, layers: Collection[str]) -> bool:
    if name == "target_modules" and not (isinstance(mine, Collection) and _covered(mine, layers)):
        return not layers or _plain(mine) == _plain(other)  # norms, not linear layers
    if name == "target_modules":
        return _covered(mine, layers) == _covered(other, layers)
    if isinstance(mine, float) and isinstance(other, int | float):
        return math.isclose(mine, other, rel_tol=1e-9)
    return bool(_plain(mine) == _plain(other) or (not mine and not other))


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset | list | tuple) else value


def _covered(names: str | Collection[str], layers: Collection[str]) -> frozenset[str]:
    """Full names of the layers that are meant: PEFT shortens names, and two ways to write them mean the same."""
    if names == target_layers.ALL:
        return frozenset(layers) - {target_layers.HEAD}
    chosen = target_layers.found(names, layers) if isinstance(names, str) else names
    return frozenset(layer for layer in layers if target_layers.is_meant(layer, chosen))


def _say(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else str(value)
