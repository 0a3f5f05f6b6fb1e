"""What a problem concerns, in words: a setting's plain name instead of its path, a form's instead of its key."""

from functools import cache

import msgspec

from studio.contract.exports import EXPORTS
from studio.contract.fields import fields
from studio.contract.methods import METHODS
from studio.contract.settings import TrainSettings

OF_SETTINGS = ("settings.", "train.", "device.", "memory.")
"""Beginnings of the codes of problems that `where` may name a setting for; elsewhere it is a file, a row, a folder."""
OTHERS = {
    "start_from": ("Begin with", ""),
    "memory": ("", ""),
    "method.virtual_tokens": ("Learned tokens", "virtual tokens"),
    "method.target_modules": ("Where the adapter sits", "target modules"),
}
"""What is no setting, or is called differently by different ways of tuning -> plain name and term."""


def named(code: str, where: str) -> tuple[str, str]:
    """Plain name and term of what a problem's `where` is about.

    Args:
        code: The problem's.
        where: The problem's.

    Returns:
        Both empty where it needs no name; `where` itself where it is no path of a setting.
    """
    if code.startswith("export.") and where in EXPORTS:
        return EXPORTS[where].label, ""
    return _names().get(where, (where, "")) if code.startswith(OF_SETTINGS) else (where, "")


def put_together(name: str, term: str) -> str:
    """As a form writes it: "Adapter size (rank)"."""
    return name if not term or term.lower() == name.lower() else f"{name} ({term})"


@cache
def _names() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for row in METHODS.values():
        for field in fields(msgspec.structs.replace(TrainSettings(), method=row.settings())):
            known = found.setdefault(field.path, (field.title, field.term))
            if known != (field.title, field.term):  # two ways of tuning call it differently: what both share
                found[field.path] = (field.term[:1].upper() + field.term[1:], "") if field.term else known
    return {**found, **OTHERS}
