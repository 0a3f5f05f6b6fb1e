"""The stored rows of a dataset, mapped from the disk: nothing is handed out that was not checked for damage first.

Reading damaged rows does not end in an error but in the end of the process: where a text begins and ends is believed.
So each record batch is checked when it is first read, by its checksum, or where there is none (older versions), by
looking at all of it. A column that is wanted whole is looked at alone: a million rows are not read for it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio.contract.errors import StudioError
from studio.data.row_sums import Sums, digest

ALWAYS = ("messages", "key", "source_row", "side")
"""Columns that no dataset lacks, and that have a value in every row."""
_ROLES = pa.array(["system", "user", "assistant", "tool"])


class StoredRows:
    """The rows of one file. Not for several threads at once.

    Attributes:
        num_rows: How many.
        column_names: Of this version or an older one.
    """

    def __init__(self, path: Path, mapped: Any, table: Any, sums: Sums | None) -> None:
        """Take an open file.

        Args:
            path: Of the file.
            mapped: Its bytes, a pyarrow buffer.
            table: All its rows, a chunk for each record batch.
            sums: Its checksums, where there are any.

        Raises:
            StudioError: The file has not the length that its checksums speak of, or another end.
        """
        self._path, self._mapped, self._table, self._sums = path, mapped, table, sums
        sizes = [len(chunk) for chunk in table.column(0).chunks]
        self._starts = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        self._is_checked = [False] * len(sizes)
        self._columns: dict[str, Any] = {}
        self.num_rows: int = table.num_rows
        self.column_names: list[str] = table.column_names
        if sums is not None and not _fit(sums, mapped, len(sizes)):
            raise damaged(path, "The file has another length than when it was written, or another end.")

    def column(self, name: str) -> Any:
        """A whole column, a pyarrow chunked array.

        Raises:
            StudioError: It is damaged.
        """
        if name not in self._columns:
            column = self._table.column(name)
            try:
                column.validate(full=True)
            except pa.ArrowException as error:
                raise damaged(self._path, f"The column {name} is not in the form it was written in.", error) from error
            if name in ALWAYS and column.null_count:
                raise damaged(self._path, f"Rows lack their {name}.")
            self._columns[name] = column
        return self._columns[name]

    def batches(self, start: int = 0, stop: int | None = None, most: int = 1000) -> Iterator[Any]:
        """The rows from `start` to before `stop` as record batches of `most` rows at most.

        Raises:
            StudioError: They are damaged; told when the damaged ones are reached.
        """
        stop = self.num_rows if stop is None else min(stop, self.num_rows)
        number = self._batch_of(start)
        while start < stop:
            self._check(number)
            until = min(stop, int(self._starts[number + 1]))
            if until > start:
                yield from self._table.slice(start, until - start).to_batches(max_chunksize=most)
            start = max(start, until)
            number += 1

    def check(self, start: int = 0, stop: int | None = None) -> None:
        """Check rows without handing them out; all of them where nothing is said: that reads the whole file once.

        Raises:
            StudioError: They are damaged.
        """
        stop = self.num_rows if stop is None else min(stop, self.num_rows)
        for number in range(self._batch_of(start), len(self._is_checked)):
            if self._starts[number] >= stop:
                return
            self._check(number)

    def whole(self) -> Any:
        """All rows as a pyarrow table.

        Raises:
            StudioError: They are damaged.
        """
        self.check()
        return self._table

    def _batch_of(self, row: int) -> int:
        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def _check(self, number: int) -> None:
        if self._is_checked[number]:
            return
        first, last = self._starts[number] + 1, self._starts[number + 1]
        reason = f"Rows {first:,} to {last:,} are not what was written there."
        if self._sums is not None:
            start = self._sums.ends[number - 1] if number else 0
            if digest(self._mapped.slice(start, self._sums.ends[number] - start)) != self._sums.digests[number]:
                raise damaged(self._path, reason)
        else:
            start = int(self._starts[number])
            for batch in self._table.slice(start, int(self._starts[number + 1]) - start).to_batches():
                try:
                    _look_through(batch)
                except (pa.ArrowException, ValueError) as error:
                    raise damaged(self._path, reason, error) from error
        self._is_checked[number] = True


def damaged(path: Path, reason: str, error: BaseException | None = None) -> StudioError:
    """The error of rows that cannot be read; a library's own words go into the details."""
    return StudioError(
        "data.damaged",
        "The rows of this dataset are damaged and cannot be read.",
        reason,
        "Import the original file again.",
        where=str(path.parent.name),
        details=str(error)[:2000] if error is not None else "",
    )


def _fit(sums: Sums, mapped: Any, batches: int) -> bool:
    """Whether checksums are of a file of this size with so many record batches, and the mark of its end is whole."""
    ends = sums.ends
    ascending = all(one < other for one, other in zip((0, *ends), ends, strict=False))
    if not (len(ends) == len(sums.digests) == batches + 1 and ascending and ends[-1] == mapped.size):
        return False
    start = ends[-2] if batches else 0
    return digest(mapped.slice(start)) == sums.digests[-1]


def _look_through(batch: Any) -> None:
    """Check rows that have no checksum: whatever reads them may rely on their form, though not on their words.

    Raises:
        pyarrow.ArrowException, ValueError: They are damaged.
    """
    batch.validate(full=True)
    for name in ALWAYS:
        if batch.column(name).null_count:
            raise ValueError(f"Rows lack their {name}.")
    for name in {"messages", "rejected"} & set(batch.schema.names):
        turns = batch.column(name).values
        texts = turns.flatten()
        if turns.null_count or any(part.null_count for part in texts):
            raise ValueError("Turns lack their text.")
        if not pc.all(pc.is_in(texts[0], _ROLES), min_count=0).as_py():
            raise ValueError("Turns are of nobody who can speak.")
