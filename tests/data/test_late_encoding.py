"""Tables whose first letter that is no UTF-8 stands far below what was looked at: read once, and right."""

from pathlib import Path

import pytest

from studio.data import inspecting, kinds
from studio.data.dataset import open_dataset
from studio.data.formats import csv, csv_blocks
from studio.data.formats.csv_blocks import BLOCK_BYTES
from studio.data.source import HEAD_BYTES
from tests.data.files import refused, run_import, write

_HEAD = "question,answer\r\n"
_LINE = "What is number {}?,It is the number {} of all of them.\r\n"
_LATE = "Wo läge Köln?,Am „Rhein“ – schön.\r\n"


@pytest.fixture(autouse=True)
def _short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at first ends before the odd letters of these tests, as 80 MB do before those of a larger file."""
    monkeypatch.setattr(inspecting, "SAMPLE_BYTES", 0)
    monkeypatch.setattr(inspecting, "MAX_LINE_BYTES", HEAD_BYTES)


def lines(size: int) -> str:
    """Rows of ASCII, at least so many bytes."""
    return "".join(_LINE.format(number, number) for number in range(1 + size // len(_LINE)))


def imported_texts(folder: Path) -> list[list[str]]:
    return [[turn.content for turn in record.messages] for record in open_dataset(folder).records()]


@pytest.mark.parametrize("before", [HEAD_BYTES + 100, BLOCK_BYTES + 100])
@pytest.mark.parametrize("odd", ["", 'An odd "quote,is text.\r\n'])
def test_western_letters_far_down_are_read_and_said(tmp_path: Path, before: int, odd: str) -> None:
    text = lines(before) + odd + _LATE + lines(before)
    path = write(tmp_path / "a.csv", (_HEAD + text).encode("cp1252"))
    found = run_import(path, tmp_path / "out")
    assert "data.read_as_cp1252" in [problem.code for problem in found.problems]
    assert open_dataset(tmp_path / "out").info.sources[0].encoding == "cp1252"
    assert imported_texts(tmp_path / "out") == [line.split(",") for line in text.splitlines()]


def test_the_same_file_is_read_the_same_once_more(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", (_HEAD + lines(HEAD_BYTES + 100) + _LATE).encode("cp1252"))
    first, second = (run_import(path, tmp_path / name) for name in ("one", "two"))
    assert first.problems == second.problems
    assert imported_texts(tmp_path / "one") == imported_texts(tmp_path / "two")


@pytest.mark.parametrize("before", [HEAD_BYTES + 100, BLOCK_BYTES + 100])
def test_letters_of_two_encodings_are_refused_with_the_byte_and_nothing_is_left(tmp_path: Path, before: int) -> None:
    start = (_HEAD + "Wo läge Köln?,Am Rhein.\r\n" + lines(before)).encode()
    path = write(tmp_path / "a.csv", start + b"K\xf6ln?,Am Rhein.\r\n")
    problem = refused(lambda: run_import(path, tmp_path / "sets" / "out"))
    line = start.count(b"\n") + 1
    assert (problem.code, problem.where) == ("data.invalid_utf8", f"a.csv:{line}")
    assert f"byte {len(start) + 1:,}" in problem.what
    assert not list((tmp_path / "sets").glob("*"))


def test_a_file_that_is_utf8_is_not_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead: list[int | None] = []

    def noted(file: object, most: int | None = None) -> None:
        ahead.append(most)

    monkeypatch.setattr(kinds, "first_bad_byte", noted)
    run_import(write(tmp_path / "a.csv", _HEAD + lines(HEAD_BYTES + 100)), tmp_path / "out")
    assert None not in ahead


def test_a_row_that_is_too_long_is_named_and_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 4096)
    for module in (csv_blocks, csv):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", 65_536)
    before = lines(10_000)
    path = write(tmp_path / "a.csv", f"{_HEAD}{before}Why?,{'so ' * 30_000}\r\n{before}")
    problem = refused(lambda: run_import(path, tmp_path / "out", skip_damaged=True))
    line = before.count("\n") + 2
    assert (problem.code, problem.where) == ("data.line_too_long", f"a.csv:{line}")
