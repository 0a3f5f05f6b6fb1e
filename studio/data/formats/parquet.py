"""Parquet: read row group by row group, so that the memory needed does not grow with the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from studio.data.formats.arrow import (
    BATCH_ROWS,
    MAX_BATCH_BYTES,
    as_rows,
    check_columns,
    damaged,
    numbered,
    too_large,
)
from studio.data.formats.batch import Batch
from studio.data.source import Source

MAX_ROWS = 1_000_000_000
_BATCH_BYTES = 2 * 1024 * 1024
"""Of a batch: an import of 795 MB took 3.1 s of processor time instead of 3.9 with 8 MB; 1 MB was slower again."""


def rows(source: Source) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield number (from 1) and row; nested values as lists and dicts.

    Raises:
        StudioError: The footer is missing, a part is damaged, or it claims more than 1,000,000,000 rows.
    """
    file = source.open_table()
    with _told(source):
        batches = _batches(file, source)
        yield from enumerate(as_rows(batches, source), start=1)


def batches(source: Source, schema: Any) -> Iterator[Batch]:
    """Yield some thousand rows at once.

    Args:
        source: The file.
        schema: pyarrow schema of the columns that are wanted; no others are read.

    Raises:
        StudioError: As `rows` does.
    """
    file = source.open_table()
    with _told(source):
        yield from numbered(_batches(file, source, schema.names), source)


@contextmanager
def _told(source: Source) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if "magic bytes" in str(error) or "footer" in str(error).lower():
            raise source.error(
                "footer_missing",
                "The end of this Parquet file (its footer) is missing.",
                "The file is cut off.",
                "Get or write it again.",
            ) from error
        raise damaged(source, "Parquet", error) from error


def _batches(file: Any, source: Source, columns: list[str] | None = None) -> Iterator[Any]:
    table = pq.ParquetFile(file)
    meta = table.metadata
    check_columns(source, table.schema_arrow)
    groups = [meta.row_group(index) for index in range(meta.num_row_groups)]
    if meta.num_rows > MAX_ROWS or any(group.num_rows > MAX_ROWS for group in groups):
        raise source.error(
            "exceeds_limit",
            f"This Parquet file claims {meta.num_rows:,} rows; the limit is {MAX_ROWS:,}.",
            "No set of examples is that large: the file is damaged, or made to fill the memory.",
            "Get or write it again.",
        )
    if any(group.total_byte_size > MAX_BATCH_BYTES for group in groups):
        raise too_large(source)
    done = 0
    for index, group in enumerate(groups):
        most = max(BATCH_ROWS, _BATCH_BYTES * group.num_rows // max(1, group.total_byte_size))
        for batch in table.iter_batches(batch_size=most, row_groups=[index], columns=columns, use_threads=False):
            done += batch.num_rows
            source.reached(done, meta.num_rows)
            yield batch
