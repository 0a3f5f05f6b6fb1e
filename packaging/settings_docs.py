"""Writes docs/settings.md from the settings' own declarations, or checks that it is up to date.

python packaging/settings_docs.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from studio.contract.fields import GROUPS, Field, build, fields
from studio.contract.method_choice import values_of
from studio.contract.methods import METHODS, Method
from studio.contract.sampling import Sampling
from studio.contract.settings import TrainSettings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Made from `studio/contract/settings.py`, `methods/` and `sampling.py` by `python3 packaging/dev.py docs`; do not edit.
The window's form, the command line's options (`apprentice train --help`) and the checks are made from the same.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    declared = fields(TrainSettings)
    for group, title in GROUPS.items():
        parts.append(f"## {title}\n")
        mine = [field for field in declared if field.group == group and not field.path.startswith("method.")]
        parts += [_entry(field) for field in mine]
        if group == "adapter":
            parts += [_method(name, row) for name, row in METHODS.items()]
    parts.append("## How a chat draws the next word\n")
    parts += [_entry(field) for field in fields(Sampling)]
    return "\n".join(parts)


def _method(name: str, row: Method) -> str:
    """A way of tuning: what it is, when to choose it, what it sets, and its own settings."""
    lines = [f"### {row.label}", "", row.help, "", f"- When to choose it: {row.when}"]
    lines += [f"- Option: `apprentice train --method {name}`"]
    if row.sets:
        sets = ", ".join(f"`{path}` = `{_plain(value)}`" for path, value in row.sets.items())
        lines += [f"- Choosing it sets {sets}" + (f" ({row.rate_source})" if row.rate_source else "")]
    lines += [f"- Highest learning rate: {row.highest_rate:g}", ""]
    if name == "qlora":
        return "\n".join([*lines, f"Its settings are those of {METHODS['lora'].label}.", ""])
    settings = build(TrainSettings, values_of(name))
    own = [_entry(field, "####") for field in fields(settings) if field.path.startswith("method.")]
    return "\n".join([*lines, *(own or ["It has no settings of its own.", ""])])


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _entry(field: Field, level: str = "###") -> str:
    option = f"--{field.name.replace('_', '-')}"
    place = (
        f"Option of `apprentice chat`: `{option}`" if field.group == "sampling" else f"In a job file: `{field.path}`"
    )
    lines = [f"{level} {field.label}", "", field.help, "", f"- {place}"]
    if field.choices:
        lines += ["- Choices: " + "; ".join(f"`{value}` ({words})" for value, words in field.choices.items())]
    limits = _limits(field)
    if limits:
        lines += [f"- Limits: {limits}"]
    lines += [f"- Default: {_value(field.default)}{_unit(field)}", f"- Why this default: {field.source}"]
    if field.group != "sampling":
        lines += ["- Shown at: " + ("Simple and Full" if field.simple else "Full")]
    lines.append("")
    return "\n".join(lines)


def _limits(field: Field) -> str:
    parts = []
    if field.minimum is not None:
        parts.append(f"{'above' if field.minimum_open else 'at least'} {field.minimum:,.10g}")
    if field.maximum is not None:
        parts.append(f"at most {field.maximum:,.10g}")
    return ", ".join(parts)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value == "":
        return "none"
    return f"`{value}`"


def _unit(field: Field) -> str:
    return f" {field.unit}" if field.unit and field.unit != "share" else ""


def main(arguments: list[str]) -> int:
    """Writes the page; with `--check` exit code 1 where it is out of date."""
    wanted = page()
    if "--check" not in arguments:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{PAGE.name} is out of date: run `python3 packaging/dev.py docs` and commit it.")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
