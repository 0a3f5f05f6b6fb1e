"""The files of a folder, of a ZIP archive and of a dataset that `datasets` saved, before any of them is opened."""

import os
from pathlib import Path
from typing import Any

import msgspec

from studio.contract.errors import StudioError
from studio.data import archive, kinds
from studio.data.part import Part
from studio.data.wording import shown

MAX_FILES = archive.MAX_MEMBERS
MAX_DEPTH = 32
_MAX_STATE_BYTES = 4 * 1024 * 1024
_DICT_FILE, _STATE_FILE, _INFO_FILE = "dataset_dict.json", "state.json", "dataset_info.json"
DESCRIPTIONS = (_DICT_FILE, _STATE_FILE, _INFO_FILE, "dataset_infos.json")
"""JSON files that describe a dataset and hold none of its rows."""


def files_of_folder(folder: Path) -> list[Part]:
    """All files below a folder in the order of their names, hidden ones left out.

    Raises:
        StudioError: A link leads to a folder, out of the folder or in a loop; there are too many files; a folder
            cannot be read.
    """
    parts: list[Part] = []
    root = folder.resolve()
    waiting = [(folder, "", 0)]
    while waiting:
        here, prefix, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise _refused("too_deep", here.name, f"Folders lie more than {MAX_DEPTH} levels inside each other.")
        below = []
        for entry in _entries(here):
            name = prefix + entry.name
            if entry.name.startswith((".", "~$")):
                continue
            if entry.is_symlink():
                _check_link(entry, root, name)
            if entry.is_dir(follow_symlinks=False):
                below.append((Path(entry.path), f"{name}/", depth + 1))
            else:
                parts.append(Part(path=Path(entry.path), name=name))
        waiting += reversed(below)
        if len(parts) > MAX_FILES:
            raise _refused("too_many_files", folder.name, f"This folder holds more than {MAX_FILES:,} files.")
    return parts


def files_of_zip(path: Path) -> list[Part] | None:
    """The members of a ZIP archive in its order, hidden ones left out; None where the file is no such archive.

    Raises:
        StudioError: See `archive.read_directory`.
    """
    if not path.is_file():
        return None
    name = shown(path.name, 120)
    try:
        with path.open("rb") as file:
            if not file.read(4).startswith((kinds.ZIP, kinds.EMPTY_ZIP)):
                return None
            members = archive.read_directory(file, name)
    except OSError as error:
        raise _unreadable(path, error) from error
    if archive.kind(members) != "zip":
        return None
    return [
        Part(path=path, member=member, name=f"{name}/{member.name}")
        for member in members
        if not any(piece.startswith((".", "~$", "__MACOSX")) for piece in member.name.split("/"))
    ]


def is_saved(folder: Path) -> bool:
    """Whether `datasets` saved a dataset, or several splits of one, in this folder."""
    return (folder / _DICT_FILE).is_file() or ((folder / _STATE_FILE).is_file() and (folder / _INFO_FILE).is_file())


def files_of_saved(folder: Path) -> list[Part]:
    """The Arrow files of a saved dataset in their order, each with its split; nothing of it is run.

    Raises:
        StudioError: Its description is damaged or leads out of the folder.
    """
    if not (folder / _DICT_FILE).is_file():
        return _shards(folder, "", "")
    splits = _described(folder / _DICT_FILE).get("splits")
    if not isinstance(splits, list) or not splits:
        raise _damaged(folder / _DICT_FILE, "It names no splits.")
    parts = []
    for split in splits:
        name = _plain_name(split, folder / _DICT_FILE)
        parts += _shards(folder / name, name, f"{name}/")
    return parts


def _shards(folder: Path, split: str, prefix: str) -> list[Part]:
    path = folder / _STATE_FILE
    state = _described(path)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise _damaged(path, "Its rows are chosen by an index of their own; save it again with a newer `datasets`.")
    files = state.get("_data_files")
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise _damaged(path, "It names no files.")
    names = [_plain_name(file.get("filename"), path) for file in files]
    return [Part(path=folder / name, name=prefix + name, split=split) for name in names]


def _described(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_STATE_BYTES)
        value = msgspec.json.decode(content)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(value, dict):
        raise _damaged(path, "It is no object with named values.")
    return value


def _plain_name(name: object, where: Path) -> str:
    if not isinstance(name, str) or not name or name in (".", "..") or any(char in name for char in "/\\:\x00"):
        raise StudioError(
            "data.unsafe_path",
            f'It names an unsafe path: "{shown(str(name))}".',
            "Only files of the folder itself are read.",
            "Do not trust this folder; get the data from elsewhere.",
            where=shown(where.name),
        )
    return name


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(folder, error) from error


def _check_link(entry: os.DirEntry[str], root: Path, name: str) -> None:
    shown_name = f"{root.name}/{name}"
    try:
        target = Path(entry.path).resolve()
        is_folder = target.is_dir()
    except (OSError, RuntimeError):  # links that lead to each other
        raise _loop(shown_name) from None
    if is_folder and root.joinpath(name).parent.is_relative_to(target):
        raise _loop(shown_name)
    if is_folder or not target.is_relative_to(root):
        kind = "another folder" if is_folder else "a file outside this folder"
        raise _refused("link_refused", shown_name, f"This is a link to {kind}; such links are refused.")


def _loop(name: str) -> StudioError:
    return _refused("folder_loop", name, "This link leads back to where it stands: a loop.")


def _refused(code: str, name: str, what: str) -> StudioError:
    return StudioError(
        f"data.{code}",
        what,
        "A dataset's folder holds some files of many rows each, and nothing that leads elsewhere.",
        "Choose a folder that holds the files themselves.",
        where=shown(name, 120),
    )


def _damaged(path: Path, reason: str) -> StudioError:
    return StudioError(
        "data.damaged_folder",
        "The description of this saved dataset is damaged.",
        f"{reason.splitlines()[0].rstrip('.')}.",
        "Save it again, or choose its .arrow files.",
        where=shown(f"{path.parent.name}/{path.name}", 120),
    )


def _unreadable(path: Path, error: OSError) -> StudioError:
    return StudioError(
        "data.unreadable",
        "It cannot be opened.",
        error.strerror or str(error),
        "Check that it is there and that you may read it.",
        where=shown(path.name, 120),
    )
