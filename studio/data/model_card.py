"""The model card of an export: what it is, what it was trained on and how, what was measured, what is not known."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from studio.contract import events
from studio.contract.compatibility import OWN_WEIGHTS
from studio.contract.fields import Field, fields, flatten
from studio.contract.methods import METHODS, tag_of
from studio.contract.run_folder import RunFolder, starter_folder
from studio.contract.settings import TrainSettings
from studio.data.licence import licence
from studio.data.run_history import RunSummary, read_events

E = TypeVar("E", bound=events.Event)


def card_text(folder: RunFolder, summary: RunSummary) -> str:
    """The Markdown of README.md for an adapter; the window shows this very text before it is written.

    Args:
        folder: The run; its events.jsonl gives the figures.
        summary: Of the same run.
    """
    told = list(read_events(folder))
    parts = [
        _front_matter(summary),
        _head(summary),
        _use(summary),
        _data(summary, _last(told, events.DataReport)),
        _figures(summary, _last(told, events.Evaluated)),
        _settings(summary.job.settings, _last(told, events.Started), _last(told, events.Hello)),
        _limits(summary),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def write_card(path: Path, folder: RunFolder, summary: RunSummary) -> None:
    """Write the card to a file."""
    path.write_text(card_text(folder, summary), encoding="utf-8", newline="\n")


def _last(told: list[events.AnyEvent], kind: type[E]) -> E | None:
    return next((event for event in reversed(told) if isinstance(event, kind)), None)


def plain(text: str) -> str:
    """Foreign text as one line that Markdown shows as it stands."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~])", r"\\\1", " ".join(line.split()))[:300]


def _front_matter(summary: RunSummary) -> str:
    lines = ["library_name: peft", f"base_model: {json.dumps(summary.job.model_name)}"]
    named = licence(Path(summary.job.model))
    if named:
        lines.append(f"license: {json.dumps(named)}")
    lines += [
        "pipeline_tag: text-generation",
        "tags:",
        f"- {tag_of(summary.job.settings.method)}",
        "- apprentice-studio",
    ]
    return "\n".join(["---", *lines, "---"])


def _head(summary: RunSummary) -> str:
    named = licence(Path(summary.job.model))
    date = time.strftime("%Y-%m-%d", time.gmtime(summary.started))
    terms = (
        f"The base model's licence is {plain(named)}; its terms apply to what is made with it, too."
        if named
        else "The base model's folder names no licence; look it up where you got the model."
    )
    return (
        f"# {plain(summary.job.name)}\n\n"
        f"{_kind(summary)} for **{plain(summary.job.model_name)}**, trained with Apprentice Studio on {date}. "
        f"It holds only what was learned; it needs that base model.\n\n{terms}"
    )


def _kind(summary: RunSummary) -> str:
    """What is in the folder, to begin a sentence."""
    tag = tag_of(summary.job.settings.method)
    return "A LoRA adapter" if tag == "lora" else f"What was learned by {METHODS[tag].label}"


LOADED_BY_PEFT = """```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = "FOLDER"  # {where}
tokenizer = AutoTokenizer.from_pretrained(base)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), "folder of this adapter")
```"""
OWN_WEIGHTS_LOADED = """```python
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

base = "FOLDER"  # {where}
tokenizer = AutoTokenizer.from_pretrained(base)
model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
model.load_state_dict(load_file("folder of this adapter/adapter_model.safetensors"), strict=False)
```"""
ONLY_HERE = """```
apprentice chat --model FOLDER --adapter "folder of this adapter"
```

where FOLDER is {where}. Other programs do not know this layout."""


def _use(summary: RunSummary) -> str:
    name = summary.job.model_name
    where = f"the folder of {name}, the base model"
    if Path(summary.job.model) == starter_folder():
        where = "resources/starter in the folder of Apprentice Studio, which brings this model with it"
    tag = tag_of(summary.job.settings.method)
    how = OWN_WEIGHTS_LOADED if tag in OWN_WEIGHTS else ONLY_HERE if tag == "bottleneck" else LOADED_BY_PEFT
    return f"""## Use

{how.format(where=plain(where))}

Write conversations with the base model's chat template (chat_template.jinja here is the one it was trained with)."""


def _data(summary: RunSummary, report: events.DataReport | None) -> str:
    lines = ["## Data", "", f"Dataset: {plain(summary.job.dataset_name)}."]
    if report is not None:
        general = f", and {report.general_rows:,} general examples to keep what the model knew"
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


def _figures(summary: RunSummary, last: events.Evaluated | None) -> str:
    rows: list[tuple[str, str]] = [("Steps", f"{summary.steps:,}"), ("Training time", f"{summary.seconds:,.0f} s")]
    rows += [(name, f"{value:.4f}") for name, value in _losses(summary, last) if value is not None]
    verdict = summary.finished.verdict if summary.finished else None
    if verdict is not None:
        rows += list(_verdict_rows(verdict))
    return "\n".join(["## Figures", "", "| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def _losses(summary: RunSummary, last: events.Evaluated | None) -> Iterator[tuple[str, float | None]]:
    yield "Loss, first step", summary.loss_first
    yield "Loss, last step", summary.loss_last
    yield "Held-back loss, best", summary.best_loss
    yield "Held-back loss, last", last.loss if last else None


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
        yield "Held-back loss of the base, of this adapter", f"{verdict.loss_base:.4f}, {verdict.loss_tuned:.4f}"
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


def _limits(summary: RunSummary) -> str:
    lines = [
        "## Limits",
        "",
        "- All that limits the base model limits this adapter; what it says can be wrong.",
        (
            "- The figures above were measured on examples of the same kind as the training data; for other questions "
            "nothing is known."
        ),
        "- It was not tested for safety.",
    ]
    verdict = summary.finished.verdict if summary.finished else None
    if verdict is None or verdict.known_before is None:
        lines.append("- Whether the model forgot anything it knew was not measured.")
    if summary.state != "done":
        lines.append(f"- The training did not reach its planned end (state: {summary.state}).")
    return "\n".join(lines)
