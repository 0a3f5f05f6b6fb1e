"""The model card of an export: what it is, what it was trained on and how, what was measured, what is not known."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from studio.contract import events
from studio.contract.combinations import COMBINATIONS, Ancestry, Parent
from studio.contract.exports import EXPORTS
from studio.contract.fields import Field, fields, flatten
from studio.contract.methods import METHODS, tag_of
from studio.contract.parity import Parity, outcome, sentences
from studio.contract.run_folder import RunFolder
from studio.contract.settings import TrainSettings
from studio.data import adapter_choice, base_search
from studio.data.ancestry import read_ancestry
from studio.data.base_identity import recall
from studio.data.card_use import plain, use
from studio.data.licence import licence
from studio.data.model_search import hub_id
from studio.data.run_history import RunSummary, read_events

E = TypeVar("E", bound=events.Event)


def card_text(
    folder: RunFolder, summary: RunSummary, form: str = "adapter", parity: Parity | None = None, numbers: str = ""
) -> str:
    """The Markdown of README.md for an export; the window shows this very text before it is written.

    Args:
        folder: The run; its events.jsonl gives the figures.
        summary: Of the same run.
        form: Key of EXPORTS.
        parity: How the written files compare with the adapter, once they are written.
        numbers: Number format of the weights, a key of the form's; "": its usual one.
    """
    told, ancestry = list(read_events(folder)), read_ancestry(folder)
    named = licence(_base(folder, summary))
    head = [_head(summary, form, ancestry), _terms(named), _numbers(form, numbers)]
    begun = [_front_matter(summary, form, named), *head, use(summary, form)]
    learned = [
        _data(summary, _last(told, events.DataReport)),
        _figures(summary, _held_back(summary, told)),
        _chosen(folder, summary),
    ]
    settings = _settings(summary.job.settings, _last(told, events.Started), _last(told, events.Hello))
    if ancestry is not None:  # nothing was trained: steps, time and settings would be the first parent's
        learned, settings = [_combined(ancestry)], ""
    parts = [*begun, *learned, _compared(parity), settings, _limits(summary, ancestry)]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def write_card(
    path: Path,
    folder: RunFolder,
    summary: RunSummary,
    form: str = "adapter",
    parity: Parity | None = None,
    numbers: str = "",
) -> None:
    """Write the card to a file."""
    path.write_text(card_text(folder, summary, form, parity, numbers), encoding="utf-8", newline="\n")


def _base(folder: RunFolder, summary: RunSummary) -> Path:
    """Where the base model lies now: its folder names the licence."""
    there = Path(summary.job.model)
    identity = None if there.is_dir() else recall(folder)
    return (base_search.find(identity, there) if identity is not None else None) or there


def _last(told: list[events.AnyEvent], kind: type[E]) -> E | None:
    return next((event for event in reversed(told) if isinstance(event, kind)), None)


LIBRARIES = {"adapter": "peft", "merged": "transformers", "lm_studio": "gguf", "ollama": "gguf", "gguf_adapter": "gguf"}
"""What loads a form, as model hubs name it; else the form's own name."""


def _front_matter(summary: RunSummary, form: str, named: str) -> str:
    lines = [f"library_name: {LIBRARIES.get(form, form)}", f"base_model: {json.dumps(hub_id(summary.job.model_name))}"]
    if named:
        lines.append(f"license: {json.dumps(named)}")
    lines += [
        "pipeline_tag: text-generation",
        "tags:",
        f"- {tag_of(summary.job.settings.method)}",
        "- apprentice-studio",
    ]
    return "\n".join(["---", *lines, "---"])


def _head(summary: RunSummary, form: str, ancestry: Ancestry | None) -> str:
    date = time.strftime("%Y-%m-%d", time.gmtime(summary.started))
    name = plain(summary.job.model_name)
    method = METHODS[tag_of(summary.job.settings.method)].label
    if EXPORTS[form].holds == "model":
        held = f"what was learned by {method}" if ancestry is None else f"{len(ancestry.parents)} adapters"
        what, others = f"**{name}** with {held} built in", ""
        needs = "It is a whole model and needs nothing beside it."
    else:
        what = f"{_kind(summary)} for **{name}**"
        others = "" if ancestry is None else f" of {len(ancestry.parents)} others"
        needs = "It holds only what was learned; it needs that base model."
    came = "trained" if ancestry is None else f"combined{others}"
    made = f"{what}, {came} with Apprentice Studio on {date}. {needs}"
    made += _compressed(summary, form) if ancestry is None else ""
    return f"# {plain(summary.job.name)}\n\n{made} The run is {plain(summary.id)}."


def _terms(named: str) -> str:
    if named:
        return f"The base model's licence is {plain(named)}; its terms apply to what is made with it, too."
    return "The base model's folder names no licence; look it up where you got the model."


def _numbers(form: str, numbers: str) -> str:
    """Also where nothing was compared a reader must know what was rounded how."""
    formats = EXPORTS[form].numbers
    if not formats:
        return ""
    return f"Number format of the weights: {plain(formats[numbers or next(iter(formats))])}."


def _compressed(summary: RunSummary, form: str) -> str:
    """Said where the run learned beside a compressed base and the export holds the whole one."""
    if EXPORTS[form].holds != "model" or summary.job.settings.quantisation in ("none", "auto"):
        return ""
    return (
        f" It was trained beside the base compressed to {summary.job.settings.quantisation}, and is built into the "
        "base as it was before: answers may differ a little from those seen while training."
    )


def _kind(summary: RunSummary) -> str:
    """What is in the folder, to begin a sentence."""
    tag = tag_of(summary.job.settings.method)
    return "A LoRA adapter" if tag == "lora" else f"What was learned by {METHODS[tag].label}"


def _data(summary: RunSummary, report: events.DataReport | None) -> str:
    lines = ["## Data", "", f"Dataset: {plain(summary.job.dataset_name)}."]
    if report is not None:
        each = f"{report.mixed_in:,} of " if report.mixed_in else ""
        general = f", and {each}{report.general_rows:,} general examples to keep what the model knew"
        lines += [
            (
                f"{report.train_rows:,} examples to learn from{general if report.general_rows else ''}; "
                f"{report.held_back_rows:,} held back for testing. "
                f"{report.learned_tokens:,} of {report.tokens:,} tokens were learned."
            ),
            (
                f"Of the examples {report.cut:,} were cut and {report.left_out:,} left out because they were too long; "
                f"{report.nothing_to_learn:,} held nothing to learn."
            ),
        ]
    return "\n".join(lines)


def _combined(ancestry: Ancestry) -> str:
    """What a combined adapter was made of."""
    row = COMBINATIONS[ancestry.how]
    kept = f", keeping {ancestry.density:.0%} of each" if ancestry.density is not None else ""
    lines = [
        f"- {plain(parent.name)} (weight {parent.weight:g}){_told_of(parent)}; the run is {plain(parent.run)}"
        for parent in ancestry.parents
    ]
    return "\n".join(["## Made of", "", f"{row.label}{kept}: {row.help}", "", *lines])


def _told_of(parent: Parent) -> str:
    """What was kept of a parent; combinations of before kept only its name."""
    if parent.rank is None:
        return ""
    terms = f"its base's licence is {plain(parent.licence)}" if parent.licence else "its base names no licence"
    return f": size {parent.rank}, trained on {plain(parent.dataset)}; {terms}"


def _figures(summary: RunSummary, held_back: list[float]) -> str:
    rows: list[tuple[str, str]] = [("Steps", f"{summary.steps:,}"), ("Training time", f"{summary.seconds:,.0f} s")]
    rows += [(name, f"{value:.4f}") for name, value in _losses(summary, held_back) if value is not None]
    finished = summary.finished
    energy = finished.energy_wh if finished else None
    rows.append(("Energy of the graphics card", f"{energy:,.2f} Wh" if energy is not None else "not measured"))
    if finished is not None and finished.verdict is not None:
        rows += list(_verdict_rows(finished.verdict))
    return "\n".join(["## Figures", "", "| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def _chosen(folder: RunFolder, summary: RunSummary) -> str:
    """Said where another adapter is used than the one that the figures of the end are of."""
    if adapter_choice.other(folder) != "last" or summary.finished is None:
        return ""
    return (
        f"The adapter is that of step {summary.finished.best_aside:,}, which was best on held-back examples; what was "
        "asked and compared at the end was asked of the last step's."
    )


def _compared(parity: Parity | None) -> str:
    """What came of the same prompts through the adapter and through these files."""
    if parity is None:
        return ""
    rows = [f"| {name} | {told} |" for name, told in sentences(parity)]
    said = [outcome(parity), ""] if parity.prompts else []
    return "\n".join(["## Compared with the adapter", "", *said, "| | |", "| --- | --- |", *rows])


def _held_back(summary: RunSummary, told: list[events.AnyEvent]) -> list[float]:
    """Losses of trained steps, up to that of the adapter: a part that was interrupted may have gone on behind it."""
    last = summary.steps if summary.finished is None else summary.finished.steps
    return [event.loss for event in told if isinstance(event, events.Evaluated) and 0 < event.step <= last]


def _losses(summary: RunSummary, held_back: list[float]) -> Iterator[tuple[str, float | None]]:
    """The losses; those of `held_back` are of trained steps alone, never of the base before the first."""
    yield "Loss, first step", summary.loss_first
    yield "Loss, last step", summary.loss_last
    yield "Held-back loss, best", min(held_back, default=None)
    yield "Held-back loss, last", held_back[-1] if held_back else None


def _verdict_rows(verdict: events.Verdict) -> Iterator[tuple[str, str]]:
    if verdict.asked is not None:
        kind = "Test" if verdict.also_learned else "New"
        yield f"{kind} questions answered right, word for word", f"{verdict.right_after} of {verdict.asked}"
        yield "The same before training", f"{verdict.right_before} of {verdict.asked}"
    if verdict.also_learned:
        yield "Test examples that were also learned from (they show memory, not learning)", f"{verdict.also_learned}"
    if verdict.rows is not None:
        yield "Held-back examples that became likelier", f"{verdict.rows_better} of {verdict.rows}"
    if verdict.loss_base is not None and verdict.loss_tuned is not None:
        yield "Held-back loss of the base, with what was learned", f"{verdict.loss_base:.4f}, {verdict.loss_tuned:.4f}"
    if verdict.known_before is not None:
        yield "General questions still answered right", f"{verdict.known_after} of {verdict.known_before}"


def _settings(settings: TrainSettings, started: events.Started | None, hello: events.Hello | None) -> str:
    lines = ["## Settings", ""]
    if started is not None:
        lines += [
            (
                f"{started.trainable_parameters:,} trained numbers beside {started.base_parameters:,} of the base; "
                f"device {started.device}, quantisation {started.quantisation}, precision {started.precision}."
            ),
            "",
        ]
        lines += [f"- {plain(kernel)}" for kernel in started.kernels] + ([""] if started.kernels else [])
    lines += ["| setting | value |", "| --- | --- |"]
    values = flatten(settings)
    for field in fields(settings):
        value = msgspec.to_builtins(values[field.path])
        changed = "" if value == field.default else " (changed)"
        lines.append(f"| {plain(field.label)} | {plain(_as_read(field, value))}{changed} |")
    if hello is not None and hello.versions:
        lines += [
            "",
            "Made with " + ", ".join(f"{plain(n)} {plain(v)}" for n, v in sorted(hello.versions.items())) + ".",
        ]
    return "\n".join(lines)


def _as_read(field: Field, value: Any) -> str:
    """A value as a person reads it: "20 %", "on", "1 batch"."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if field.choices:
        return field.choices.get(str(value), str(value))
    if field.unit == "share":
        return f"{value * 100:g} %"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    unit = field.unit.removesuffix("s") if value == 1 and not field.unit.endswith("ss") else field.unit
    unit = {"batche": "batch"}.get(unit, unit)
    return f"{text} {unit}".strip()


_MEASURED = (
    "- The figures above were measured on examples of the same kind as the training data; for other questions "
    "nothing is known."
)
_NOT_MEASURED = "- How well it answers was not measured: what held for the adapters it is made of need not hold for it."


def _limits(summary: RunSummary, ancestry: Ancestry | None) -> str:
    lines = [
        "## Limits",
        "",
        "- All that limits the base model limits this one; what it says can be wrong.",
        _MEASURED if ancestry is None else _NOT_MEASURED,
        "- It was not tested for safety.",
    ]
    verdict = summary.finished.verdict if summary.finished else None
    if verdict is None or verdict.known_before is None:
        lines.append("- Whether the model forgot anything it knew was not measured.")
    if summary.finished is not None and summary.finished.reason == "early":
        lines.append("- The training ended early: the loss on unseen examples had stopped getting better.")
    if summary.state != "done":
        lines.append(f"- The training did not reach its planned end (state: {summary.state}).")
    return "\n".join(lines)
