"""The part of docs/methods.md that says what does not go together, from the contract's own tables and answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from studio.contract import continuing
from studio.contract.compatibility import REFUSED
from studio.contract.errors import Problem
from studio.contract.fields import build
from studio.contract.method_choice import values_of
from studio.contract.settings import TrainSettings
from studio.contract.together import check_together

HEADS = ("| way | with | why | instead |", "| --- | --- | --- | --- |")
TOGETHER: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("all", "optimiser: paged_adamw_8bit on a CPU", {"optimiser": "paged_adamw_8bit"}),
    ("all", "optimiser: schedule_free, schedule: other than constant", {"optimiser": "schedule_free"}),
    ("all", "early stopping without tests or held-back examples", {"early_stopping": 2, "evaluations": 0}),
    ("`adalora`", "target rank above initial rank", {**values_of("adalora"), "method.target_rank": 16}),
    (
        "all",
        "learning rate above what it bears (0.01 for `layers` and `full`, 1 for those of few numbers, 0.1 else)",
        {"learning_rate": 0.2},
    ),
)
"""Way of tuning, what of the settings, and settings that show it; the words come from the contract's check."""
LORA, ADALORA = {"method": "lora"}, {"method": "adalora"}
ADAPTER = continuing.Made(kind="LORA", options={"r": 16, "lora_alpha": 32.0})
GOING_ON: tuple[tuple[str, str, dict[str, Any], continuing.Made], ...] = (
    ("`adalora`", "any adapter", ADALORA, ADAPTER),
    ("`ptuning`", "any adapter", values_of("ptuning"), ADAPTER),
    ("`prefix` with projection true", "any adapter", {"method": "prefix", "method.projection": True}, ADAPTER),
    ("`lora` with initialisation pissa, olora, eva, loftq", "any other adapter", {"method.initialisation": "pissa"},
     ADAPTER),
    ("`lora`, or other compressed loading", "an adapter made with initialisation loftq", LORA,
     continuing.Made(kind="LORA", by=build(TrainSettings, {"method.initialisation": "loftq", "quantisation": "nf4"}))),
    ("all", "an adapter of another way of tuning", values_of("ia3"), ADAPTER),
    ("all", "an adapter of another size", {"method.rank": 8}, ADAPTER),
)  # fmt: skip
"""Way of tuning, adapter to go on from, settings and adapter that show it."""


def refusal_table() -> Iterator[str]:
    """All of it as people read it."""
    yield "Ways of tuning go with every way of loading, packing, saving memory, number format and architecture that is"
    yield "not named here; the cells below are those that were tried. What is named is refused before a run starts, in"
    yield "these words. So are sizes that a model's layers or its context forbid, each with the nearest that fits; and"
    yield "examples longer than a model with LongRoPE (Phi 3 128k) or dynamic RoPE was first made for, because shorter"
    yield "ones beside them would be computed otherwise than alone: the longest text is then to be that length. LoRA on"
    yield "the output layer (`lm_head`) cannot begin with LoftQ, nor, where it is the table of words, with PiSSA or"
    yield "OLoRA."
    yield ""
    yield from HEADS
    for row in REFUSED:
        where = " on a CPU" if row.without_gpu else ""
        but = "other than " if row.allowed else ""
        ways = ", ".join(f"`{name}`" for name in row.methods) + (
            f" with {row.only[0]} {_words(row.only[1])}" if row.only else ""
        )
        yield f"| {ways} | {row.path.replace('_', ' ')}: {but}{_words(row.values)}{where} | {row.why} | {row.fix} |"
    for ways, told, values in TOGETHER:
        yield _row(ways, told, check_together(build(TrainSettings, values), has_cuda=False)[0])
    yield ""
    yield "### Going on from an adapter"
    yield ""
    yield "A run goes on from an adapter (`--from-adapter RUN`, or “Begin with” in the window) with the way of tuning"
    yield "that made it. Where it sits, its size and its strength come from the adapter's own folder: what began with"
    yield "PiSSA or OLoRA is kept as ordinary LoRA of twice the size, and goes on so; layers of different sizes (EVA,"
    yield "AdaLoRA, which goes on by LoRA) go on at the largest. What is named here is refused before the model is"
    yield "loaded; `apprentice plan` says it, too."
    yield ""
    yield "| way of the new run | adapter | why | instead |"
    yield HEADS[1]
    for ways, told, values, made in GOING_ON:
        problem = continuing.refusal(build(TrainSettings, values), made, ())
        assert problem is not None, told
        yield _row(ways, told, problem)


def _row(ways: str, told: str, problem: Problem) -> str:
    return f"| {ways} | {told} | {problem.why} | {problem.fix} |"


def _words(values: tuple[Any, ...]) -> str:
    return ", ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
