"""Packed files: read as streams within limits; an archive's unsafe names, links and lies are refused."""

import gzip
import hashlib
import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from studio.contract.events import Event, Progress
from studio.data import archive, intake, streams
from studio.data.dataset import open_dataset
from studio.data.parts import expand
from studio.data.rows import Rows, read
from tests.data.files import QA, reading_refused, refused, run_import, write
from tests.data.samples import TEXT_ROWS, jsonl_bytes, zip_bytes, zstd_bytes

LINES = jsonl_bytes(QA)


@pytest.mark.parametrize("name", ["jsonl.gz", "json.zst", "csv.gz", "parquet.gz"])
def test_a_packed_file_becomes_a_dataset_with_the_hash_of_the_file_as_it_lies(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / f"faq.{name}", TEXT_ROWS[name](QA))
    imported = run_import(path, tmp_path / "out")
    assert (imported.rows, imported.usable, imported.problems) == (20, 20, ())
    source = open_dataset(tmp_path / "out").info.sources[0]
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert source.size_bytes == path.stat().st_size


def test_progress_of_a_packed_file_reaches_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "PROGRESS_SECONDS", 0)
    for name in ("jsonl.gz", "zip"):
        path = write(tmp_path / f"a.{name}", TEXT_ROWS[name](QA * 3))
        events: list[Event] = []
        run_import(path, tmp_path / "out", events=events)
        done = [(event.done, event.total) for event in events if isinstance(event, Progress)]
        assert done == sorted(done)
        assert done[-1][0] == done[-1][1] <= path.stat().st_size


def test_several_gzip_parts_one_after_another_are_read_on(tmp_path: Path) -> None:
    half = len(LINES) // 2
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(LINES[:half]) + gzip.compress(LINES[half:]))
    assert list(read(path)) == QA


def test_old_western_text_is_recognised_within_a_packed_table(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv.gz", gzip.compress("frage;antwort\nWo läge Köln?;Am Rhein.\n".encode("cp1252")))
    with Rows(path) as rows:
        assert list(rows) == [{"frage": "Wo läge Köln?", "antwort": "Am Rhein."}]
        assert [note.code for note in rows.source.notes] == ["data.read_as_cp1252"]


@pytest.mark.parametrize("pack", [gzip.compress, zstd_bytes])
@pytest.mark.parametrize("cut", [9, 40, -9])
def test_a_packed_file_that_is_cut_off_is_named(tmp_path: Path, pack: object, cut: int) -> None:
    data = pack(LINES * 200)  # type: ignore[operator]
    problem = reading_refused(write(tmp_path / "a.jsonl.gz", data[:cut]))
    assert (problem.code, problem.where) == ("data.damaged_archive", "a.jsonl.gz")


@pytest.mark.parametrize("pack", [gzip.compress, zstd_bytes])
def test_a_bomb_ends_at_the_ratio_limit(tmp_path: Path, pack: object) -> None:
    blank = (b'{"question": "' + b"x" * 1000 + b'", "answer": "y"}\n') * 60_000
    problem = reading_refused(write(tmp_path / "a.jsonl.gz", pack(blank)))  # type: ignore[operator]
    assert problem.code == "data.archive_bomb"
    assert "ratio limit" in problem.what


def test_what_unpacks_to_too_much_ends_at_the_size_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_UNPACKED_BYTES", 1000)
    problem = reading_refused(write(tmp_path / "a.jsonl.gz", gzip.compress(LINES)))
    assert problem.code == "data.archive_bomb"
    assert "size limit" in problem.what


def test_text_as_repetitive_as_real_text_passes(tmp_path: Path) -> None:
    rows = [
        {"question": f"What is {n}?", "answer": "You are a kind helper of our customers. " * 4} for n in range(9000)
    ]
    data = gzip.compress(jsonl_bytes(rows))
    assert 50 < len(jsonl_bytes(rows)) / len(data) < 100
    assert sum(1 for _ in read(write(tmp_path / "a.jsonl.gz", data))) == 9000


def test_an_archive_of_several_files_is_one_dataset(tmp_path: Path) -> None:
    files = {"faq/a.jsonl": jsonl_bytes(QA[:8]), "faq/b.csv": TEXT_ROWS["csv"](QA[8:]), "README.md": b"About"}
    path = write(tmp_path / "faq.zip", zip_bytes({**files, "__MACOSX/a.jsonl": b"x", ".hidden.jsonl": b"x"}))
    imported = run_import(path, tmp_path / "out")
    assert imported.usable == 20
    assert [problem.code for problem in imported.problems] == ["data.files_left_out"]
    assert '"README.md"' in imported.problems[0].what
    sources = open_dataset(tmp_path / "out").info.sources
    assert [source.name for source in sources] == ["faq.zip/faq/a.jsonl", "faq.zip/faq/b.csv"]
    assert {source.sha256 for source in sources} == {hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize(
    "name", ["../evil.jsonl", "/etc/evil.jsonl", "a/../../evil.jsonl", "..\\evil.jsonl", "C:\\evil.jsonl"]
)
def test_a_path_that_leads_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.zip", zip_bytes({"good.jsonl": LINES, name: LINES}))
    problem = refused(lambda: run_import(path, tmp_path / "out"))
    assert problem.code == "data.unsafe_path"
    assert "unsafe path" in problem.what


@pytest.mark.parametrize(("kind", "word"), [(stat.S_IFLNK, "link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "device")])
def test_links_and_devices_in_an_archive_are_refused(tmp_path: Path, kind: int, word: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        info = zipfile.ZipInfo("rows.jsonl")
        info.external_attr = (kind | 0o777) << 16
        made.writestr(info, "/etc/passwd")
    problem = refused(lambda: run_import(tmp_path / "a.zip", tmp_path / "out"))
    assert problem.code == "data.link_refused"
    assert f"is a {word}" in problem.what


def test_an_archive_that_claims_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = write(tmp_path / "a.zip", zip_bytes({"a.jsonl": b" " * 5_000_000}))
    assert refused(lambda: expand(bomb)).code == "data.archive_bomb"
    many = write(tmp_path / "b.zip", zip_bytes({f"{n}.jsonl": b"{}" for n in range(20)}))
    monkeypatch.setattr(archive, "MAX_MEMBERS", 10)
    monkeypatch.setattr(zipfile, "ZipFile", None)  # it would take the whole directory into memory
    problem = refused(lambda: expand(many))
    assert problem.code == "data.too_many_files"
    assert "20 files" in problem.what


def test_overlapping_members_count_against_the_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that names the same packed bytes many times."""
    data = zip_bytes({"a.jsonl": bytes(range(256)) * 4000})
    end = data.rfind(b"PK\x05\x06")
    start = struct.unpack_from("<L", data, end + 16)[0]
    entry = data[start:end]
    tail = bytearray(data[end:])
    struct.pack_into("<HHL", tail, 8, 500, 500, len(entry) * 500)
    path = write(tmp_path / "a.zip", data[:start] + entry * 500 + bytes(tail))
    assert refused(lambda: expand(path)).code == "data.archive_bomb"


def test_a_member_that_lies_about_its_size_or_content_is_refused(tmp_path: Path) -> None:
    data = zip_bytes({"a.jsonl": LINES})
    for place, change in ((22, -1), (22, 1), (14, 1)):  # the size and the checksum, in header and directory
        broken = bytearray(data)
        for base in (0, data.rfind(b"PK\x01\x02") + 2):
            value = struct.unpack_from("<L", broken, base + place)[0]
            struct.pack_into("<L", broken, base + place, (value + change) % 2**32)
        path = write(tmp_path / "a.zip", bytes(broken))
        assert refused(lambda path=path: run_import(path, tmp_path / "out")).code == "data.damaged_archive"


def test_a_locked_or_oddly_packed_archive_is_refused_in_words(tmp_path: Path) -> None:
    data = bytearray(zip_bytes({"a.jsonl": LINES}))
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    assert refused(lambda: expand(write(tmp_path / "a.zip", bytes(data)))).code == "data.locked"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as made:
        made.writestr("a.jsonl", LINES)
    assert refused(lambda: expand(write(tmp_path / "b.zip", file.getvalue()))).code == "data.archive"
    assert refused(lambda: expand(write(tmp_path / "c.zip", file.getvalue()[:-30]))).code == "data.damaged_archive"
    assert refused(lambda: expand(write(tmp_path / "d.zip", zip_bytes({})))).code == "data.no_files"


def test_a_member_that_is_stored_is_read_as_it_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_STORED) as made:
        made.writestr("a.jsonl", LINES)
    assert [row for part in expand(tmp_path / "a.zip").learned for row in read(part)] == QA


def test_a_large_archive_with_a_wide_directory_is_read(tmp_path: Path) -> None:
    """As archives above 4 GB are: sizes and the directory's place stand in records of 64 bits."""
    data = zip_bytes({"a.jsonl": LINES})
    end = data.rfind(b"PK\x05\x06")
    number, size, start = struct.unpack_from("<HLL", data, end + 10)
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, number, number, size, start)
    wide += struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path = write(tmp_path / "a.zip", data[:end] + wide + tail)
    assert [row for part in expand(path).learned for row in read(part)] == QA
