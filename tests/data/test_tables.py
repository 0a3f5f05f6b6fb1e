"""Parquet and Arrow: the same records as from text, whole hashes, and clear words for what is damaged."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studio.contract.errors import StudioError
from studio.data.dataset import open_dataset
from studio.data.formats import parquet
from studio.data.rows import Rows, read
from tests.data.files import QA, reading_refused, run_import, write

CHATS: list[dict[str, Any]] = [
    {
        "messages": [
            {"role": "user", "content": f"Wo läge Köln {n}?"},
            {"role": "assistant", "content": f"Am Rhein, {n} – schön."},
        ],
        "id": n,
    }
    for n in range(1200)
]


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=500)
    return path


def write_arrow_file(path: Path, rows: list[dict[str, Any]]) -> Path:
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=500)
    return path


def write_arrow_stream(path: Path, rows: list[dict[str, Any]]) -> Path:
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=500)
    return path


Write = Callable[[Path, list[dict[str, Any]]], Path]
WRITERS = pytest.mark.parametrize("make", [write_parquet, write_arrow_file, write_arrow_stream])


@WRITERS
@pytest.mark.parametrize("rows", [QA, CHATS])
def test_what_was_written_is_read_whatever_the_name(tmp_path: Path, make: Write, rows: list[dict[str, Any]]) -> None:
    assert list(read(make(tmp_path / "table.csv", rows))) == rows


@WRITERS
def test_a_table_becomes_a_dataset_with_the_files_hash(tmp_path: Path, make: Write) -> None:
    path = make(tmp_path / "chats.bin", CHATS)
    imported = run_import(path, tmp_path / "set")
    assert (imported.rows, imported.usable, imported.mapping.shape) == (1200, 1200, "chat")
    dataset = open_dataset(tmp_path / "set")
    assert dataset.info.sources[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert dataset.record(1199).messages[1].content == "Am Rhein, 1199 – schön."


@WRITERS
def test_progress_reaches_the_end(tmp_path: Path, make: Write) -> None:
    with Rows(make(tmp_path / "a.x", CHATS)) as rows:
        far = [rows.source.bytes_read for _ in rows]
    assert far == sorted(far)
    assert far[0] > 0
    assert far[-1] > 0.9 * rows.source.size


@WRITERS
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_table_that_is_cut_off_is_named(tmp_path: Path, make: Write, share: float) -> None:
    whole = make(tmp_path / "whole", CHATS).read_bytes()
    problem = reading_refused(write(tmp_path / "cut.parquet", whole[: int(len(whole) * share)]))
    assert problem.code in ("data.footer_missing", "data.damaged_table")
    assert problem.where == "cut.parquet"
    assert "again" in problem.fix


def test_a_parquet_file_without_its_end_is_said_to_lack_its_footer(tmp_path: Path) -> None:
    whole = write_parquet(tmp_path / "whole", CHATS).read_bytes()
    problem = reading_refused(write(tmp_path / "cut.parquet", whole[:-500]))
    assert problem.code == "data.footer_missing"
    assert "footer" in problem.what


def test_a_parquet_file_that_claims_too_many_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_ROWS", 1000)
    problem = reading_refused(write_parquet(tmp_path / "a.parquet", CHATS))
    assert problem.code == "data.exceeds_limit"
    assert "1,200 rows" in problem.what


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    with pa.ipc.new_stream(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    assert reading_refused(tmp_path / "a.arrow").code == "data.duplicate_columns"


@WRITERS
def test_a_damaged_byte_ends_in_words(tmp_path: Path, make: Write) -> None:
    """Wherever it lies: the rows come, or a named problem; never another error."""
    whole = bytearray(make(tmp_path / "whole", QA).read_bytes())
    for place in range(6, len(whole), max(1, len(whole) // 60)):
        broken = bytearray(whole)
        broken[place] ^= 0xFF
        path = write(tmp_path / "broken", bytes(broken))
        with contextlib.suppress(StudioError):
            assert all(isinstance(row, dict) for row in read(path))


@pytest.mark.parametrize("nested", [False, True])
def test_a_column_of_a_kind_that_python_has_no_form_for_is_named(tmp_path: Path, nested: bool) -> None:
    """Found by fuzzing; pyarrow itself writes none, so the unit of an interval is changed in the bytes of a file."""
    interval = pa.month_day_nano_interval()
    schema = pa.schema([("question", pa.string()), ("age", pa.list_(interval) if nested else interval)])
    with pa.ipc.new_stream(tmp_path / "whole", schema) as writer:
        writer.write_batch(pa.record_batch([pa.nulls(2, field.type) for field in schema], schema=schema))
    whole = (tmp_path / "whole").read_bytes()
    for place in (place for place, byte in enumerate(whole) if byte == 2):
        changed = whole[:place] + b"\0" + whole[place + 1 :]
        try:
            with pa.ipc.open_stream(changed) as reader:
                found = str(reader.schema)
        except (pa.ArrowException, OSError):
            continue
        if "month_interval" in found:
            break
    problem = reading_refused(write(tmp_path / "a.arrow", changed))
    assert problem.code == "data.unreadable_column"
    assert '"age"' in problem.what
