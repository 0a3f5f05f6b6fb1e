"""Where models may lie: a folder, a USB stick, the cache of the Hugging Face libraries. Looks, reads nothing."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.contract.control import Control, Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.events import FoundModel, ModelsFound, Progress

DEEPEST = 5
MOST_FOLDERS = 20_000
MOST_FOUND = 200
MOST_UNASKED = 5
"""Models that one word adds at once; whoever names a whole drive by mistake is asked first."""


def hugging_face_cache() -> Path:
    """The cache that the Hugging Face libraries use on this computer; it may not be there."""
    chosen = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if chosen:
        return Path(chosen)
    home = os.environ.get("HF_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "huggingface") / "hub"


def current_snapshot(model: Path) -> Path | None:
    """The snapshot of a model of the Hugging Face cache that its name stands for; None where none is noted, or half.

    Args:
        model: The cache's folder of the model, `models--maker--name`.
    """
    try:
        noted = (model / "refs" / "main").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    folder = model / "snapshots" / noted
    return folder if noted.isalnum() and (folder / "config.json").is_file() and has_weights(folder) else None


def has_weights(folder: Path) -> bool:
    """Whether a snapshot has weights, too: a download that broke off may have left config and tokenizer alone."""
    return any((folder / name).is_file() for name in ("model.safetensors", "model.safetensors.index.json"))


def hub_id(name: str) -> str:
    """A model's name as other programs and hubs know it: an older snapshot of the cache without its revision."""
    return re.sub(r"(.+/.+)@\w{1,7}$", r"\1", name)


PARTS = ("*.safetensors", "tokenizer.json", "tokenizer_config.json", "pytorch_model*.bin")
"""Files of a model; a folder with some of them and no config.json is a model that lacks it."""


def look_through(
    place: Path, first_look: Callable[[Path], Problem | None], emit: Emit, control: Control
) -> ModelsFound:
    """Model folders in a folder, with the bytes of their weights; for a worker, as slow drives take their time.

    Args:
        place: The folder.
        first_look: Tells what forbids the use of a model folder.
        emit: Gets how far it is.
        control: May end it.

    Raises:
        StudioError: The user gave it up.
    """
    seen = 0

    def heard() -> None:
        emit(Progress(stage="Looking for models", done=seen, unit="folders"))
        if control.poll() in ("stop", "discard"):
            raise StudioError("model.look_stopped", "Not all folders were looked through.", "You stopped it.")

    def told() -> None:
        nonlocal seen
        seen += 1
        heard()

    def looked(path: Path) -> FoundModel:
        heard()  # a slow stick takes its time for each of them, too
        return FoundModel(str(path), _weight_bytes(path), first_look(path))

    found = find_models(place, told=told) if place.is_dir() else []
    models = tuple(looked(path) for path in found)
    return ModelsFound(place=str(place), models=models, holds_parts=not models and holds_parts(place))


def _weight_bytes(folder: Path) -> int:
    total = 0
    for path in folder.glob("*.safetensors"):
        try:
            total += path.stat().st_size
        except OSError:
            continue  # a link into nowhere; the check names it
    return total


def holds_parts(place: Path) -> bool:
    """Whether a folder without a config.json has other files of a model."""
    return any(True for part in PARTS for _ in place.glob(part)) and not (place / "adapter_config.json").exists()


def find_models(place: Path, most: int = MOST_FOLDERS, told: Callable[[], None] = lambda: None) -> list[Path]:
    """Model folders in a folder: those with a config.json, not looked into any further.

    Links are followed nowhere but in snapshots of the Hugging Face cache, whose files are links by design.

    Args:
        place: A model folder, or one that holds some, at most DEEPEST levels down.
        most: Folders that are looked at.
        told: Called before each of them.
    """
    found = list(_walk(place, most, told))
    return sorted(found, key=lambda path: (str(path).lower(), str(path)))[:MOST_FOUND]


def _walk(place: Path, most: int, told: Callable[[], None]) -> Iterator[Path]:
    seen = 0
    waiting = [(place, 0)]
    while waiting and seen < most:
        folder, depth = waiting.pop()
        seen += 1
        told()
        try:
            if (folder / "config.json").is_file() and not (folder / "adapter_config.json").exists():
                yield folder
                continue
            current = current_snapshot(folder.parent) if folder.name == "snapshots" and folder != place else None
            if current is not None:  # the others are offered to whoever asks for them
                waiting.append((current, depth + 1))
            elif depth < DEEPEST:
                inner = (Path(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
                waiting += [(path, depth + 1) for path in inner if path.name not in ("blobs", ".git", ".no_exist")]
        except OSError:
            continue  # a folder that may not be read holds nothing for us
