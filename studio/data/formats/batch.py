"""Rows that were read many at once: a table of them, and each of them alone for a careful look."""

from collections.abc import Callable
from typing import Any

import msgspec


class Batch(msgspec.Struct, frozen=True):
    """Some rows of a file, in order.

    Attributes:
        table: pyarrow record batch of the rows, or None where they could not be read at once.
        numbers: (rows,) int64, the file's numbers.
        row: Reads the row at a place (from 0) carefully; None where it is damaged and damaged rows are left out.
    """

    table: Any
    numbers: Any
    row: Callable[[int], dict[str, object] | None]
