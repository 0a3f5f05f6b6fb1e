"""Columns that say something for the first time below the rows that were looked at.

What a file's columns hold is guessed from its first rows. A column that begins further down must not be lost without a
word: it is found while the rows are read, many at once where they are plain.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio.data.formats.batch import Batch

MOST_COLUMNS = 200
"""Of those that begin further down; more are values in the place of names."""
_ROWS_EACH = 20
_MOST_CHARACTERS = 4_000_000
_NOTHING: tuple[object, ...] = (None, "", "[]", "{}", [], {})


def is_empty(value: object) -> bool:
    """Whether a value says nothing: null, no text, an empty list or object, or JSON text of one."""
    return value in _NOTHING


class LateColumns:
    """Watches the rows of one file.

    Attributes:
        first: The columns found, and the number of the first row in which each says something.
        rows: Some rows in which they do, in the file's order.
        doubtful: Columns that the file has, and that said nothing so far.
    """

    def __init__(self, known: Iterable[str], columns: Iterable[str] = ()) -> None:
        """Args:
        known: Columns that need not be watched.
        columns: All that the first rows have.
        """
        self._known = set(known)
        self.doubtful = tuple(name for name in columns if name not in self._known)
        self._seen: dict[str, int] = {}
        self._characters = 0
        self.first: dict[str, int] = {}
        self.rows: list[dict[str, object]] = []

    def look(self, row: dict[str, object], number: int) -> None:
        """Look at one row."""
        if row.keys() <= self._known:
            return
        new = [name for name, value in row.items() if name not in self._known and not is_empty(value)]
        if len(self.first) >= MOST_COLUMNS:
            new = [name for name in new if name in self.first]
        if not new:
            return
        for name in new:
            self.first.setdefault(name, number)
            self._seen[name] = self._seen.get(name, 0) + 1
            if self._seen[name] >= _ROWS_EACH:
                self._known.add(name)
        self._characters += len(str(row))
        if self._characters <= _MOST_CHARACTERS or not self.rows:
            self.rows.append(row)

    def look_batch(self, batch: Batch) -> None:
        """Look at many rows; those that could not be read at once are left to `look`."""
        if batch.table is None:
            return
        if not batch.is_whole:
            for place, number in enumerate(batch.numbers.tolist()):
                row = batch.row(place)
                if row is not None:
                    self.look(row, number)
            return
        places: set[int] = set()
        for name in batch.table.schema.names:
            if name not in self._known:
                filled = np.flatnonzero(_filled(batch.table.column(name)))
                places.update(filled[: _ROWS_EACH - self._seen.get(name, 0)].tolist())
        for place in sorted(places):  # from the table: reading a row anew would report its faults once more
            row = {name: _value(batch.table.column(name), place) for name in batch.table.schema.names}
            self.look({name: value for name, value in row.items() if value is not None}, int(batch.numbers[place]))


def _value(column: Any, place: int) -> object:
    """A value; whoever reads its row for good names a byte that is no text, here it only says something."""
    try:
        return column[place].as_py()
    except UnicodeDecodeError:
        return "\ufffd"


def _filled(column: Any) -> Any:
    """Which values say something: (rows,) bool."""
    kind = column.type
    if pa.types.is_null(kind):
        return np.zeros(len(column), bool)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        sizes = pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
        found = sizes > 0
        short = np.flatnonzero(sizes == len("[]"))
        if len(short):
            hollow = pc.is_in(column.take(pa.array(short)), pa.array(["[]", "{}"], kind))
            found[short] = ~hollow.to_numpy(zero_copy_only=False)
        return found
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        said = pc.greater(pc.fill_null(pc.list_value_length(column), 0), 0)
    else:
        said = column.is_valid()
    return said.to_numpy(zero_copy_only=False)
