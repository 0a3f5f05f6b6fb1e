"""Every proof that has no test file of its own, small; in full by `python3 packaging/dev.py faults --full`."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tests.faults import proving
from tests.faults.proving import PROOFS, Proof
from tests.helpers.shared_data import PROJECT

TESTED_APART = ("kills", "disk", "exports", "malicious")


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="signals, /proc and limits of Linux are meant")
@pytest.mark.parametrize("name", [name for name in PROOFS if name not in TESTED_APART])
def test_what_is_promised_holds(name: str) -> None:
    proof = PROOFS[name]
    command = [sys.executable, "-m", f"tests.faults.{proof.module}", *proof.small, "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=PROJECT, check=False)
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    assert result["faults"] == [], done.stderr
    assert done.returncode == 0, result


# --- the page that keeps the figures ------------------------------------------------------------------------------

TWO = {
    "kills": Proof("P1", "killed", "kills", ()),
    "disk": Proof("P6", "full", "disk_faults", ()),
}


def test_a_row_that_was_proven_in_full_replaces_its_line_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    first, second = datetime(2026, 11, 1, 10, 0), datetime(2026, 11, 2, 11, 0)

    def line(name: str, figures: str, when: datetime) -> str:
        return proving.line_of(name, (TWO[name].promise, TWO[name].words, figures, "9", "yes"), when)

    proving.keep(page, "disk", line("disk", "calls 7", first), TWO)
    rows = [row for row in page.read_text().splitlines() if row.startswith("| P")]
    assert "not yet run in full" in rows[0]
    assert "calls 7" in rows[1]
    proving.keep(page, "kills", line("kills", "kills 200", first), TWO)
    proving.keep(page, "disk", line("disk", "calls 8", second), TWO)
    rows = [row for row in page.read_text().splitlines() if row.startswith("| P")]
    assert len(rows) == 2
    assert "kills 200" in rows[0]
    assert "2026-11-01" in rows[0]
    assert "calls 8" in rows[1]
    assert "2026-11-02" in rows[1]
    assert rows[1].endswith("| `python3 packaging/dev.py faults --full disk` |")


def test_a_row_that_is_no_more_leaves_the_page(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    proving.keep(page, "disk", proving.line_of("disk", ("P6", "full", "x", "9", "yes"), datetime(2026, 11, 1)), TWO)
    proving.keep(page, "kills", proving.line_of("kills", ("P1", "w", "y", "9", "yes"), datetime(2026, 11, 1)), {
        "kills": TWO["kills"]
    })  # fmt: skip
    assert "P6" not in page.read_text()


def test_every_line_of_the_page_is_of_a_proof_that_there_is() -> None:
    rows = [row for row in proving.PAGE.read_text(encoding="utf-8").splitlines() if row.startswith("| P")]
    assert rows
    assert {row.split("`")[-2].rpartition(" ")[2] for row in rows} <= set(PROOFS)


def test_a_proof_that_does_not_hold_says_so_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(proving, "prove", lambda proof, full: (False, {"tried": 3, "faults": ["it was lost"]}, 1.0))
    assert proving.main(["disk"]) == 1
    out = capsys.readouterr().out
    assert "tried 3 | 1 | NO |" in out
    assert "- it was lost" in out
