"""Rows written in each format come back as they were: the property behind "any honest file in"."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.data.parts import expand
from studio.data.rows import read
from tests.data.samples import TEXT_ROWS, save_dataset

# XML, and so Excel, cannot hold most control characters; "_x000D_" is its own way to write one.
PLAIN = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], include_characters="\n\t"), min_size=1, max_size=30
).filter(lambda text: text.strip() and "_x" not in text)
TABLES = st.lists(st.fixed_dictionaries({"question": PLAIN, "answer": PLAIN}), min_size=1, max_size=5)
DOCUMENT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=40).filter(str.strip)
QUICK = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_all(path: Path) -> list[dict[str, Any]]:
    return [row for part in expand(path).learned for row in read(part)]


@pytest.mark.parametrize("ending", TEXT_ROWS)
@given(rows=TABLES)
@QUICK
def test_rows_come_back_as_they_were(ending: str, rows: list[dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{ending}"
        path.write_bytes(TEXT_ROWS[ending](rows))
        assert read_all(path) == rows


@given(rows=TABLES)
@settings(QUICK, max_examples=5)
def test_a_dataset_that_was_saved_comes_back_as_it_was(rows: list[dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert read_all(save_dataset(Path(folder) / "saved", {"": rows})) == rows
        assert read_all(save_dataset(Path(folder) / "both", {"train": rows, "test": rows[:1]})) == rows


@pytest.mark.parametrize("divider", ["\n", "\n\n", "\r\n", "\r\n \r\n"])
@given(documents=st.lists(DOCUMENT, min_size=3, max_size=6))
@QUICK
def test_documents_come_back_as_they_were(divider: str, documents: list[str]) -> None:
    if any("<" in text[:1] or text.lstrip()[:1] in "{[\ufeff" for text in documents):
        return  # that is how JSON and web pages begin
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.md"
        path.write_text(divider.join(documents), "utf-8", newline="")
        assert [row["text"] for row in read(path)] == documents
