"""What goes with what: each way of tuning against how the model is loaded, packed, saved memory with, and built.

One table. What it does not name works; `packaging/dev.py methods --full` tries all of it, both ways. The form, the
command line and the worker refuse by it before a run starts.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from studio.contract.errors import Problem
from studio.contract.exports import EXPORTS
from studio.contract.fields import value_at
from studio.contract.methods import (
    METHODS,
    AnyMethod,
    LoraSettings,
    tag_of,
)
from studio.contract.settings import TrainSettings

OWN_WEIGHTS = ("layers", "full")
"""Ways of tuning that change the model's own weights."""
VIRTUAL = ("prefix", "prompt", "ptuning")
"""Ways of tuning that put learned places before every text."""
FINE_NUMBERS = ("llama_adapter", *OWN_WEIGHTS)
"""Ways of tuning that calculate in fp32: their corrections are smaller than bf16 can tell, or PEFT mixes formats."""
ONCE = ("prefix",)
"""Ways of tuning whose layers cannot be computed twice."""
FOUR_BIT = ("nf4", "fp4")
LOW_RANK = ("lora", "adalora")
"""Ways of tuning that are saved as LoRA."""
UNMERGEABLE: dict[str, str] = {
    **dict.fromkeys(VIRTUAL, "It has learned places before the text, not weights."),
    "bottleneck": "Its blocks compute something of their own, which no weight of the model can hold.",
    "llama_adapter": "Its upper layers attend to learned places, which no weight of the model can hold.",
}
"""Ways of tuning whose result cannot become part of the model's weights -> why."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A row: these ways of tuning do not work with these values of a setting.

    Attributes:
        methods: Tags; `only` narrows them down to values of a setting of the method itself.
        path: Dotted path of the other setting, or "architecture" (the model's type).
        values: Those that do not work; with `allowed` True, those that alone do.
        where: Path that is shown as wrong; empty: `path`.
        without_gpu: Only where the CPU trains.
        sets: Dotted path -> value: the first that `fix` names.
        code, why, fix: Of the problem.
    """

    methods: tuple[str, ...]
    path: str
    values: tuple[Any, ...]
    why: str
    fix: str
    code: str
    allowed: bool = False
    only: tuple[str, tuple[Any, ...]] | None = None
    what: str = ""
    where: str = ""
    without_gpu: bool = False
    sets: dict[str, str | bool] = {}


REFUSED: tuple[Refused, ...] = (
    Refused(
        methods=("loha", "lokr"),
        path="quantisation",
        values=FOUR_BIT,
        code="settings.method_4_bit",
        why="It adds to the weight itself, and a 4-bit weight has another shape than the change.",
        fix="Set compressed loading to off or 8-bit, or choose LoRA, which works on 4-bit weights (QLoRA).",
        sets={"quantisation": "none"},
    ),
    Refused(
        methods=OWN_WEIGHTS,
        path="quantisation",
        values=(*FOUR_BIT, "int8"),
        code="settings.method_compressed",
        why="The model's own weights are to learn, and compressed weights cannot.",
        fix="Set compressed loading to off, or choose QLoRA, which learns beside compressed weights.",
        sets={"quantisation": "none"},
    ),
    Refused(
        methods=("lora",),
        only=("dora", (True,)),
        path="quantisation",
        values=("int8",),
        where="method.dora",
        code="settings.dora_int8",
        what="Learning direction and size apart (DoRA) does not work on an 8-bit model.",
        why="The library for 8-bit weights loses their scales when it is asked for the weights' own sizes.",
        fix="Switch it off, or choose 4-bit loading or none.",
        sets={"method.dora": False},
    ),
    Refused(
        methods=("lora",),
        only=("initialisation", ("pissa", "olora")),
        path="quantisation",
        values=(*FOUR_BIT, "int8"),
        where="method.initialisation",
        code="settings.initialisation_compressed",
        what="This beginning (PiSSA, OLoRA) does not work on a compressed model.",
        why="It takes a part out of the model's own weights, which compressed weights do not give back exactly.",
        fix="Begin with nothing or with what your examples stir (EVA), or set compressed loading to off.",
        sets={"method.initialisation": "standard"},
    ),
    Refused(
        methods=("lora",),
        only=("initialisation", ("loftq",)),
        path="quantisation",
        values=FOUR_BIT,
        allowed=True,
        where="method.initialisation",
        code="settings.initialisation_whole",
        what="This beginning (LoftQ) makes up for what 4-bit loading loses, and the model is not loaded so.",
        why="There is nothing to make up for.",
        fix="Set compressed loading to 4-bit, or begin with nothing (standard).",
        sets={"quantisation": "nf4"},
    ),
    Refused(
        methods=("lora",),
        only=("initialisation", ("pissa", "olora", "loftq")),
        path="method.dora",
        values=(True,),
        code="settings.initialisation_dora",
        what="Learning direction and size apart (DoRA) does not go with this beginning.",
        why="The sizes that it learns are taken before PiSSA, OLoRA or LoftQ have changed the weights.",
        fix="Switch it off, or begin with nothing (standard) or with what your examples stir (EVA).",
        sets={"method.dora": False},
    ),
    Refused(
        methods=VIRTUAL,
        path="packing",
        values=(True,),
        code="settings.method_packing",
        why="Every example needs the learned places before it, and examples side by side share one beginning.",
        fix="Switch filling the gaps off.",
        sets={"packing": False},
    ),
    Refused(
        methods=ONCE,
        path="gradient_checkpointing",
        values=("on", "offload"),
        code="settings.method_checkpointing",
        why="Computing twice drops the learned memory that stands before the text.",
        fix="Switch saving memory by computing twice off, or choose prompt tuning, which works with it.",
        sets={"gradient_checkpointing": "off"},
    ),
    Refused(
        methods=tuple(name for name in METHODS if name not in ONCE),
        path="gradient_checkpointing",
        values=("offload",),
        without_gpu=True,
        code="settings.offload_needs_cuda",
        what="Texts being read can be kept in main memory only while a graphics card computes.",
        why="Where the CPU computes, they lie in main memory anyway, and moving them would free nothing.",
        fix="Set saving memory by computing twice to automatic or on.",
        sets={"gradient_checkpointing": "auto"},
    ),
    Refused(
        methods=FINE_NUMBERS,
        path="precision",
        values=("bf16",),
        code="settings.method_bf16",
        why="Its corrections would be lost between the coarse numbers.",
        fix="Set the number format to automatic or fine (fp32).",
        sets={"precision": "auto"},
    ),
    Refused(
        methods=("llama_adapter",),
        path="architecture",
        values=("llama", "mistral"),
        allowed=True,
        where="method",
        code="settings.method_architecture",
        what="LLaMA-Adapter does not know this kind of model.",
        why="It reaches into attention as Llama and Mistral compute it.",
        fix="Choose a Llama or Mistral model, or prefix tuning, which is its nearest kin.",
    ),
)


def refusals(settings: TrainSettings, has_cuda: bool, architecture: str = "") -> Iterator[Problem]:
    """Every row that the settings break.

    Args:
        settings: Values that each lie within their limits.
        has_cuda: Whether the chosen device is an NVIDIA GPU, where "automatic" means other things.
        architecture: The model's type ("llama"), or "" where no model is chosen yet.
    """
    tag = tag_of(settings.method)
    for row in REFUSED:
        if row.without_gpu and has_cuda:
            continue
        if tag not in row.methods or (row.only and getattr(settings.method, row.only[0]) not in row.only[1]):
            continue
        value = architecture if row.path == "architecture" else meant(settings, row.path, has_cuda)
        if value == "" or (value in row.values) == row.allowed:
            continue
        label = METHODS[tag].label
        yield Problem(
            code=row.code,
            where=row.where or row.path,
            what=row.what or f"{label} does not work with this.",
            why=row.why,
            fix=row.fix,
            sets={**row.sets},
        )


def export_problem(form: str, method: AnyMethod) -> Problem | None:
    """Why what a way of tuning has learned cannot leave in a form; None where it can.

    Args:
        form: Key of EXPORTS.
        method: The run's.
    """
    tag, holds = tag_of(method), EXPORTS[form].holds
    label = METHODS[tag].label
    if holds == "model" and tag in UNMERGEABLE:
        return Problem(
            code="export.cannot_merge",
            where=form,
            what=f"What was learned by {label} cannot be built into the model.",
            why=UNMERGEABLE[tag],
            fix="Export it as an adapter folder, which holds all of it.",
        )
    if form != "adapter" and isinstance(method, LoraSettings) and method.initialisation == "loftq":
        return Problem(
            code="export.loftq",
            where=form,
            what="What was learned with this beginning (LoftQ) belongs to the model as 4-bit loading leaves it.",
            why="It holds what compressing lost; with the whole model's own weights that would count twice.",
            fix="Export it as an adapter folder, for the model loaded in 4-bit.",
        )
    if holds == "lora" and (tag not in LOW_RANK or (isinstance(method, LoraSettings) and method.dora)):
        return Problem(
            code="export.not_lora",
            where=form,
            what=f"What was learned by {label} is no plain LoRA.",
            why="This form knows low-rank matrices alone."
            if tag not in LOW_RANK
            else "It learned direction and size apart (DoRA), which this form does not know.",
            fix="Export the whole model instead, or an adapter folder.",
        )
    return None


def meant(settings: TrainSettings, path: str, has_cuda: bool, has_bf16: bool = True) -> Any:
    """A setting's value; "automatic" of loading and number format as what it becomes on this device.

    Args:
        settings: Of the run.
        path: Dotted path.
        has_cuda: Whether the device is an NVIDIA GPU.
        has_bf16: Whether that calculates with bf16.
    """
    value = value_at(settings, path)
    if value == "auto" and path == "quantisation":
        return "nf4" if has_cuda else "none"
    if value == "auto" and path == "precision":
        return "bf16" if has_cuda and has_bf16 and tag_of(settings.method) not in FINE_NUMBERS else "fp32"
    return value
