"""The adapter alone, in PEFT's layout, with a model card: safetensors, no path of this computer in it."""

import errno
import json
import os
import re
import secrets
import shutil
from pathlib import Path

from studio.contract import job
from studio.contract.errors import StudioError
from studio.contract.events import Exported
from studio.contract.run_folder import RunFolder
from studio.data.model_card import write_card
from studio.data.new_folder import sync_folder
from studio.data.run_history import summarise
from studio.engine.tokenizer_file import read_template
from studio.engine.weights_file import Damaged, read_header, read_json

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
RESERVED = frozenset({"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))})
LONGEST_PATH = 240
"""Characters; Windows' limit of 260 less the longest name of a file in the folder."""


def write(run: Path, destination: Path) -> Exported:
    """Export a run's adapter.

    Everything is written under a temporary name beside the destination, flushed to the disk and renamed, so the
    final name never holds half an export.

    Args:
        run: A run's folder.
        destination: Folder that does not exist yet.

    Raises:
        StudioError: The run has no adapter, or the destination exists or cannot be written.
    """
    folder = RunFolder(run)
    work = _read_job(folder)
    _require_adapter(folder)
    destination = Path(os.path.abspath(destination))
    _require_free(destination)
    temporary = destination.parent / f".apprentice-export-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        try:
            _fill(temporary, folder, work)
            _sync(temporary)
            _require_free(destination)  # again: time has passed
            temporary.rename(destination)
            sync_folder(destination.parent)
        finally:
            if temporary.exists():
                shutil.rmtree(temporary)
    except Damaged as damage:
        raise StudioError.of(damage.problem) from damage
    except OSError as error:
        raise _unwritable(destination, error) from error
    files = sorted(path for path in destination.iterdir() if path.is_file())
    return Exported(
        path=str(destination),
        files=tuple(path.name for path in files),
        total_bytes=sum(path.stat().st_size for path in files),
    )


def _fill(temporary: Path, folder: RunFolder, work: job.TrainJob) -> None:
    shutil.copyfile(folder.adapter / WEIGHTS, temporary / WEIGHTS)
    read_header(temporary / WEIGHTS)
    config = read_json(folder.adapter / CONFIG, 1_000_000)
    config["base_model_name_or_path"] = work.model_name
    (temporary / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    template = _template(Path(work.model))
    if template:
        (temporary / "chat_template.jinja").write_text(template, encoding="utf-8", newline="\n")
    summary = summarise(folder)
    assert summary is not None, "the job was read before"
    write_card(temporary / "README.md", folder, summary)


def _read_job(folder: RunFolder) -> job.TrainJob:
    work = job.load(folder.job)
    if not isinstance(work, job.TrainJob):
        raise _no_adapter(folder, "The folder is no training run.")
    return work


def _require_adapter(folder: RunFolder) -> None:
    for name in (CONFIG, WEIGHTS):
        if not (folder.adapter / name).is_file():
            raise _no_adapter(folder, f"Its adapter has no {name}; perhaps it was discarded or has not ended yet.")
    try:
        read_header(folder.adapter / WEIGHTS)
    except Damaged as damage:
        raise StudioError.of(damage.problem) from damage


def _no_adapter(folder: RunFolder, why: str) -> StudioError:
    return StudioError(
        "export.no_adapter",
        f"The run {folder.id} has no adapter to export.",
        why,
        "Choose a run that was finished or stopped with saving.",
        where=folder.id,
    )


def _require_free(destination: Path) -> None:
    name = destination.name
    if not name or name.split(".")[0].upper() in RESERVED or re.search(r'[<>:"|?*\x00-\x1f]|[. ]$', name):
        raise StudioError(
            "export.bad_name",
            f"A folder cannot be named {name!r} on every system.",
            "Windows reserves some names and characters.",
            "Choose another name.",
            where=name,
        )
    if len(str(destination)) > LONGEST_PATH:
        raise StudioError(
            "export.path_too_long",
            f"The folder's path has {len(str(destination))} characters.",
            f"Not every system can open more than about {LONGEST_PATH}.",
            "Choose a shorter name, or a folder nearer to the root.",
            where=name,
        )
    if os.path.lexists(destination):
        raise StudioError(
            "export.exists",
            f"{name} exists already.",
            "An export never overwrites anything.",
            "Choose another name.",
            where=str(destination),
        )


def _template(model: Path) -> str | None:
    """The base model's chat template: the adapter was trained with it."""
    try:
        return read_template(model)
    except (Damaged, OSError):
        return None  # the base model may have been moved since; the adapter is whole without it


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    sync_folder(folder)


def _unwritable(destination: Path, error: OSError) -> StudioError:
    reasons = {
        errno.ENOSPC: ("export.disk_full", "The disk is full.", "Free some space, or choose another disk."),
        errno.EDQUOT: ("export.disk_full", "Your share of the disk is used up.", "Free some space."),
        errno.EROFS: ("export.read_only", "The disk is read-only.", "Choose another folder."),
        errno.EACCES: ("export.read_only", "You may not write to that folder.", "Choose another folder."),
        errno.EPERM: ("export.read_only", "You may not write to that folder.", "Choose another folder."),
    }
    code, why, fix = reasons.get(
        error.errno or 0, ("export.unwritable", error.strerror or str(error), "Choose another folder.")
    )
    return StudioError(code, "The export could not be written.", why, fix, where=str(destination.parent))
