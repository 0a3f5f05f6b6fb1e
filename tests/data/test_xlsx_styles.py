"""Numbers of Excel cells that show something else than they hold."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from studio.data.formats.xlsx_styles import FormattedCells, telling_styles
from studio.data.remarks import is_remark
from studio.data.rows import Rows
from tests.data.files import run_import, write
from tests.data.samples import sheet, workbook_bytes, zip_bytes
from tests.data.test_xlsx import FAQ, book


def styles(*formats: int, **own: str) -> bytes:
    """styles.xml with a cell style for each number of a format, and own formats by number."""
    made = "".join(f'<numFmt numFmtId="{name[1:]}" formatCode="{code}"/>' for name, code in own.items())
    listed = "".join(f'<xf numFmtId="{number}" fontId="0"/>' for number in formats)
    return f"<styleSheet><numFmts>{made}</numFmts><cellXfs>{listed}</cellXfs><cellStyles/></styleSheet>".encode()


def test_percent_currency_and_decimals_tell_more_than_the_number_and_dates_and_whole_numbers_do_not() -> None:
    assert telling_styles(styles(0, 1, 14, 22, 49, 9, 10, 2, 44)) == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("code", "tells"),
    [
        ("0.0%", True),
        ("00000", True),
        ("#,##0.00\\ [$EUR]", True),
        ("&quot;No. &quot;0", True),
        ("0", False),
        ("General", False),
        ("@", False),
        ("yyyy-mm-dd", False),
        ("[h]:mm:ss.000", False),
    ],
)
def test_own_formats_are_told_by_what_they_show(code: str, tells: bool) -> None:
    assert telling_styles(styles(170, n170=code)) == [0] * tells


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_cells_are_counted_in_pieces_and_texts_and_blanks_are_not(size: int) -> None:
    xml = b'<row r="1"><c r="A1" s="3"><v>1</v></c><c r="B1" s="3" t="s"><v>0</v></c><c r="C1" s="3"/><c s="31"/>'
    xml += b'<c r="D1" t="n" s="3"><v>2</v></c></row>'
    cells = FormattedCells([3])
    for at in range(0, len(xml), size):
        cells.look(xml[at : at + size])
    assert cells.count == 2


def test_numbers_have_the_digits_that_excel_knows(tmp_path: Path) -> None:
    table: list[list[Any]] = [["q", "a"], ["Rate?", 0.1 + 0.2], ["Sum?", 1234.5], ["Many?", 12345678901]]
    with Rows(book(tmp_path / "a.xlsx", {"S": sheet(table)})) as rows:
        assert [row["a"] for row in rows] == ["0.3", "1234.5", "12345678901"]


def test_cells_that_show_another_number_are_counted_as_a_warning(tmp_path: Path) -> None:
    rates = sheet([["question", "answer"], ["Rate A?", (0.035, 1)], ["Rate B?", (0.04, 1)], ["Who?", "Me."]])
    plain = workbook_bytes({"S": rates})
    imported = run_import(write(tmp_path / "dates.xlsx", workbook_bytes({"S": sheet(FAQ)})), tmp_path / "plain")
    assert imported.problems == ()
    source = write(tmp_path / "a.xlsx", _with_styles(plain, styles(0, 10)))
    (problem,) = [one for one in run_import(source, tmp_path / "out").problems if one.code == "data.number_formats"]
    assert problem.what.startswith("2 cells of this Excel file show their number in a format")
    assert not is_remark(problem)
    assert "CSV" in problem.fix


def _with_styles(workbook: bytes, xml: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return zip_bytes({**members, "xl/styles.xml": xml})
