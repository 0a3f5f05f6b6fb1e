"""Parquet: read row group by row group, so that the memory needed does not grow with the file."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from studio.data.formats.arrow import BATCH_ROWS, MAX_BATCH_BYTES, as_rows, check_columns, damaged, too_large
from studio.data.source import Source

MAX_ROWS = 1_000_000_000


def rows(source: Source) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield number (from 1) and row; nested values as lists and dicts.

    Raises:
        StudioError: The footer is missing, a part is damaged, or it claims more than 1,000,000,000 rows.
    """
    file = source.open_table()
    try:
        yield from enumerate(_rows(file, source), start=1)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if "magic bytes" in str(error) or "footer" in str(error).lower():
            raise source.error(
                "footer_missing",
                "The end of this Parquet file (its footer) is missing.",
                "The file is cut off.",
                "Get or write it again.",
            ) from error
        raise damaged(source, "Parquet", error) from error


def _rows(file: Any, source: Source) -> Iterator[dict[str, object]]:
    table = pq.ParquetFile(file)
    meta = table.metadata
    check_columns(source, table.schema_arrow.names)
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
    for index in range(len(groups)):
        for batch in table.iter_batches(batch_size=BATCH_ROWS, row_groups=[index], use_threads=False):
            done += batch.num_rows
            source.reached(done, meta.num_rows)
            yield from as_rows(batch)
