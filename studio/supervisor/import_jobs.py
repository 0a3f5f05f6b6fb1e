"""What an import of the user's files is asked to do, and the folders of short jobs."""

import shutil
import time
from pathlib import Path

from studio.contract.job import ImportJob, Mapping
from studio.contract.run_folder import MARKER, RunFolder, datasets_folder, jobs_folder
from studio.data.worker_lock import living_worker


def new_import(
    source: Path,
    mapping: Mapping | None = None,
    held_back: str = "",
    name: str = "",
    into: str = "",
    skip_damaged: bool = False,
    more: tuple[Path, ...] = (),
) -> ImportJob:
    """The job that imports a choice of files.

    Args:
        source: A file, a folder or a ZIP archive.
        mapping: None to detect it.
        held_back: An own test file, or "".
        name: Shown name; the first file's name where empty.
        into: Id of a dataset to replace (a mapping was changed); a new one where empty.
        skip_damaged: Leave damaged lines out instead of refusing the file.
        more: Further files of the same dataset.
    """
    folder = datasets_folder() / (into or RunFolder.create(datasets_folder(), "data").id)
    if not into:
        delete_ours(folder)  # only its name was wanted: the import makes it
    others = f" + {len(more)}" if more else ""
    return ImportJob(
        source=str(source),
        destination=str(folder),
        name=name or source.name + others,
        mapping=mapping,
        held_back=held_back,
        skip_damaged=skip_damaged,
        more=tuple(str(path) for path in more),
    )


def delete_ours(folder: Path) -> None:
    """Delete a folder of ours; one without the marker, or a link, is left alone."""
    if (folder / MARKER).is_file() and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)


YOUNG_SECONDS = 3600
"""A folder without a lock may have been made by another window or a terminal just now, which is about to work there."""


def clear_old_jobs() -> None:
    """Delete folders of short jobs that no worker works on. One without a lock is left alone while it is young."""
    for path in jobs_folder().iterdir():
        folder = RunFolder(path)
        if living_worker(folder) is None and (folder.lock.exists() or _age_seconds(path) > YOUNG_SECONDS):
            delete_ours(path)


def _age_seconds(path: Path) -> float:
    """Since the folder was last changed; a clock that was set back counts as no age."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # gone meanwhile
        return 0.0
