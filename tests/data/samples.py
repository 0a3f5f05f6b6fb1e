"""The same rows in every format, written without this program's own code."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.parquet as pq

Rows = list[dict[str, Any]]
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
DATE, DATE_TIME = 1, 2
"""Styles of a cell that `xlsx_cell` knows."""


def json_bytes(rows: Rows) -> bytes:
    return json.dumps(rows, ensure_ascii=False, indent=1).encode()


def jsonl_bytes(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def csv_bytes(rows: Rows, delimiter: str = ",") -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def zstd_bytes(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


def zip_bytes(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def parquet_bytes(rows: Rows) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def arrow_bytes(rows: Rows, stream: bool = False) -> bytes:
    table = pa.Table.from_pylist(rows)
    file = io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


def xlsx_bytes(rows: Rows) -> bytes:
    """Rows of text as a workbook of one sheet."""
    return workbook_bytes({"Sheet1": sheet([list(rows[0]), *([row[name] for name in rows[0]] for row in rows)])})


def sheet(table: list[list[Any]], first_row: int = 1, first_column: int = 1, merged: tuple[str, ...] = ()) -> str:
    """A sheet's XML: texts inline, numbers and (number, style) as they are, None left out."""
    lines = []
    for number, cells in enumerate(table, start=first_row):
        made = [xlsx_cell(cell, column_letters(at), number) for at, cell in enumerate(cells, start=first_column)]
        lines.append(f'<row r="{number}">{"".join(made)}</row>')
    ranges = "".join(f"<mergeCell ref={quoteattr(area)}/>" for area in merged)
    return f"<sheetData>{''.join(lines)}</sheetData>" + (f"<mergeCells>{ranges}</mergeCells>" if merged else "")


def xlsx_cell(value: Any, letters: str, number: int) -> str:
    place = f'r="{letters}{number}"'
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c {place} t="b"><v>{int(value)}</v></c>'
    if isinstance(value, tuple):
        return f'<c {place} s="{value[1]}"><v>{value[0]}</v></c>'
    if isinstance(value, int | float):
        return f"<c {place}><v>{value}</v></c>"
    text = escape(value, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})
    return f'<c {place} t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def column_letters(number: int) -> str:
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def workbook_bytes(sheets: dict[str, str], hidden: tuple[str, ...] = ()) -> bytes:
    """A workbook of sheets, each given as XML."""
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    numbered = list(enumerate(sheets, start=1))
    listed = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="r{n}" state="{"hidden" if name in hidden else "visible"}"/>'
        for n, name in numbered
    )
    relations = "".join(
        f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n, _ in numbered
    )
    relations += f'<Relationship Id="s" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    formats = '<xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/>'
    kind = "application/vnd.openxmlformats-"
    types = (
        f'<Default Extension="rels" ContentType="{kind}package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}officedocument.spreadsheetml.sheet.main+xml"/>'
    )
    files = {
        "[Content_Types].xml": f'{head}<Types xmlns="{_PACKAGE}/content-types">{types}</Types>',
        "_rels/.rels": f'{head}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{head}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{head}<Relationships xmlns="{_PACKAGE}/relationships">'
        f"{relations}</Relationships>",
        "xl/styles.xml": f'{head}<styleSheet xmlns="{_MAIN}"><cellXfs count="3">{formats}</cellXfs></styleSheet>',
    }
    for number, name in numbered:
        files[f"xl/worksheets/sheet{number}.xml"] = f'{head}<worksheet xmlns="{_MAIN}">{sheets[name]}</worksheet>'
    return zip_bytes({name: text.encode() for name, text in files.items()})


TEXT_ROWS: dict[str, Callable[[Rows], bytes]] = {
    "json": json_bytes,
    "jsonl": jsonl_bytes,
    "jsonl.gz": lambda rows: gzip.compress(jsonl_bytes(rows)),
    "json.zst": lambda rows: zstd_bytes(json_bytes(rows)),
    "csv": csv_bytes,
    "tsv": lambda rows: csv_bytes(rows, "\t"),
    "csv.gz": lambda rows: gzip.compress(csv_bytes(rows, ";")),
    "xlsx": xlsx_bytes,
    "parquet": parquet_bytes,
    "parquet.gz": lambda rows: gzip.compress(parquet_bytes(rows)),
    "arrow": arrow_bytes,
    "stream.arrow": lambda rows: arrow_bytes(rows, stream=True),
    "zip": lambda rows: zip_bytes({"data/rows.jsonl": jsonl_bytes(rows)}),
    "parquet.zip": lambda rows: zip_bytes({"rows.parquet": parquet_bytes(rows)}),
    "xlsx.zip": lambda rows: zip_bytes({"rows.xlsx": xlsx_bytes(rows)}),
}
"""Writers of rows whose values are all text, by the name's ending."""


def save_dataset(folder: Path, splits: dict[str, Rows]) -> Path:
    """What `datasets` writes with save_to_disk; with one nameless split a Dataset, else a DatasetDict."""
    import datasets
    import tqdm

    tqdm.tqdm.monitor_interval = 0  # else its watching thread outlives the test
    datasets.disable_progress_bars()
    made = {name: datasets.Dataset.from_list(rows) for name, rows in splits.items()}
    whole = made[""] if list(made) == [""] else datasets.DatasetDict(made)
    whole.save_to_disk(str(folder))
    return folder
