"""Files that are not what their name says, and encodings."""

import json
import os
import stat
import tarfile
from pathlib import Path

import pytest

from studio.contract.errors import Problem
from studio.data.dataset import open_dataset
from studio.data.formats import FORMATS
from studio.data.remarks import is_remark
from studio.data.rows import Rows, read
from studio.data.source import HEAD_BYTES, KINDS, Source
from tests.data.files import QA, reading_refused, refused, run_import, write, write_jsonl
from tests.data.samples import zip_bytes

TABLE = "question,answer\nWo läge Köln?,Am Rhein – schön.\n"


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "txt", ""])
@pytest.mark.parametrize("content", [b"", b"\n \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_an_empty_or_blank_file_has_no_records(tmp_path: Path, suffix: str, content: bytes) -> None:
    problem = reading_refused(write(tmp_path / f"a.{suffix}", content))
    assert problem.code == "data.empty_file"
    assert "no records" in problem.what


def test_a_large_blank_file_ends_as_blank(tmp_path: Path) -> None:
    blank = write(tmp_path / "a.json", b" " * (HEAD_BYTES + 10))
    assert reading_refused(blank).code == "data.empty_file"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    problem = reading_refused(tmp_path / "gone.jsonl")
    assert (problem.code, problem.where) == ("data.missing", "gone.jsonl")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert reading_refused(tmp_path).code == "data.not_a_file"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert reading_refused(tmp_path / "pipe.jsonl").code == "data.not_a_file"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no /dev/zero")
def test_a_device_is_refused_even_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").symlink_to("/dev/zero")
    assert reading_refused(tmp_path / "a.jsonl").code == "data.not_a_file"


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() == 0, reason="the administrator may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", QA)
    path.chmod(0)
    assert reading_refused(path).code == "data.unreadable"
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)


@pytest.mark.parametrize(
    ("start", "code"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "excel_file"),
        (b"BZh9", "archive"),
        (b"Rar!\x1a\x07\x01", "archive"),
        (b"%PDF-1.7", "binary"),
        (b"\x80\x04\x95\x00\x01", "binary"),
        (b'{"a": "\x00"}', "binary"),
    ],
)
def test_other_kinds_of_files_are_named_whatever_their_name_says(tmp_path: Path, start: bytes, code: str) -> None:
    assert reading_refused(write(tmp_path / "a.csv", start + b"\x00\x01" * 50)).code == f"data.{code}"
    assert reading_refused(write(tmp_path / "a.jsonl", start + b"\x00\x01" * 50)).code == f"data.{code}"


@pytest.mark.parametrize(
    ("names", "code", "word"),
    [
        (("mimetype", "content.xml"), "excel_file", "OpenDocument"),
        (("[Content_Types].xml", "xl/workbook.bin"), "excel_file", ".xlsb"),
        (("[Content_Types].xml", "word/document.xml"), "binary", "Office document"),
        (("a.jsonl",), "archive", "ZIP archive"),
    ],
)
def test_other_zipped_files_are_named_by_what_they_hold(
    tmp_path: Path, names: tuple[str, ...], code: str, word: str
) -> None:
    problem = reading_refused(write(tmp_path / "a.csv", zip_bytes(dict.fromkeys(names, b"x"))))
    assert problem.code == f"data.{code}"
    assert word in problem.what


def test_a_tar_archive_is_refused_whatever_it_holds(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("a.jsonl"))
    problem = reading_refused(tmp_path / "a.tar")
    assert problem.code == "data.archive"
    assert "links" in problem.what


def test_an_encoding_that_is_not_plain_utf8_is_said(tmp_path: Path) -> None:
    for encoding, code in (
        ("utf-8-sig", "byte_order_mark"),
        ("utf-16", "read_as_utf16"),
        ("utf-16-be", "read_as_utf16"),
    ):
        with Rows(write(tmp_path / "a.csv", TABLE.encode(encoding))) as rows:
            assert [note.code for note in rows.source.notes] == [f"data.{code}"]


def test_a_script_is_never_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = write(tmp_path / "loader.py", f"open({str(canary)!r}, 'w')\n")
    assert reading_refused(path).code == "data.script"
    assert not canary.exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
def test_every_unicode_encoding_reads_the_same(tmp_path: Path, encoding: str, kind: str) -> None:
    rows = [{"question": "Wo läge Köln?", "answer": "Am Rhein – schön. 𝄞"}, *QA]
    if kind == "json":
        text = json.dumps(rows, ensure_ascii=False, indent=1)
    elif kind == "jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        text = "question;answer\n" + "".join(f"{row['question']};{row['answer']}\n" for row in rows)
    assert list(read(write(tmp_path / f"a.{kind}", text.encode(encoding)))) == rows


def test_a_western_european_table_is_read_and_said_so(tmp_path: Path) -> None:
    with Rows(write(tmp_path / "a.csv", TABLE.encode("cp1252"))) as rows:
        assert list(rows) == [{"question": "Wo läge Köln?", "answer": "Am Rhein – schön."}]
        assert [note.code for note in rows.source.notes] == ["data.read_as_cp1252"]


def test_a_damaged_byte_in_utf8_is_named_and_not_guessed_away(tmp_path: Path) -> None:
    start = "question,answer\nWo läge Köln?,Am ".encode()
    problem = reading_refused(write(tmp_path / "a.csv", start + b"\xe4 Rhein\n"))
    assert (problem.code, problem.where) == ("data.invalid_utf8", "a.csv:2")
    assert f"byte {len(start)}" in problem.what


def test_a_damaged_byte_is_found_where_it_is_in_a_long_table(tmp_path: Path) -> None:
    start = b"q,a\n" + "ä,b\n".encode() * 700_000
    problem = reading_refused(write(tmp_path / "a.csv", start + b"\xff,c\n"))
    assert f"byte {len(start):,}" in problem.what
    assert problem.where == "a.csv:700002"


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_json_of_two_encodings_is_refused_with_the_byte(tmp_path: Path, suffix: str) -> None:
    start, rest = '[{"a": "ä"},\n{"a": "K'.encode(), b'\xf6ln"}]'
    if suffix == "jsonl":
        start, rest = '{"a": "ä"}\n{"a": "K'.encode(), b'\xf6ln"}\n'
    problem = reading_refused(write(tmp_path / f"a.{suffix}", start + rest))
    assert (problem.code, problem.where) == ("data.invalid_utf8", f"a.{suffix}:2")
    assert f"byte {len(start)}" in problem.what


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_western_european_json_is_read_like_a_table_and_said_so(tmp_path: Path, suffix: str) -> None:
    rows = [{"question": f"Wo läge Köln {n}?", "answer": "Am „Rhein“ – schön."} for n in range(40)]
    data = {"json": json.dumps(rows, ensure_ascii=False, indent=1)}
    data["jsonl"] = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path = write(tmp_path / f"a.{suffix}", data[suffix].encode("cp1252"))
    assert list(read(path)) == rows
    imported = run_import(path, tmp_path / "out")
    assert [problem.code for problem in imported.problems] == ["data.read_as_cp1252"]
    (first, *_) = open_dataset(tmp_path / "out").records()
    assert [message.content for message in first.messages] == list(rows[0].values())


def test_a_damaged_line_of_jsonl_is_left_out_by_choice_and_not_guessed_away(tmp_path: Path) -> None:
    faults: list[Problem] = []
    path = write(tmp_path / "a.jsonl", b'{"a": "x"}\n{"a": "\x81"}\n{"a": "y"}\n')
    with Rows(path, faults.append) as rows:
        assert list(rows) == [{"a": "x"}, {"a": "y"}]
    assert [(fault.code, fault.where) for fault in faults] == [("data.invalid_utf8", "a.jsonl:2")]


@pytest.mark.parametrize(
    ("text", "encoding", "word"),
    [
        ("Pytanie;Odpowiedź\nGdzie?;Tam\n", "cp1250", "OdpowiedŸ"),
        ("Pytanie;Wynik\nKiedy?;Od dziesiątej\n", "cp1250", "dziesi¹tej"),
        ("Frage;Antwort\nWas für eine?;Keine\n", "mac-roman", "fŸr"),
    ],
)
def test_letters_that_no_western_word_has_are_a_warning_that_names_the_guess(
    tmp_path: Path, text: str, encoding: str, word: str
) -> None:
    with Rows(write(tmp_path / "a.csv", text.encode(encoding))) as rows:
        assert len(list(rows)) == 1
        (note,) = rows.source.notes
    assert note.code == "data.doubtful_encoding"
    assert f'read as Windows-1252 (Western European), but "{word}" looks wrong' in note.what
    assert not is_remark(note)


def test_signs_of_western_texts_are_no_doubt_and_names_in_old_encodings_are_found_below_notes(tmp_path: Path) -> None:
    text = "Stand;05.11.2026\nFrage;Lösung\n¿Qué, 5 m³?;L’HAŸ-LES-ROSES, H¹ und 3 m³/h\n"
    with Rows(write(tmp_path / "a.csv", text.encode("cp1252"))) as rows:
        assert [list(row) for row in rows] == [["Frage", "Lösung"]]
        assert [note.code for note in rows.source.notes] == ["data.read_as_cp1252", "data.header_row"]


def test_utf16_that_is_cut_in_a_character_is_refused(tmp_path: Path) -> None:
    data = json.dumps(QA, indent=1).encode("utf-16")
    assert reading_refused(write(tmp_path / "a.json", data[:-1])).code in ("data.invalid_encoding", "data.truncated")
    table = ("q;a\n" + "1;2\n" * 50).encode("utf-16")
    assert reading_refused(write(tmp_path / "a.csv", table + b"\x00")).code == "data.invalid_encoding"


def test_a_file_name_with_line_breaks_and_broken_bytes_stays_on_one_line(tmp_path: Path) -> None:
    for name in ("two\nlines.jsonl", os.fsdecode(b"broken\xff.jsonl")):
        try:
            path = write(tmp_path / name, "oops")
        except OSError:
            pytest.skip("this system refuses such names itself")
        where = reading_refused(path).where
        assert "\n" not in where
        where.encode("utf-8")


def test_reading_takes_the_hash_and_the_size_of_the_file(tmp_path: Path) -> None:
    import hashlib

    path = write_jsonl(tmp_path / "a.jsonl", QA)
    with Rows(path) as rows:
        assert len(list(rows)) == len(QA)
        assert rows.source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert rows.source.bytes_read == path.stat().st_size


def test_a_change_during_reading_is_noticed(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", QA)
    with Source(path) as source:
        source.check_unchanged()
        with path.open("a") as file:
            file.write("{}\n")
        assert refused(source.check_unchanged).code == "data.changed"
    with Source(path) as source:
        other = write_jsonl(tmp_path / "b.jsonl", QA)
        other.replace(path)
        assert refused(source.check_unchanged).code == "data.changed"
    with Source(path) as source:
        path.unlink()
        assert refused(source.check_unchanged).code == "data.changed"


def test_every_format_of_the_table_has_its_module() -> None:
    from importlib import import_module

    for name, row in FORMATS.items():
        module = import_module(row.module)
        assert module.__name__.endswith(f".{name}")
        assert callable(module.rows)
        assert any(word in KINDS for word in (row.label, name.upper())), "what people are told to choose"
