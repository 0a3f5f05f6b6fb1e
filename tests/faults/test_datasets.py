"""Bad datasets end in a named error or a note: quickly, in little memory, and with no harm to what lies beside them."""

import hashlib
import json
import os
import selectors
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.data.dataset import open_dataset
from tests.data.files import QA, run_import, write_jsonl
from tests.faults.bad_datasets import BAD, ELSEWHERE, MB, Bad

MOST_SECONDS = 5.0
MOST_EXTRA_BYTES = 512 * MB
PROJECT = Path(__file__).resolve().parents[2]


class Importer:
    """The child process; a new one takes over where it was ended."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def ask(self, job: dict[str, Any], append_to: str) -> dict[str, Any]:
        child = self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps({"job": job, "append_to": append_to}) + "\n")
        child.stdin.flush()
        with selectors.DefaultSelector() as ready:
            ready.register(child.stdout, selectors.EVENT_READ)
            if not ready.select(4 * MOST_SECONDS):
                self.end()
                pytest.fail("the import hangs")
        line = child.stdout.readline()
        if not line:
            self.end()
            pytest.fail("the importing process died")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _running(self) -> subprocess.Popen[str]:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.faults.measured_import"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=PROJECT,
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
            )
        return self._child


@pytest.fixture(scope="module")
def importer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Importer]:
    """One child for all, warmed up so that libraries do not count as memory of an import."""
    importer = Importer()
    folder = tmp_path_factory.mktemp("warm")
    source = write_jsonl(folder / "a.jsonl", QA)
    assert importer.ask({"source": str(source), "destination": str(folder / "out"), "name": "x"}, "")["made"]
    yield importer
    importer.end()


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_bad_input_of_the_list_has_its_entry() -> None:
    assert {bad.number for bad in BAD} | set(ELSEWHERE) == set(range(1, 43))


@pytest.mark.skipif(os.name != "posix", reason="pipes, devices and links are made the POSIX way")
@pytest.mark.parametrize("bad", [pytest.param(bad, id=f"{bad.number} {bad.name}") for bad in BAD])
def test_a_bad_input_is_named_quickly_in_little_memory_and_harms_nothing(
    bad: Bad, tmp_path: Path, importer: Importer
) -> None:
    folder, home = tmp_path / "from outside", tmp_path / "datasets"
    folder.mkdir()
    run_import(write_jsonl(tmp_path / "canary.jsonl", QA), home / "canary")
    canary = fingerprint(home)
    made = bad.make(folder)
    fields = {"source": str(made)} if isinstance(made, Path) else made
    before = fingerprint(folder) if not bad.changes else {}
    job = {**fields, "destination": str(home / "new"), "name": "New"}

    answer = importer.ask(job, fields["source"] if bad.changes else "")

    told = [problem for problem in answer["problems"] if problem["code"] == bad.code]
    assert told, answer["problems"]
    assert answer["made"] == bad.imports
    for word in (Path(job["source"]).name if bad.number != 42 else "", *bad.words):
        assert word in told[0]["text"]
    assert answer["seconds"] < MOST_SECONDS
    assert answer["extra_bytes"] < MOST_EXTRA_BYTES
    assert before == ({} if bad.changes else fingerprint(folder))
    assert {name: value for name, value in fingerprint(home).items() if name.startswith("canary")} == canary
    assert sorted(path.name for path in home.iterdir()) == (["canary", "new"] if bad.imports else ["canary"])


def test_a_bad_line_among_many_is_skipped_where_that_is_chosen(tmp_path: Path, importer: Importer) -> None:
    source = next(bad for bad in BAD if bad.number == 4).make(tmp_path)
    job = {"source": str(source), "destination": str(tmp_path / "out"), "name": "x", "skip_damaged": True}
    answer = importer.ask(job, "")
    assert answer["made"]
    assert [problem["code"] for problem in answer["problems"]] == ["data.broken_json", "data.duplicates"]
    assert "row 30001" in answer["problems"][0]["text"]
    assert len(open_dataset(tmp_path / "out")) == 60_000
