"""Which base model an adapter was trained on, kept beside it: a hash that renaming or re-sharding does not change."""

from pathlib import Path

import msgspec

from studio.contract.errors import StudioError
from studio.data import base_identity
from studio.data.own_files import is_own
from studio.engine.model_folder import model_name

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
