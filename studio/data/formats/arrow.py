"""Arrow IPC: a file or a stream of record batches, as `datasets` and data frames write them."""

import io
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from studio.contract.errors import StudioError
from studio.data.formats.batch import Batch
from studio.data.formats.padding import unpadded
from studio.data.source import Source
from studio.data.wording import shown

_Row = dict[str, object]
BATCH_ROWS = 500
_UNKNOWN = ("month_interval", "day_time_interval")
_INNER = ("value_type", "key_type", "item_type", "storage_type")
MAX_BATCH_BYTES = 2 * 1024**3
"""A batch is in memory whole; what writers make is a hundredth of this."""


def rows(source: Source) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield number (from 1) and row; nested values as lists and dicts.

    Raises:
        StudioError: The file is cut off or damaged.
    """
    file = source.open_table()
    try:
        yield from enumerate(_rows(file, source), start=1)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise damaged(source, "Arrow", error) from error


def batches(source: Source, schema: Any) -> Iterator[Batch]:
    """Yield the file's own batches.

    Args:
        source: The file.
        schema: Of no use here: the file says what its columns are.

    Raises:
        StudioError: As `rows` does.
    """
    file = source.open_table()
    try:
        yield from numbered(_batches(file, source), source)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise damaged(source, "Arrow", error) from error


def numbered(tables: Iterator[Any], source: Source) -> Iterator[Batch]:
    """Record batches with the numbers of their rows."""
    done, clean = 0, None
    for table in tables:
        clean = clean or unpadded(table.schema, source)
        numbers = np.arange(done + 1, done + 1 + table.num_rows, dtype=np.int64)
        done += table.num_rows
        yield Batch(table, numbers, _row_of(table, clean))


def _row_of(table: Any, clean: Callable[[_Row], _Row]) -> Callable[[int], _Row]:
    return lambda place: clean(table.slice(place, 1).to_pylist()[0])


def _rows(file: Any, source: Source) -> Iterator[dict[str, object]]:
    yield from as_rows(_batches(file, source), source)


def _batches(file: Any, source: Source) -> Iterator[Any]:
    whole = file.seek(0, io.SEEK_END)
    file.seek(0)
    is_file = file.read(6) == b"ARROW1"
    file.seek(0)
    # In this thread: one of the library's own that still holds a Python file when the program ends aborts it.
    options = pa.ipc.IpcReadOptions(use_threads=False)
    reader = pa.ipc.open_file(file, options=options) if is_file else pa.ipc.open_stream(file, options=options)
    check_columns(source, reader.schema)
    found = (reader.get_batch(i) for i in range(reader.num_record_batches)) if is_file else iter(reader)
    for batch in found:
        batch.validate(full=True)
        if batch.nbytes > MAX_BATCH_BYTES:
            raise too_large(source)
        source.reached(file.tell(), whole)
        yield batch


def as_rows(batches: Iterator[Any], source: Source) -> Iterator[_Row]:
    """The rows of record batches, some hundreds at a time."""
    clean = None
    for batch in batches:
        clean = clean or unpadded(batch.schema, source)
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield from map(clean, batch.slice(start, BATCH_ROWS).to_pylist())


def check_columns(source: Source, schema: Any) -> None:
    """Refuse a table whose columns cannot be told apart, or that cannot be read here.

    Raises:
        StudioError: `data.duplicate_columns`, `data.unreadable_column`.
    """
    twice = sorted({name for name, group in itertools.groupby(sorted(schema.names)) if len(list(group)) > 1})
    if twice:
        raise source.error(
            "duplicate_columns",
            f"Column names occur twice: {', '.join(twice[:5])}.",
            "It would not be clear which of them is meant.",
            "Give each column its own name.",
        )
    unknown = next((field for field in schema if _is_unknown(field.type)), None)
    if unknown is not None:
        raise source.error(
            "unreadable_column",
            f'The column "{shown(unknown.name, 80)}" holds values of a kind that is not read: {unknown.type}.'[:300],
            "Rows for training are texts, numbers, and lists of them.",
            "Leave the column out, or write it as text.",
        )


def _is_unknown(kind: Any) -> bool:
    """Whether values of this type lie anywhere in it that pyarrow gives no form in Python."""
    if str(kind) in _UNKNOWN:
        return True
    inner = [getattr(kind, name) for name in _INNER if hasattr(kind, name)]
    return any(map(_is_unknown, [*inner, *(field.type for field in kind)] if pa.types.is_struct(kind) else inner))


def damaged(source: Source, kind: str, error: Exception) -> StudioError:
    """The library cannot read the table."""
    return source.error(
        "damaged_table",
        f"This {kind} file is cut off or damaged.",
        f"{str(error).splitlines()[0][:300]}." if str(error) else "",
        "Get or write it again.",
    )


def too_large(source: Source) -> StudioError:
    """One piece of a table claims more memory than a computer should lend it."""
    return source.error(
        "exceeds_limit",
        "A part of this table is larger than 2 GB when unpacked.",
        "Tables of texts are written in smaller parts; the file may be damaged, or made to fill the memory.",
        "Write it again with smaller row groups.",
    )
