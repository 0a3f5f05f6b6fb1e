"""What a dropped file or folder is, by its content, and where it goes; or why it cannot be used."""

import os
from pathlib import Path
from typing import Literal

import msgspec
from PySide6.QtCore import QCoreApplication

from studio.contract.job import JOB_SUFFIX
from studio.contract.run_folder import MARKER, RunFolder
from studio.data import folders, kinds, update_note
from studio.data.formats import SUFFIXES
from studio.data.run_history import summarise
from studio.ui import wording

Kind = Literal["dataset", "model", "run", "update", "none"]

_OF_A_MODEL = (
    "config.json", "generation_config.json", "model.safetensors.index.json", "special_tokens_map.json",
    "tokenizer.json", "tokenizer_config.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt",
)  # fmt: skip
"""Files of a model's folder whose endings datasets have, too."""
_LARGEST_CONFIG = 1_000_000
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".ckpt")


class Route(msgspec.Struct, frozen=True):
    """Where a path goes. `kind` "none": nowhere, and `sentence` says why.

    Attributes:
        page: Name of a row of PAGES.
        path: What is opened: for an adapter inside a run, the run's folder.
        sentence: What would happen on release.
        more: Further files of the same dataset.
    """

    kind: Kind
    page: str
    path: Path
    sentence: str
    more: tuple[Path, ...] = ()


_LOOKED_INTO = 64 * 1024
"""Bytes of a file whose ending says nothing."""
_LOOKED_AT = 500
"""Entries of a folder that are looked at, to see whether it holds rows: a drag must not wait for a whole disk."""


def _tr(text: str) -> str:
    return QCoreApplication.translate("drop", text)


def route(path: Path) -> Route:
    """Look at a path; cheap enough to be asked while it is dragged."""
    if path.is_dir():
        return _route_folder(path)
    if path.name in _OF_A_MODEL and _is_model(path.parent):
        words = _tr("{name} belongs to a model: add the model in {folder}")
        return Route("model", "models", path.parent, words.format(name=path.name, folder=_called(path.parent)))
    if path.name == "adapter_config.json":
        return _route_folder(path.parent)
    if path.suffix.lower() in SUFFIXES:
        return _dataset(path)
    if path.suffix.lower() == update_note.SUFFIX:
        return Route(
            "update", "settings", path, _tr("Check whether {name} tells of a newer version").format(name=path.name)
        )
    if path.suffix.lower() == JOB_SUFFIX:
        return _none(path, _tr("{name} is a job: it is trained by `apprentice train {name}` in a terminal."))
    if path.suffix.lower() in _WEIGHTS:
        return _none(path, _tr("A model is a folder: drop the folder that holds {name} and its config.json."))
    return _route_by_content(path)


def _dataset(path: Path) -> Route:
    return Route("dataset", "data", path, _tr("Import {name} as a dataset").replace("{name}", path.name))


def _route_by_content(path: Path) -> Route:
    """A file whose ending says nothing: what may hold rows goes to the import, which tells more of it than this."""
    start = b""
    if path.is_file():  # not a pipe, which a look would wait for
        try:
            with path.open("rb") as file:
                start = file.read(_LOOKED_INTO)
        except OSError:
            return _dataset(path)  # the import says why it cannot be opened
        code, kind = kinds.other(start)
        if code:
            words = _tr("{name} is {kind}. {fix}").replace("{kind}", kind)
            return _none(path, words.replace("{fix}", wording.told(kinds.fix(code))))
        packed = start.startswith((kinds.ZIP, kinds.EMPTY_ZIP)) or kinds.packing(start) or kinds.table(start)
        if packed or kinds.encoding(start):
            return _dataset(path)
    return _none(
        path, _tr("{name} cannot be read. Datasets are files of these kinds: {known}.").replace("{known}", kinds.KINDS)
    )


def _route_folder(path: Path) -> Route:
    if (path / MARKER).is_file():
        summary = summarise(RunFolder(path))
        if summary is not None and summary.has_adapter:
            return Route("run", "chat", path, _tr("Chat with {name}").format(name=summary.job.name))
        if summary is not None:
            return Route("run", "runs", path, _tr("Show {name}").format(name=summary.job.name))
    if (path / "adapter_config.json").is_file():
        if (path.parent / MARKER).is_file():
            return _route_folder(path.parent)
        return _none(
            path, _tr("{name} is an adapter without its run: only the adapters of runs made here can be used.")
        )
    if (path / "config.json").is_file():
        return Route("model", "models", path, _tr("Add the model in {name}").format(name=_called(path)))
    if folders.is_saved(path) or _holds_rows(path):
        return Route("dataset", "data", path, _tr("Import the files in {name} as a dataset").format(name=_called(path)))
    return _none(path, _tr("{name} holds no dataset that can be read, and no model: there is no config.json in it."))


def _holds_rows(folder: Path) -> bool:
    """Whether one of the first files has an ending that datasets have."""
    looked = 0
    for _, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in names:
            looked += 1
            if Path(name).suffix.lower() in SUFFIXES and name not in folders.DESCRIPTIONS:
                return True
        looked += len(inner)
        if looked > _LOOKED_AT:
            return False
    return False


def route_all(paths: list[Path]) -> Route:
    """Look at everything that is dropped at once: several files make one dataset, all else comes alone."""
    first = route(paths[0])
    if len(paths) == 1:
        return first
    for path in paths:
        found = route(path)
        if found.kind == "none":
            return found
        if found.kind != "dataset":
            return _none(path, _tr("Drop {name} alone: only files of examples are taken together."))
    words = _tr("Import {count} files as one dataset").format(count=len(paths))
    return Route("dataset", "data", paths[0], words, tuple(paths[1:]))


def _none(path: Path, sentence: str) -> Route:
    return Route("none", "", path, sentence.replace("{name}", _called(path)))


def _called(path: Path) -> str:
    """The root of a disk has no name of its own."""
    return path.name or str(path)


def _is_model(folder: Path) -> bool:
    """Whether its config.json tells of a model; a user's own file may have that name, too."""
    try:
        with (folder / "config.json").open("rb") as file:
            table = msgspec.json.decode(file.read(_LARGEST_CONFIG))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(table, dict) and ("model_type" in table or "architectures" in table)
