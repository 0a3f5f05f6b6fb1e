"""What a person changed in a dataset: rows left out and texts rewritten, as a small file beside the untouched rows.

`edits.jsonl` holds one operation a line and only ever grows, so a crash loses at most the operation that was being
written. Every operation has an inverse of the same kind, which is what undo appends; the window keeps the stack. Rows
are numbered as they are stored: leaving one out moves no other.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec
import xxhash

from studio.contract.errors import Problem, StudioError
from studio.contract.records import Record
from studio.data.wording import shown

EDITS_FILE = "edits.jsonl"


class Exclude(msgspec.Struct, frozen=True, tag_field="do", tag="exclude"):
    """Leave rows out. Those that are out already stay so."""

    rows: tuple[int, ...]


class Include(msgspec.Struct, frozen=True, tag_field="do", tag="include"):
    """Take rows in again."""

    rows: tuple[int, ...]


Part = Literal[
    "messages", "rejected", "text", "reasoning", "calls", "rejected_reasoning", "rejected_calls", "tools"
]  # fmt: skip
TURN_PARTS: dict[Part, tuple[str, str]] = {
    "messages": ("messages", "content"),
    "reasoning": ("messages", "reasoning"),
    "calls": ("messages", "tool_calls"),
    "rejected": ("rejected", "content"),
    "rejected_reasoning": ("rejected", "reasoning"),
    "rejected_calls": ("rejected", "tool_calls"),
}
"""Part -> which of a row's turns, and which of their fields. All other parts are of the row itself."""


class Cell(msgspec.Struct, frozen=True, omit_defaults=True):
    """The text of one place.

    Attributes:
        row: Stored row, from 0.
        message: Which turn, from 0; 0 where it is no part of a turn.
        text: The new text; None: as it was imported.
        part: Which of the row's texts: what its turns say, or those of the rejected answer; their reasoning or calls;
            its plain text; its tools. Versions before this one know "messages", "rejected" and "text" alone.
    """

    row: int
    message: int
    text: str | None
    part: Part = "messages"

    @property
    def place(self) -> tuple[str, int]:
        """Where in the row."""
        return (self.part, self.message)


class Replace(msgspec.Struct, frozen=True, tag_field="do", tag="replace"):
    """Rewrite texts."""

    cells: tuple[Cell, ...]


Operation = Exclude | Include | Replace

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Operation] = msgspec.json.Decoder(Operation)


class Edits:
    """The state that operations lead to. Knows no file.

    Attributes:
        rows: Stored rows of the dataset.
        excluded: Rows that are left out.
        texts: Row -> place in it -> its text.
        notes: What should be known about the file that it was read from.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.excluded: set[int] = set()
        self.texts: dict[int, dict[tuple[str, int], str]] = {}
        self.notes: tuple[Problem, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.excluded or self.texts)

    @property
    def digest(self) -> str:
        """16 hex digits that name this state, however it was reached; "" where nothing is changed."""
        if not self:
            return ""
        texts = [(row, sorted(places.items())) for row, places in sorted(self.texts.items())]
        return hashlib.sha256(_encoder.encode((sorted(self.excluded), texts))).hexdigest()[:16]

    def text_numbers(self) -> dict[int, int]:
        """Of each rewritten row a number below 2**63 that tells its texts of now from others."""
        return {
            row: xxhash.xxh3_64_intdigest(_encoder.encode(sorted(places.items()))) >> 1
            for row, places in self.texts.items()
        }

    def apply(self, operation: Operation) -> Operation:
        """Change the state.

        Returns:
            The operation that changes it back, whatever the state was.

        Raises:
            StudioError: `data.no_such_row`: it names a row that the dataset does not have. Nothing was changed.
        """
        self._check(operation)
        match operation:
            case Exclude(rows):
                fresh = tuple(row for row in dict.fromkeys(rows) if row not in self.excluded)
                self.excluded.update(fresh)
                return Include(fresh)
            case Include(rows):
                back = tuple(row for row in dict.fromkeys(rows) if row in self.excluded)
                self.excluded.difference_update(back)
                return Exclude(back)
            case Replace(cells):
                # In reverse: where one place is named twice, its first text must come back last.
                return Replace(tuple(reversed([self._rewrite(cell) for cell in cells])))

    def edited(self, row: int, record: Record) -> Record:
        """A record as it reads now.

        Args:
            row: Its stored row.
            record: As it was imported.
        """
        places = self.texts.get(row)
        if not places:
            return record
        turns = {"messages": list(record.messages), "rejected": list(getattr(record, "rejected", ()))}
        changes: dict[str, object] = {}
        for (part, number), text in places.items():
            if part not in TURN_PARTS:
                changes[part] = text
                continue
            which, field = TURN_PARTS[part]
            if number < len(turns[which]):
                turns[which][number] = msgspec.structs.replace(turns[which][number], **{field: text})
                changes[which] = tuple(turns[which])
        return msgspec.structs.replace(record, **changes)

    def as_imported(self, rows: Iterable[int]) -> Replace:
        """The operation that gives these rows their imported texts back, whenever they were changed."""
        return Replace(
            tuple(
                Cell(row, number, None, part)  # type: ignore[arg-type] # places come from cells
                for row in dict.fromkeys(rows)
                for part, number in self.texts.get(row, ())
            )
        )

    def _rewrite(self, cell: Cell) -> Cell:
        places = self.texts.setdefault(cell.row, {})
        before = places.pop(cell.place, None)
        if cell.text is not None:
            places[cell.place] = cell.text
        if not places:
            del self.texts[cell.row]
        return msgspec.structs.replace(cell, text=before)

    def _check(self, operation: Operation) -> None:
        rows = (cell.row for cell in operation.cells) if isinstance(operation, Replace) else operation.rows
        wrong = next((row for row in rows if not 0 <= row < self.rows), None)
        if wrong is not None:
            raise StudioError("data.no_such_row", f"There is no row {wrong + 1:,}; the dataset has {self.rows:,}.")


class EditLog:
    """The edits of one dataset on disk: reads them when opened, and writes each operation before it counts.

    One window writes; workers read a dataset's edits when they open it.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        """Open the edits of a dataset.

        Args:
            folder: The dataset's folder.
            rows: Its stored rows.

        Raises:
            StudioError: `data.edits_damaged`.
        """
        self.path = folder / EDITS_FILE
        self.edits = read_edits(folder, rows)

    def apply(self, operation: Operation) -> Operation:
        """Change the dataset; when this returns, the change is on disk.

        Returns:
            The operation that changes it back: give it to `apply` to undo.

        Raises:
            StudioError: It names a row that is not there, holds half a character, or cannot be written. Nothing was
                changed then.
        """
        try:
            line = _encoder.encode(operation) + b"\n"
        except UnicodeEncodeError as error:
            raise StudioError(
                "row.broken_character", "The text holds half a character, which no model can read.", str(error)
            ) from error
        inverse = self.edits.apply(operation)
        try:
            _append(self.path, line)
        except OSError as error:
            self.edits.apply(inverse)
            raise StudioError(
                "data.unwritable",
                "The change cannot be saved, so it was not made.",
                error.strerror or str(error),
                "Check the rights of the dataset's folder and the free space.",
                where=shown(self.path.parent.name),
            ) from error
        return inverse


def read_edits(folder: Path, rows: int) -> Edits:
    """The state that a dataset's edits lead to; a last line that was not written whole is passed over with a note.

    Args:
        folder: The dataset's folder.
        rows: Its stored rows.

    Raises:
        StudioError: `data.edits_damaged`: another line cannot be read, or the file cannot.
    """
    edits = Edits(rows)
    try:
        for number, line, is_whole in _lines(folder / EDITS_FILE):
            if not is_whole:
                edits.notes = (
                    Problem(
                        code="data.edit_cut",
                        what="The last change of this dataset was not written whole and is left out.",
                        why="The program or the computer ended while it was written.",
                        fix="Look at the dataset and make the change again.",
                        where=f"{shown(folder.name)}, {EDITS_FILE}, line {number}",
                    ),
                )
                break
            edits.apply(_decoder.decode(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, StudioError) as error:
        raise _damaged(folder, f"Line {number}: {error}") from error
    except OSError as error:
        raise _damaged(folder, error.strerror or str(error)) from error
    return edits


def rows_kept(folder: Path, rows: int) -> int:
    """How many of a dataset's stored rows are not left out; all of them where the edits cannot be read.

    Asked for every dataset of a list again and again: a file that did not change is not read again.
    """
    try:
        found = (folder / EDITS_FILE).stat()
    except OSError:
        return rows  # nothing was changed; what cannot be read is told where the dataset is opened
    return rows - _left_out(folder, rows, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=1024)
def _left_out(folder: Path, rows: int, changed: int, size: int) -> int:
    """How many rows the edits file leaves out that was changed then and has this size."""
    try:
        return len(read_edits(folder, rows).excluded)
    except StudioError:
        return 0


def _lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for number, line in enumerate(file, 1):
            yield number, line, line.endswith(b"\n")


def _append(path: Path, line: bytes) -> None:
    """Add a line behind the last whole one, and wait until the disk has it.

    Raises:
        OSError: It cannot be written; what was there before is there still.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        end = _end_of_lines(file.seek(0, os.SEEK_END), descriptor)
        try:
            file.truncate(end)
            file.seek(end)
            file.write(line)
            file.flush()
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, end)
            raise


def _end_of_lines(size: int, descriptor: int, block: int = 65536) -> int:
    """Where the last whole line ends."""
    end = size
    while end > 0:
        start = max(0, end - block)
        os.lseek(descriptor, start, os.SEEK_SET)
        place = os.read(descriptor, end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0


def _damaged(folder: Path, reason: str) -> StudioError:
    return StudioError(
        "data.edits_damaged",
        "The changes that were made to this dataset cannot be read.",
        reason,
        f"Take the file {EDITS_FILE} out of the dataset's folder to go back to the rows as they were imported.",
        where=shown(folder.name),
    )


def replaced(cells: Iterable[tuple[int, int, str]]) -> Replace:
    """An operation from (row, message, text)."""
    return Replace(tuple(Cell(row, message, text) for row, message, text in cells))
