"""Imported datasets: folders under the program's home, each with dataset.json and rows.arrow.

pyarrow and numpy are imported where they are needed: listing the datasets must not cost the window's start 0.2 s.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from studio.contract.errors import Problem, StudioError
from studio.contract.job import Mapping
from studio.contract.records import Kind, Record
from studio.contract.run_folder import MARKER, datasets_folder
from studio.data.split import is_held_back
from studio.data.wording import shown

INFO_FILE = "dataset.json"
ROWS_FILE = "rows.arrow"
TRANSIENT = "."
"""First character of folders that are being made or deleted."""


class SourceFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was imported, as it was then; the file itself is never changed."""

    name: str
    path: str
    sha256: str
    size_bytes: int
    format: str
    encoding: str
    rows: int


class DatasetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a dataset without opening its rows.

    Attributes:
        id: Name of its folder.
        name: Shown name; the user can change it.
        sources: The imported file, and the user's own test file where there was one.
        columns: Of the source.
        rows: Read from the files, those left out included.
        usable: Rows in the dataset; held_back_rows of them come from the user's own test file.
        problems: Rows left out, and what else should be known.
        created: Unix time, seconds.
        folder: Where it lies; filled in when it is read.
    """

    id: str
    name: str
    sources: tuple[SourceFile, ...]
    mapping: Mapping
    columns: tuple[str, ...]
    rows: int
    usable: int
    held_back_rows: int
    problems: tuple[Problem, ...] = ()
    created: float = 0.0
    folder: str = ""
    version: int = 1

    @property
    def kind(self) -> Kind:
        """What can be learned from its rows."""
        return self.mapping.kind


_decoder: msgspec.json.Decoder[DatasetInfo] = msgspec.json.Decoder(DatasetInfo)


class Dataset:
    """An open dataset; its rows stay on disk and are read when asked for.

    Attributes:
        folder: Where it lies.
        info: What is known about it.
        table: Memory-mapped pyarrow table; its columns are those of `arrow_file.SCHEMA`, or an older version's.
    """

    def __init__(self, folder: Path, info: DatasetInfo, table: Any) -> None:
        self.folder = folder
        self.info = info
        self.table = table

    def __len__(self) -> int:
        return cast(int, self.table.num_rows)

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """One record, or those of a slice.

        Raises:
            IndexError: No such row.
        """
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return list(self.records(start, stop))
            return [self.record(row) for row in range(start, stop, step)]
        return self.record(index + len(self) if index < 0 else index)

    def record(self, index: int) -> Record:
        """One row.

        Args:
            index: From 0.

        Raises:
            IndexError: No such row.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of a dataset of {len(self)}")
        return next(self.records(index, index + 1))

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """All rows in order, or those from `start` to before `stop`, a batch in memory at a time."""
        from studio.data.arrow_file import records_of

        part = self.table.slice(start, None if stop is None else max(0, stop - start))
        for batch in part.to_batches(max_chunksize=1000):
            yield from records_of(batch)

    def keys(self) -> list[str]:
        """`Record.key` of every row."""
        return cast(list[str], self.table.column("key").to_pylist())

    def sides(self, share: float) -> list[bool]:
        """Whether each row is held back: as its source says, else by hash.

        Args:
            share: How much the hash holds back; a dataset that brings its own test rows ignores it.
        """
        given = self.table.column("side").to_pylist()
        return [
            side == "held_back" if side else is_held_back(key, share)
            for side, key in zip(given, self.keys(), strict=True)
        ]


def open_dataset(folder: Path) -> Dataset:
    """Open an imported dataset.

    Raises:
        StudioError: It is missing or damaged.
    """
    from studio.data.arrow_file import open_table

    info = read_info(folder)
    table = open_table(folder / ROWS_FILE)
    if table.num_rows != info.usable:
        raise _damaged(folder, f"It should have {info.usable:,} rows and has {table.num_rows:,}.")
    return Dataset(folder, info, table)


def read_info(folder: Path) -> DatasetInfo:
    """What is known about a dataset, without opening its rows.

    Raises:
        StudioError: It is missing or damaged.
    """
    try:
        info = _decoder.decode((folder / INFO_FILE).read_bytes())
    except FileNotFoundError as error:
        raise StudioError(
            "data.no_dataset",
            "There is no dataset in this folder.",
            fix="Import its file again.",
            where=shown(folder.name),
        ) from error
    except OSError as error:
        raise _damaged(folder, error.strerror or str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(folder, str(error)) from error
    return msgspec.structs.replace(info, id=folder.name, folder=str(folder))


def list_datasets(parent: Path | None = None) -> list[DatasetInfo]:
    """All datasets, newest first; a damaged one is listed with its problem and no rows.

    Args:
        parent: Folder that holds them; None: the program's own.
    """
    parent = parent or datasets_folder()
    infos: list[DatasetInfo] = []
    for folder in parent.iterdir():
        if folder.name.startswith(TRANSIENT) or not (folder / MARKER).is_file():
            continue
        try:
            infos.append(read_info(folder))
        except StudioError as error:
            infos.append(_unreadable(folder, error.problem))
    return sorted(infos, key=lambda info: (-info.created, info.id))


def write_info(folder: Path, info: DatasetInfo) -> None:
    """Write dataset.json whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    path = folder / INFO_FILE
    beside = folder / f".{INFO_FILE}.{os.getpid()}"
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(info), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def rename(dataset: Path | DatasetInfo, name: str) -> DatasetInfo:
    """Give a dataset another shown name; its folder stays.

    Args:
        dataset: It, or its folder.
        name: Any text that is not blank.

    Raises:
        StudioError: The name is blank, the dataset is damaged, or it cannot be written.
    """
    folder = _folder_of(dataset)
    plain = shown(name.strip(), 200)
    if not plain:
        raise StudioError("data.no_name", "The name is blank.", fix="Type at least one letter.")
    info = msgspec.structs.replace(read_info(folder), name=plain)
    try:
        write_info(folder, info)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return info


def delete(dataset: Path | DatasetInfo) -> None:
    """Delete a dataset's folder. The file it was imported from stays.

    Args:
        dataset: It, or its folder.

    Raises:
        StudioError: The folder does not bear our marker, or cannot be deleted.
    """
    folder = _folder_of(dataset)
    if not bears_marker(folder):
        raise StudioError(
            "data.not_ours",
            "This folder was not made by Apprentice Studio and is left alone.",
            fix="Delete it with your file manager if you are sure.",
            where=shown(folder.name),
        )
    aside = folder.with_name(f"{TRANSIENT}deleted-{os.getpid()}-{time.time_ns()}")
    try:
        folder.rename(aside)  # gone at once, or still there whole
        shutil.rmtree(aside)
    except OSError as error:
        raise _unwritable(folder, error) from error


def bears_marker(folder: Path) -> bool:
    """Whether a folder is ours to replace or delete; a link to one is not."""
    marker = folder / MARKER
    return folder.is_dir() and not folder.is_symlink() and marker.is_file() and not marker.is_symlink()


def _folder_of(dataset: Path | DatasetInfo) -> Path:
    return Path(dataset.folder) if isinstance(dataset, DatasetInfo) else dataset


def _damaged(folder: Path, reason: str) -> StudioError:
    return StudioError(
        "data.damaged", "This dataset is damaged.", reason, "Import the original file again.", where=shown(folder.name)
    )


def _unwritable(folder: Path, error: OSError) -> StudioError:
    return StudioError(
        "data.unwritable",
        "The dataset's folder cannot be changed.",
        error.strerror or str(error),
        "Check the rights of the folder and the free space.",
        where=shown(folder.name),
    )


def _unreadable(folder: Path, problem: Problem) -> DatasetInfo:
    return DatasetInfo(
        id=folder.name,
        name=shown(folder.name),
        sources=(),
        mapping=Mapping(shape="chat"),
        columns=(),
        rows=0,
        usable=0,
        held_back_rows=0,
        problems=(problem,),
        created=folder.stat().st_mtime,
        folder=str(folder),
    )
