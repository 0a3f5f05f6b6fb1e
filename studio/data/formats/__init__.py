"""The table of dataset formats. Which of them a file is, its content decides: `studio.data.rows`."""

import msgspec

from studio.data.kinds import PACKED_SUFFIXES


class Format(msgspec.Struct, frozen=True):
    """A row of the table; `module` has `rows(source) -> Iterator[tuple[int, dict[str, object]]]`.

    A module that can read many rows at once also has `batches(source, schema) -> Iterator[Batch]`.
    """

    label: str
    suffixes: tuple[str, ...]
    module: str


FORMATS: dict[str, Format] = {
    "jsonl": Format("JSON lines", (".jsonl", ".ndjson"), "studio.data.formats.jsonl"),
    "json": Format("JSON", (".json",), "studio.data.formats.json"),
    "csv": Format("CSV", (".csv", ".tsv", ".tab"), "studio.data.formats.csv"),
    "xlsx": Format("Excel", (".xlsx", ".xlsm"), "studio.data.formats.xlsx"),
    "parquet": Format("Parquet", (".parquet", ".pq"), "studio.data.formats.parquet"),
    "arrow": Format("Arrow", (".arrow", ".feather", ".ipc"), "studio.data.formats.arrow"),
    "text": Format("text", (".txt", ".text", ".md", ".markdown"), "studio.data.formats.text"),
}

SUFFIXES = (*(suffix for row in FORMATS.values() for suffix in row.suffixes), *PACKED_SUFFIXES, ".zip")
"""Endings of files that can be chosen; a folder can be, too."""
