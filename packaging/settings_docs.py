"""Writes docs/settings.md from the settings' own declarations, or checks that it is up to date.

python packaging/settings_docs.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from studio.contract.fields import GROUPS, Field, fields
from studio.contract.sampling import Sampling
from studio.contract.settings import TrainSettings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Made from `studio/contract/settings.py`, `methods.py` and `sampling.py` by `python3 packaging/dev.py docs`; do not edit.
The window's form, the command line's options (`apprentice train --help`) and the checks are made from the same.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    declared = fields(TrainSettings)
    for group, title in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [_entry(field) for field in declared if field.group == group]
    parts.append("## How a chat draws the next word\n")
    parts += [_entry(field) for field in fields(Sampling)]
    return "\n".join(parts)


def _entry(field: Field) -> str:
    option = f"--{field.name.replace('_', '-')}"
    place = (
        f"Option of `apprentice chat`: `{option}`" if field.group == "sampling" else f"In a job file: `{field.path}`"
    )
    lines = [f"### {field.label}", "", field.help, "", f"- {place}"]
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
