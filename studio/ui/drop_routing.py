"""What a dropped file or folder is, by its content, and where it goes; or why it cannot be used."""

from pathlib import Path
from typing import Literal

import msgspec
from PySide6.QtCore import QCoreApplication

from studio.contract.run_folder import MARKER, RunFolder
from studio.data.formats import FORMATS
from studio.data.run_history import summarise

Kind = Literal["dataset", "model", "run", "none"]

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".ckpt")


class Route(msgspec.Struct, frozen=True):
    """Where a path goes. `kind` "none": nowhere, and `sentence` says why.

    Attributes:
        page: Name of a row of PAGES.
        path: What is opened: for an adapter inside a run, the run's folder.
        sentence: What would happen on release.
    """

    kind: Kind
    page: str
    path: Path
    sentence: str


def _tr(text: str) -> str:
    return QCoreApplication.translate("drop", text)


def route(path: Path) -> Route:
    """Look at a path; cheap enough to be asked while it is dragged."""
    if path.is_dir():
        return _route_folder(path)
    suffixes = {suffix for row in FORMATS.values() for suffix in row.suffixes}
    if path.suffix.lower() in suffixes:
        return Route("dataset", "data", path, _tr("Import {name} as a dataset").format(name=path.name))
    if path.suffix.lower() in _WEIGHTS:
        return _none(path, _tr("A model is a folder: drop the folder that holds {name} and its config.json."))
    known = ", ".join(sorted(suffix.removeprefix(".").upper() for suffix in suffixes))
    return _none(path, _tr("{name} cannot be read. Datasets are files of the kinds {known}.").replace("{known}", known))


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
        return Route("model", "models", path, _tr("Add the model in {name}").format(name=path.name))
    return _none(path, _tr("{name} is no model folder: there is no config.json in it."))


def _none(path: Path, sentence: str) -> Route:
    return Route("none", "", path, sentence.replace("{name}", path.name))
