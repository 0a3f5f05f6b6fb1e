"""`apprentice doctor --report`: says what is in the report, never overwrites."""

import json
import zipfile
from pathlib import Path

import pytest

from studio.cli import main
from tests.ui import run_stream


def test_the_report_is_saved_and_its_parts_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.zip"
    assert main(["doctor", "--report", str(path)]) == 0
    told = capsys.readouterr().out
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert names[:3] == ["README.txt", "versions.txt", "computer.json"]
    assert all(f"{name}: " in told for name in names)
    assert "sent nowhere" in told


def test_a_report_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.zip"
    path.write_bytes(b"mine")
    assert main(["doctor", "--report", str(path), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "report.exists"
    assert path.read_bytes() == b"mine"


def test_what_steers_a_terminal_is_written_out_in_messages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "inspect", "\x1b[2Jno\u202efile"]) == 2
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "\\x1b[2Jno\\u202efile" in told


def test_a_name_of_several_lines_makes_no_further_row(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_stream.write_run("two\nlines", list(run_stream.run())[:30], data="rows\nrun-9  a false row  done")
    assert main(["runs", "list"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{folder.id}  two\\nlines")
    assert line.endswith("rows\\nrun-9  a false row  done")
    assert main(["runs", "show", folder.id]) == 0
    assert "\nrun-9" not in capsys.readouterr().out
