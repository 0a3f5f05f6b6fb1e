"""Take a model folder into the library: checked, every file hashed, and copied where that is wished. Needs no torch."""

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from studio.contract.control import Control, Emit
from studio.contract.errors import StudioError
from studio.contract.events import ModelChecked, Progress
from studio.contract.job import AddModelJob
from studio.contract.run_folder import MARKER, make_folder, models_folder
from studio.contract.whole_file import sync_names
from studio.data.base_identity import fingerprint
from studio.data.model_library import name_copy
from studio.data.own_files import is_own, own_files
from studio.engine import model_folder
from studio.engine.model_files import USED

PARTIAL = ".partial-"
MARGIN = 1.05
BLOCK = 1 << 22


def add(work: AddModelJob, emit: Emit, control: Control) -> ModelChecked:
    """Check and hash a model folder, and copy it where that is wished.

    A folder that is not usable is given back with its problems, and nothing of it is copied.

    Raises:
        StudioError: The user stopped, the disk has no room, or a file cannot be read or written.
    """
    emit(Progress(stage="Checking the model"))
    source = Path(work.path)
    checked = model_folder.check(source)
    if not checked.usable:
        return checked
    copy = work.copy and not checked.copied  # our own copy is not copied again
    files = model_files(source)
    total = sum(path.stat().st_size for path in files)
    done = 0

    def told(count: int) -> None:
        nonlocal done
        if control.poll() in ("stop", "discard"):
            raise StudioError("model.add_stopped", "The model was not added.", "You stopped it.", "Add it again.")
        done += count
        stage = "Copying the model" if copy else "Reading every file once (SHA-256)"
        emit(Progress(stage=stage, done=done, total=total, unit="bytes"))

    try:
        if not copy:
            hashes = {path.name: _hashed(path, None, told) for path in files}
            return known(checked, hashes)
        return _copied(source, checked, files, total, told)
    except OSError as error:
        full = "The disk is full." if error.errno == 28 else error.strerror or str(error)
        raise StudioError(
            "model.add_failed",
            f"The model {checked.name} could not be added.",
            full,
            "Free some space or choose another place, and add it again; nothing half is left behind.",
            where=source.name,
        ) from error


def model_files(folder: Path) -> list[Path]:
    """The files of a model folder that are used: weights, tokenizer, configs, terms of use.

    Links that lead out of the folder are left out; the check of the folder names them.
    """
    return own_files(folder, USED)


def changed_files(
    folder: Path, sha256: Mapping[str, str], told: Callable[[int], None] = lambda count: None
) -> list[str]:
    """Files that are not what they were when the model was added, in words.

    Args:
        folder: Of the model.
        sha256: What was noted of its files, by their names.
        told: Called with the bytes of each block that was read.
    """
    found = []
    for name, wanted in sorted(sha256.items()):
        path = folder / name
        if not is_own(path):
            found.append(f"{name} leads elsewhere" if os.path.lexists(path) else f"{name} is gone")
        elif _hashed(path, None, told) != wanted:
            found.append(f"{name} was changed")
    return found


def known(checked: ModelChecked, hashes: dict[str, str]) -> ModelChecked:
    """What was found of a model, with the hashes of its files and its fingerprint."""
    print_ = fingerprint(Path(checked.path))
    return msgspec.structs.replace(checked, sha256=hashes, fingerprint=print_)


def _copied(
    source: Path, checked: ModelChecked, files: list[Path], total: int, told: Callable[[int], None]
) -> ModelChecked:
    place = models_folder()
    free = shutil.disk_usage(place).free
    if free < total * MARGIN:
        raise StudioError(
            "model.no_room",
            f"The disk has no room for {checked.name}: {free / 1e9:.2f} GB are free, {total * MARGIN / 1e9:.2f} GB "
            "are needed.",
            "Nothing was copied.",
            "Free some space, or leave the model where it is and add it without copying.",
            where=source.name,
        )
    _sweep(place)
    temporary = make_folder(place / f"{PARTIAL}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        hashes = {path.name: _hashed(path, temporary / path.name, told) for path in files}
        name_copy(temporary, checked.name)
        sync_names(temporary)
        again = model_folder.check(temporary)
        if again.problems:
            raise StudioError.of(again.problems[0])
        destination = free_name(place, checked.name)
        temporary.rename(destination)
        sync_names(place)
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)
    return known(model_folder.check(destination), hashes)


def _hashed(path: Path, copy: Path | None, told: Callable[[int], None]) -> str:
    """SHA-256 of a file, read once; with `copy`, what was read is written there and synced."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        target = copy.open("xb") if copy is not None else None
        try:
            while block := file.read(BLOCK):
                digest.update(block)
                if target is not None:
                    target.write(block)
                told(len(block))
            if target is not None:
                target.flush()
                os.fsync(target.fileno())
        finally:
            if target is not None:
                target.close()
    return digest.hexdigest()


def free_name(place: Path, name: str) -> Path:
    """A folder of the library that has not been taken, named as nearly as can be."""
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-. ")[:80] or "model"
    number = 1
    while os.path.lexists(place / (stem if number == 1 else f"{stem}-{number}")):
        number += 1
    return place / (stem if number == 1 else f"{stem}-{number}")


def _sweep(place: Path) -> None:
    """Remove what copies that were killed left behind."""
    import psutil

    for folder in place.glob(f"{PARTIAL}*"):
        number = folder.name.removeprefix(PARTIAL).partition("-")[0]
        if (
            not folder.is_symlink()
            and (folder / MARKER).is_file()
            and number.isdigit()
            and not psutil.pid_exists(int(number))
        ):
            shutil.rmtree(folder)
