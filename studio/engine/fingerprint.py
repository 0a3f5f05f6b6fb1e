"""Which base model an adapter was trained on, kept beside it: a hash that renaming or re-sharding does not change."""

import contextlib
from pathlib import Path

import msgspec

from studio.contract.errors import Problem, StudioError
from studio.contract.events import UNVERIFIED
from studio.contract.plain_text import one_line
from studio.data import base_identity
from studio.data.own_files import is_own
from studio.engine.adapter_folder import LARGEST_CONFIG
from studio.engine.model_folder import model_name
from studio.engine.weights_file import inside, read_json

FILE = "base_model.json"
LARGEST = 100_000


class Base(msgspec.Struct, frozen=True):
    """The base model of an adapter: its name for people, its fingerprint for the program."""

    name: str
    fingerprint: str


def of(folder: Path) -> str:
    """The fingerprint of a model folder: names, formats, shapes and first numbers of its tensors; "" if unreadable."""
    try:
        return base_identity.fingerprint(folder)
    except (OSError, ValueError):
        return ""


def write(adapter: Path, model: Path) -> None:
    """Note beside an adapter what it was trained on."""
    base = Base(model_name(model), of(model))
    if base.fingerprint:
        (adapter / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(base), indent=2) + b"\n")


def read(adapter: Path) -> Base | None:
    """What an adapter says it was trained on; None where it does not say (other programs' adapters).

    Raises:
        StudioError: What it says cannot be read.
    """
    path = adapter / FILE
    if not is_own(path):
        return None
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(LARGEST), type=Base)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StudioError(
            "adapter.damaged",
            f"The file {FILE} of the adapter is damaged.",
            str(error),
            "Get the adapter again.",
            where=FILE,
        ) from error


def require_same(adapter: Path, model: Path) -> None:
    """Refuse an adapter that says it was trained on another model than this one.

    Raises:
        StudioError: It was; both are named.
    """
    base = read(adapter)
    here = of(model) if base is not None else ""
    if base is None or not here or here == base.fingerprint:
        return
    raise StudioError(
        "adapter.other_base",
        f"The adapter {adapter.name} does not fit this base model.",
        f"It was trained on {base.name[:100]} ({base.fingerprint[:8]}); this is {model_name(model)} ({here[:8]}), "
        "whose weights are others.",
        "Choose the base model that it was trained on.",
        where=str(adapter),
    )


def unverified(adapter: Path, model: Path) -> Problem | None:
    """What is said where nobody can tell whether an adapter belongs to this base model, though its sizes fit.

    Args:
        adapter: A folder that was read before.
        model: The base model's folder.

    Returns:
        None where the adapter knows its base model's fingerprint, or names this very folder.

    Raises:
        StudioError: What it says cannot be read.
    """
    if read(adapter) is not None:
        return None
    told = read_json(inside(adapter, "adapter_config.json"), LARGEST_CONFIG).get("base_model_name_or_path")
    named = one_line(told)[:100] if isinstance(told, str) else ""
    with contextlib.suppress(OSError, ValueError):
        if isinstance(told, str) and Path(told).is_absolute() and Path(told).samefile(model):
            return None
    name = one_line(model_name(model))
    return Problem(
        code=UNVERIFIED,
        what=f"It cannot be verified that the adapter in {one_line(adapter.name)} belongs to the model {name}.",
        why=f"It {f'says it was trained on {named}' if named else 'does not say on which model it was trained'}, and "
        "bears no fingerprint of that model; its sizes fit this one.",
        fix="If the answers make no sense, choose the base model that it was trained on.",
    )
