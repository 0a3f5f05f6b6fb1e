"""Which row of METHODS settings stand for, and what changes when another one is chosen."""

from collections.abc import Mapping
from typing import Any

import msgspec

from studio.contract.fields import Field, fields, flatten
from studio.contract.methods import METHODS, Method, tag_of
from studio.contract.settings import TrainSettings


def name_of(settings: TrainSettings) -> str:
    """The row's name: "qlora" where the settings are LoRA's and the model is loaded in 4-bit as QLoRA is."""
    tag = tag_of(settings.method)
    if tag == "lora" and settings.quantisation == METHODS["qlora"].sets["quantisation"]:
        return "qlora"
    return tag


def row_of(settings: TrainSettings) -> Method:
    """The row itself."""
    return METHODS[name_of(settings)]


def values_of(name: str) -> dict[str, Any]:
    """What choosing a row sets, as dotted path -> value."""
    return {"method": tag_of(METHODS[name].settings), **METHODS[name].sets}


def changed_to(name: str, now: Mapping[str, Any], name_before: str, base: TrainSettings) -> dict[str, Any]:
    """All values after another row was chosen in a form.

    What the earlier row had set goes back to the preset's value, unless the user has changed it since; then the new
    row's settings come in, its own ones with their defaults.

    Args:
        name: The new row.
        now: Values as they stand, dotted path -> value.
        name_before: The earlier row.
        base: The preset's settings.
    """
    kept = {path: value for path, value in now.items() if path != "method" and not path.startswith("method.")}
    preset = flatten(base)
    for path, value in METHODS[name_before].sets.items():
        if kept.get(path) == value:
            kept[path] = preset[path]
    same = METHODS[name].settings is METHODS[name_before].settings
    if same:
        own = {path: value for path, value in now.items() if path.startswith("method.")}
    elif METHODS[name].settings is type(base.method):
        own = {path: value for path, value in preset.items() if path.startswith("method.")}
    else:
        own = {}
    return {**kept, **values_of(name), **own}


def all_fields() -> dict[str, list[tuple[str, Field]]]:
    """Every setting of training by path, those of all ways of tuning too; each with the labels of those that have it.

    A path of several ways of tuning ("method.rank") has several declarations; any other has one, with the label "".
    """
    found: dict[str, list[tuple[str, Field]]] = {}
    for field in fields(TrainSettings):
        if not field.path.startswith("method."):
            found[field.path] = [("", field)]
    for name, row in METHODS.items():
        if name == "qlora":
            continue  # LoRA's
        settings = msgspec.structs.replace(TrainSettings(), method=row.settings())
        for field in fields(settings):
            if field.path.startswith("method."):
                found.setdefault(field.path, []).append((row.label, field))
    return found
