"""Imported datasets: folders under the program's home, each with dataset.json and rows.arrow.

pyarrow and numpy are imported where they are needed: listing the datasets must not cost the window's start 0.2 s.
"""

import os
import shutil
import time
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from studio.contract.errors import Problem, StudioError
from studio.contract.job import Mapping
from studio.contract.records import Kind, Record
from studio.contract.run_folder import MARKER, datasets_folder
from studio.contract.splits import Split
from studio.contract.whole_file import write_whole
from studio.data.edits import Edits, read_edits
from studio.data.split import positions
from studio.data.wording import shown

INFO_FILE = "dataset.json"
ROWS_FILE = "rows.arrow"
TRANSIENT = "."
"""First character of folders that are being made or deleted."""


class SourceFile(msgspec.Struct, frozen=True, kw_only=True):
    """An imported file as it was then; `written`: rows of it in the dataset, 0 where an earlier version did not say."""

    name: str
    path: str
    sha256: str
    size_bytes: int
    format: str
    encoding: str
    rows: int
    written: int = 0


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
        split: How its rows are split where their source does not say; its share is only a start value.
        imported_seed: The split's seed at first: the way back from another.
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
    split: Split = Split()
    imported_seed: int = 0
    version: int = 1

    @property
    def kind(self) -> Kind:
        """What can be learned from its rows."""
        return self.mapping.kind


_decoder: msgspec.json.Decoder[DatasetInfo] = msgspec.json.Decoder(DatasetInfo)


class Dataset:
    """An open dataset as it reads now: its rows stay on disk, what was left out or rewritten is seen to on the way.

    Rows are counted from 0 without those that are left out; "stored" rows are those of the file, which edits do not
    move.

    Attributes:
        folder: Where it lies.
        info: What is known about it.
        table: The stored rows, before any edit (`stored_rows.StoredRows`: what is read of them is checked first); its
            columns are those of `arrow_file.SCHEMA`, or an older version's.
        edits: What a person changed.
    """

    def __init__(self, folder: Path, info: DatasetInfo, table: Any, edits: Edits | None = None) -> None:
        self.folder = folder
        self.info = info
        self.table = table
        self.edits = edits if edits is not None else Edits(table.num_rows)
        self._positions: list[float] | None = None
        self._listed: list[int] | None = None

    def note_edits(self) -> None:
        """To be called after `edits` were changed."""
        self._listed = self._positions = None

    @property
    def _kept(self) -> list[int] | None:
        """Stored rows that are not left out; None: all of them. Listed when it is asked for: it takes its time."""
        if not self.edits.excluded:
            return None
        if self._listed is None:
            self._listed = [row for row in range(self.table.num_rows) if row not in self.edits.excluded]
        return self._listed

    def __len__(self) -> int:
        return cast(int, self.table.num_rows) - len(self.edits.excluded)

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

    def stored_row(self, index: int) -> int:
        """The stored row of a row."""
        return self._kept[index] if self._kept is not None else index

    def index_from(self, stored: int) -> int:
        """The first row whose stored row is not before `stored`."""
        kept = self._kept
        return min(stored, len(self)) if kept is None else bisect_left(kept, stored)

    def record(self, index: int) -> Record:
        """One row.

        Args:
            index: From 0.

        Raises:
            IndexError: No such row.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of a dataset of {len(self)}")
        return self.stored_record(self.stored_row(index))

    def stored_record(self, row: int) -> Record:
        """One stored row as it reads now, also where it is left out."""
        from studio.data.arrow_file import records_of

        (batch,) = self.table.batches(row, row + 1)
        (record,) = records_of(batch)
        return self.edits.edited(row, record)

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """All rows in order, or those from `start` to before `stop`, a batch in memory at a time."""
        from studio.data.arrow_file import records_of

        stop = len(self) if stop is None else min(stop, len(self))
        if start >= stop:
            return
        first, last = self.stored_row(start), self.stored_row(stop - 1)
        row = first
        for batch in self.table.batches(first, last + 1):
            for record in records_of(batch):
                if row not in self.edits.excluded:
                    yield self.edits.edited(row, record)
                row += 1

    def keys(self) -> list[str]:
        """`Record.key` of every row, as it reads now."""
        return self._seen(self._stored_keys())

    def given_sides(self) -> list[str]:
        """The side that each row's source gave it, or ""."""
        return self._seen(self.table.column("side").to_pylist())

    def positions(self) -> list[float]:
        """Where each row lies between 0 and 1: it is held back where this is below the share (see data/split.py)."""
        return self._seen(self._stored_positions())

    def sides(self, share: float) -> list[bool]:
        """Whether each row is held back: as its source says, else by the dataset's split.

        Args:
            share: How much the split holds back; a dataset that brings its own test rows ignores it.
        """
        return [place < share for place in self.positions()]

    def is_held_back(self, index: int, share: float) -> bool:
        """Whether one row is held back."""
        return self.stored_is_held_back(self.stored_row(index), share)

    def stored_is_held_back(self, row: int, share: float) -> bool:
        """Whether a stored row is held back; one that is left out would be, were it in."""
        if self._positions is None and self.info.split.by == "hash":  # one row is quick, a million are not
            key = self.stored_record(row).key if row in self.edits.texts else self.table.column("key")[row].as_py()
            return positions(self.info.split, [key], (), (), [self.table.column("side")[row].as_py()])[0] < share
        return self._stored_positions()[row] < share

    def batches(self) -> Iterator[tuple[list[int], Any]]:
        """All rows as Arrow record batches of a thousand at most, as they read now, each with its stored rows."""
        from studio.data.edited_batch import edit_batch

        row = 0
        for batch in self.table.batches():
            rows = range(row, row + batch.num_rows)
            row += batch.num_rows
            if self.edits:
                yield edit_batch(batch, rows, self.edits, lambda row: self.stored_record(row).key)
            else:
                yield list(rows), batch

    def _seen(self, stored: list[Any]) -> list[Any]:
        return [stored[row] for row in self._kept] if self._kept is not None else stored

    def _stored_keys(self) -> list[str]:
        keys = cast(list[str], self.table.column("key").to_pylist())
        for row in self.edits.texts:
            keys[row] = self.stored_record(row).key
        return keys

    def _stored_positions(self) -> list[float]:
        # Over all stored rows: leaving out a row must not move another to the other side.
        if self._positions is None:
            groups, times = (
                self.table.column(name).to_pylist() if name in self.table.column_names else [None] * self.table.num_rows
                for name in ("group", "time")
            )
            sides = self.table.column("side").to_pylist()
            self._positions = positions(self.info.split, self._stored_keys(), groups, times, sides)
        return self._positions


def open_dataset(folder: Path) -> Dataset:
    """Open an imported dataset, with what a person changed in it. Damage in its rows is told when they are read.

    Raises:
        StudioError: It is missing or damaged.
    """
    from studio.data.arrow_file import open_table

    info = read_info(folder)
    table = open_table(folder / ROWS_FILE)
    if table.num_rows != info.usable:
        raise _damaged(folder, f"It should have {info.usable:,} rows and has {table.num_rows:,}.")
    return Dataset(folder, info, table, read_edits(folder, table.num_rows))


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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(folder, str(error)) from error
    return msgspec.structs.replace(info, id=folder.name, folder=str(folder))


def list_datasets(parent: Path | None = None) -> list[DatasetInfo]:
    """All datasets, newest first; a damaged one is listed with its problem and no rows.

    Args:
        parent: Folder that holds them; None: the program's own.
    """
    infos: list[DatasetInfo] = []
    for folder in (parent or datasets_folder()).iterdir():
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
    write_whole(folder / INFO_FILE, msgspec.json.format(msgspec.json.encode(info), indent=2) + b"\n")


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
        raise unwritable(folder, error) from error
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
        raise unwritable(folder, error) from error


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


def unwritable(folder: Path, error: OSError) -> StudioError:
    """The error of a dataset's folder that cannot be changed."""
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
