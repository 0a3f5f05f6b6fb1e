"""What the form, the help and a copied command say about a setting: all from its one declaration."""

import shlex
from collections.abc import Mapping
from typing import Any

import msgspec
import tomli_w
from PySide6.QtCore import QCoreApplication

from studio.contract.errors import Problem
from studio.contract.fields import Field, build, fields, flatten
from studio.contract.method_choice import name_of, values_of
from studio.contract.presets import Preset, load_preset
from studio.contract.setting_facts import idle_because_of
from studio.contract.settings import TrainSettings
from studio.ui.widgets.setting_editors import format_number
from studio.ui.wording import told, told_problem


def _tr(text: str) -> str:
    return QCoreApplication.translate("settings", text)


def told_field(field: Field) -> Field:
    """A declaration in the user's language; its unit is told by `value_words`, which decides by it."""
    return msgspec.structs.replace(
        field,
        title=told(field.title),
        term=told(field.term),
        help=told(field.help),
        source=told(field.source),
        choices={value: told(words) for value, words in field.choices.items()},
    )


def told_fields(settings: type[msgspec.Struct] | msgspec.Struct) -> tuple[Field, ...]:
    """Every setting of a class (or of what an instance holds) as it is shown."""
    return tuple(told_field(field) for field in fields(settings))


_ONE = {
    "batches": "batch",
    "examples": "example",
    "minutes": "minute",
    "steps": "step",
    "tests": "test",
    "times": "time",
    "tokens": "token",
}
"""Units of a value that is exactly one."""


def value_words(field: Field, value: Any) -> str:
    """A value as the form shows it: "20 %", "On", "Cut the end"."""
    if isinstance(value, bool):
        return _tr("on") if value else _tr("off")
    if field.kind == "choice":
        return field.choices.get(str(value), str(value))
    if isinstance(value, int | float):
        if field.unit == "share":
            return f"{format_number(round(value * 100, 6))} %"
        unit = _ONE.get(field.unit, field.unit) if value == 1 else field.unit
        return f"{format_number(float(value))} {told(unit)}".strip()
    return str(value)


def limits(field: Field) -> str:
    """Such as "above 0, at most 0.1", in the unit that the form shows; empty where there are none."""
    parts = []
    if field.minimum is not None:
        low = value_words(field, field.minimum)
        parts.append((_tr("above {value}") if field.minimum_open else _tr("at least {value}")).format(value=low))
    if field.maximum is not None:
        parts.append(_tr("at most {value}").format(value=value_words(field, field.maximum)))
    return ", ".join(parts)


def explanation(field: Field) -> str:
    """Tooltip, "?" and help say the same: what it does, limits, default and why that default."""
    parts = [field.help]
    if field.kind == "choice":
        parts.append(_tr("Choices: {choices}.").format(choices="; ".join(field.choices.values())))
    elif limits(field):
        parts.append(_tr("Limits: {limits}.").format(limits=limits(field)))
    parts.append(_tr("Default: {value}.").format(value=value_words(field, field.default)))
    parts.append(_tr("Why: {source}.").format(source=field.source.rstrip(".")))
    return "\n".join(parts)


def problem_words(field: Field, problem: Problem) -> str:
    """What is said beside the editor; limits in the unit that the form shows."""
    if problem.code == "settings.range" and limits(field):
        return _tr("Allowed: {limits}. The default is {value}.").format(
            limits=limits(field), value=value_words(field, field.default)
        )
    problem = told_problem(problem)
    return " ".join(part for part in (problem.what, problem.fix) if part)


def fix_words(problem: Problem, table: Mapping[str, Field]) -> str:
    """What a button says that puts a problem right: "Use 410", "Switch it off"; empty where there is no such button.

    Args:
        problem: It.
        table: The settings by their paths.
    """
    said = []
    for path, value in problem.sets.items():
        field = table.get(path)
        if field is None:
            return ""
        if path != problem.where:
            said.append(_tr("{name}: {value}").format(name=field.title, value=value_words(field, value)))
        elif isinstance(value, bool) or value == 0:
            said.append(_tr("Switch it on") if value else _tr("Switch it off"))
        else:
            said.append(_tr("Use {value}").format(value=value_words(field, value)))
    return ", ".join(said)


def preset_words(preset: Preset) -> str:
    """What a preset sets, one after the other: "Passes over data: 3 · Adapter size: 16". No pair is broken."""
    table = {field.path: field for field in told_fields(TrainSettings)}
    pairs = [(table[path], value) for path, value in preset.values.items() if path not in preset.unsaid]
    said = [_tr("{name}: {value}").format(name=field.title, value=value_words(field, value)) for field, value in pairs]
    return " · ".join(words.replace(" ", "\u00a0") for words in said)


def differences(settings: TrainSettings, base: TrainSettings) -> list[tuple[Field, Any]]:
    """The fields whose value is another than in `base` and counts, with their value in `settings`."""
    there = flatten(base)
    here = flatten(settings)
    other = (field for field in fields(settings) if here[field.path] != there.get(field.path))
    return [(field, here[field.path]) for field in other if not idle_because_of(field.path, here)]


def _command_base(settings: TrainSettings, preset: str) -> tuple[str, TrainSettings]:
    """The way of tuning where it must be said, and what a command with it (and the preset) alone would use."""
    base = load_preset(preset).settings() if preset else TrainSettings()
    name = name_of(settings)
    if name == name_of(base):
        return "", base
    return name, build(TrainSettings, values_of(name), base)


def as_command(settings: TrainSettings, preset: str, model: str = "", data: str = "", start: str = "") -> str:
    """The `apprentice train` line that does the same without the window."""
    words = ["apprentice", "train"]
    if model:
        words += ["--model", model]
    if data:
        words += ["--data", data]
    if start:
        words += ["--from-adapter", start]
    method, base = _command_base(settings, preset)
    if preset:
        words += ["--preset", preset]
    if method:
        words += ["--method", method]
    for field, value in differences(settings, base):
        option = field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", format_number(value) if isinstance(value, float) else str(value)]
    return shlex.join(words)


def as_file(settings: TrainSettings, preset: str, model: str = "", data: str = "", start: str = "") -> str:
    """The same as a job file (TOML) for `apprentice train JOB.toml`."""
    method, base = _command_base(settings, preset)
    table: dict[str, Any] = {"model": model, "data": data, "from_adapter": start, "preset": preset, "method": method}
    table = {key: value for key, value in table.items() if value}
    table["settings"] = {field.path: value for field, value in differences(settings, base)}
    return tomli_w.dumps(table)
