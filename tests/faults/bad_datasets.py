"""The bad inputs 1 to 42 of the reliability notes: how each file is made, and what must be said about it.

31 (all answers cut) and 32 (template markers in text) need a model or are hints about good rows: the doctor's tests.
"""

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.data.files import QA
from tests.data.samples import jsonl_bytes, parquet_bytes, sheet, workbook_bytes, xlsx_bytes, zip_bytes

ELSEWHERE = {31: "the doctor, with a model", 32: "the doctor"}
TABLE = "question,answer\nWho?,Me.\nWhere?,Here.\n"
MB = 1024 * 1024


@dataclass(frozen=True)
class Bad:
    """One input.

    Attributes:
        number: In the list of the reliability notes.
        name: For the test's name.
        make: Writes it into an empty folder; gives what is imported, or the job's fields.
        code: Of the error, or of the note where `imports`.
        words: What the sentence must hold besides the name of the file.
        imports: It is read all the same, and said so.
        changes: The file changes while it is imported.
    """

    number: int
    name: str
    make: Callable[[Path], Path | dict[str, Any]]
    code: str
    words: tuple[str, ...] = ()
    imports: bool = False
    changes: bool = False


def file(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return make


def lines(*more: object) -> str:
    """20 good rows, then others as they are."""
    return "".join(json.dumps(row) + "\n" for row in [*QA, *more])


def chats(*more: list[tuple[str, object]]) -> Callable[[Path], Path]:
    """20 good conversations, then others."""
    good = [[("user", row["question"]), ("assistant", row["answer"])] for row in QA]
    rows = [{"messages": [{"role": role, "content": text} for role, text in turns]} for turns in [*good, *more]]
    return file("chats.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def one_bad_line_in_many(folder: Path) -> Path:
    good = "".join(json.dumps({"question": f"What is {n}?", "answer": f"It is {n}."}) + "\n" for n in range(30_000))
    return file("many.jsonl", f'{good}{{"question": oops}}\n{good}')(folder)


def endless_line(folder: Path) -> Path:
    path = folder / "long.jsonl"
    with path.open("wb") as out:
        out.write(b'{"question": "Who?", "answer": "Me."}\n{"question": "')
        for _ in range(66):
            out.write(b"x" * MB)
    return path


def parquet_of_a_billion_rows(folder: Path) -> Path:
    """A footer that claims more rows than the file holds: its `num_rows` is patched."""
    data = parquet_bytes(QA)
    size = int.from_bytes(data[-8:-4], "little")
    body, footer = data[: -8 - size], data[-8 - size : -8]
    twenty, billions = b"\x16\x28\x19", b"\x16\x80\xc8\xaf\xa0\x25\x19"  # a 64-bit field, then the list of row groups
    assert footer.count(twenty) >= 1
    footer = footer.replace(twenty, billions, 1)
    return file("huge.parquet", body + footer + len(footer).to_bytes(4, "little") + b"PAR1")(folder)


def tar_with_a_link(folder: Path) -> Path:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("rows.jsonl")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    return file("rows.tar", out.getvalue())(folder)


def zip_with_a_link(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "rows.zip", "w") as archive:
        info = zipfile.ZipInfo("rows.jsonl")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return folder / "rows.zip"


def folder_loop(folder: Path) -> Path:
    top = folder / "faq"
    (top / "sub").mkdir(parents=True)
    file("a.jsonl", lines())(top)
    (top / "sub" / "again").symlink_to(top, target_is_directory=True)
    return top


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.jsonl")
    return folder / "pipe.jsonl"


def far_cells(folder: Path) -> Path:
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    return file("far.xlsx", workbook_bytes({"S": f"<sheetData>{rows}</sheetData>"}))(folder)


def with_test_rows(folder: Path) -> dict[str, Any]:
    source, test = file("faq.jsonl", lines())(folder), file("test.jsonl", jsonl_bytes(QA[:2]))(folder)
    return {"source": str(source), "held_back": str(test)}


def gzip_of_gzips(folder: Path) -> Path:
    blank = gzip.compress(b'{"question": "' + b"x" * MB + b'", "answer": "Me."}\n')
    return file("rows.jsonl.gz", blank * 400)(folder)


PREFERENCES = [{"prompt": row["question"], "chosen": row["answer"], "rejected": "No idea."} for row in QA]
SAME = {"prompt": "Who?", "chosen": "Me.", "rejected": "Me."}

BAD = [
    Bad(1, "empty file", file("a.jsonl", ""), "data.empty_file", ("no records",)),
    Bad(1, "empty table", file("a.csv", ""), "data.empty_file", ("no records",)),
    Bad(2, "white space", file("a.json", " \n\t\r\n " * 1000), "data.empty_file", ("no records",)),
    Bad(3, "cut last line", file("a.jsonl", lines()[:-10]), "data.truncated", ("Line 20 is incomplete",)),
    Bad(4, "one bad line in many", one_bad_line_in_many, "data.broken_json", ("Line 30001", "leave damaged lines out")),
    Bad(5, "UTF-16", file("a.csv", TABLE.encode("utf-16")), "data.read_as_utf16", ("UTF-16",), imports=True),
    Bad(6, "invalid UTF-8", file("a.jsonl", lines().encode() + b'{"q": "\xff"}\n'), "data.invalid_utf8", ("at byte",)),
    Bad(7, "byte order mark", file("a.csv", "\ufeff" + TABLE), "data.byte_order_mark", ("BOM",), imports=True),
    Bad(8, "zero bytes", file("a.jsonl", lines().encode() + b"\x00" * 99), "data.binary", ("zero bytes",)),
    Bad(8, "zero bytes later", file("a.csv", TABLE + "a,b\n" * 90_000 + "a\x00,b\n"), "data.binary", ("Line 90004",)),
    Bad(9, "list in JSONL", file("a.jsonl", json.dumps(QA)), "data.json_list_in_jsonl", ("JSON list",), imports=True),
    Bad(
        *(10, "mixed column types", file("a.jsonl", lines({"question": "How many?", "answer": 7}))),
        *("data.number_as_text", ("row 21", "number", "others have text"), True),
    ),
    Bad(
        *(10, "an object among texts", file("a.jsonl", lines({"question": "How many?", "answer": {"is": 7}}))),
        *("row.content_not_text", ("row 21", "an object"), True),
    ),
    Bad(11, "nesting 200,000 deep", file("a.json", "[" * 200_000), "data.too_deep", ("64 levels",)),
    Bad(11, "nesting in a line", file("a.jsonl", '{"a": ' * 200_000 + "}" * 200_000), "data.too_deep", ("64 levels",)),
    Bad(12, "endless line", endless_line, "data.line_too_long", ("Line 2", "64 MB")),
    Bad(13, "duplicate keys", file("a.jsonl", '{"answer": 1, "answer": 2}\n'), "data.duplicate_key", ('"answer"',)),
    Bad(14, "NaN", file("a.jsonl", '{"answer": NaN}\n'), "data.not_a_number", ("NaN", "not JSON")),
    Bad(14, "Infinity", file("a.json", '[{"answer": -Infinity}]'), "data.not_a_number", ("Infinity",)),
    Bad(15, "1e400", file("a.jsonl", '{"answer": 1e400}\n'), "data.number_range", ("1e400",)),
    Bad(15, "huge integer", file("a.jsonl", f'{{"answer": {"9" * 5000}}}\n'), "data.number_range", ("5,000 digits",)),
    Bad(16, "ragged table", file("a.csv", TABLE + "a,b,c\n"), "data.ragged_row", ("a.csv:4", "3 columns where 2")),
    Bad(17, "unclosed quote", file("a.csv", TABLE + 'a,"b\n' + "c,d\n" * 9), "data.unclosed_quote", ("line 4",)),
    Bad(18, "other delimiter", file("a.csv", TABLE.replace(",", ":")), "data.no_mapping", ("cut by comma, semicolon",)),
    Bad(19, "duplicate headers", file("a.csv", "q,q,a\n1,2,3\n"), "data.duplicate_columns", ('"q"',)),
    Bad(20, "Excel renamed", file("a.csv", xlsx_bytes(QA)), "data.read_sheet", ("Excel file",), imports=True),
    Bad(
        20,
        "old Excel",
        file("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 999),
        "data.excel_file",
        (".xlsx",),
    ),
    Bad(21, "Parquet cut", file("a.parquet", parquet_bytes(QA)[:-20]), "data.footer_missing", ("footer",)),
    Bad(22, "Parquet of a billion rows", parquet_of_a_billion_rows, "data.exceeds_limit", ("limit is 1,000,000,000",)),
    Bad(22, "Excel cells far apart", far_cells, "data.exceeds_limit", ("8,000,000 cells",)),
    Bad(23, "no mappable columns", file("a.csv", "id,price\n1,2\n3,4\n"), "data.no_mapping", ('"id", "price"',)),
    Bad(24, "empty answers", chats([("user", "a"), ("assistant", "")]), "row.empty_answer", ("1 row", "row 21"), True),
    Bad(25, "assistant first", chats([("assistant", "a")]), "row.assistant_first", ("begins with",), True),
    Bad(26, "ends on user", chats([("user", "a")]), "row.ends_on_user", ("does not end with the assistant",), True),
    Bad(27, "unknown role", chats([("boss", "a"), ("assistant", "b")]), "row.unknown_role", ('"boss"', "row 21"), True),
    Bad(28, "content is null", chats([("user", None), ("assistant", "b")]), "row.content_not_text", ("row 21",), True),
    Bad(28, "content is a number", chats([("user", 7), ("assistant", "b")]), "data.number_as_text", ("row 21",), True),
    Bad(29, "one row", file("a.jsonl", jsonl_bytes(QA[:1])), "data.one_row", ("At least two",)),
    Bad(30, "all duplicates", file("a.jsonl", jsonl_bytes(QA[:1] * 9)), "data.duplicates", ("8 rows repeat",), True),
    Bad(
        *(33, "lone surrogate", file("a.jsonl", lines({"question": "Who?", "answer": "\ud800"}))),
        *("row.broken_character", ("row 21", "half a character"), True),
    ),
    Bad(
        *(
            34,
            "chosen equal to rejected (the preference shape's rule)",
            file("a.jsonl", jsonl_bytes([*PREFERENCES, SAME])),
        ),
        *("row.same_answers", ("row 21",), True),
    ),
    Bad(35, "script", file("load.py", "import datasets\n"), "data.script", ("never run",)),
    Bad(
        36,
        "path out of a ZIP",
        file("a.zip", zip_bytes({"../evil.jsonl": b"{}"})),
        "data.unsafe_path",
        ("unsafe path",),
    ),
    Bad(37, "ZIP bomb", file("a.zip", zip_bytes({"a.jsonl": b" " * 30 * MB})), "data.archive_bomb", ("ratio limit",)),
    Bad(37, "gzip bomb", gzip_of_gzips, "data.archive_bomb", ("ratio limit",)),
    Bad(
        *(37, "Excel bomb", file("a.xlsx", workbook_bytes({"S": sheet([["q", "a"]]) + " " * 30 * MB}))),
        *("data.archive_bomb", ("ratio limit",)),
    ),
    Bad(38, "tar with a link", tar_with_a_link, "data.archive", ("tar", "links", "refused")),
    Bad(38, "ZIP with a link", zip_with_a_link, "data.link_refused", ("links and devices are refused",)),
    Bad(39, "folder loop", folder_loop, "data.folder_loop", ("loop", "sub/again")),
    Bad(40, "pipe", fifo, "data.not_a_file", ("not a regular file",)),
    Bad(40, "device", lambda folder: Path("/dev/zero"), "data.not_a_file", ("not a regular file",)),
    Bad(41, "changes meanwhile", file("a.jsonl", lines()), "data.changed", ("import it again",), changes=True),
    Bad(42, "overlap", with_test_rows, "data.overlap", ("2 test rows", "test.jsonl"), imports=True),
]
