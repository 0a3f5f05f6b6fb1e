"""Damaged files end in rows or in words, never in a traceback, a crash or a hang; `dev.py fuzz` runs for longer."""

import random
from pathlib import Path

import pytest

from tests.data import fuzzing
from tests.data.fuzzing import SAMPLES, Failure, fuzz, inputs, outcome, place


@pytest.mark.parametrize("reader", SAMPLES)
def test_a_damaged_file_is_imported_or_refused_in_words(reader: str) -> None:
    seen = fuzz(reader, seed=0, number=60)
    assert sum(seen.values()) == 60
    assert seen["imported"]
    assert len(seen) > 1  # else the damage was too tame to prove anything


@pytest.mark.parametrize("reader", SAMPLES)
def test_the_undamaged_samples_are_read(tmp_path: Path, reader: str) -> None:
    for number, sample in enumerate(SAMPLES[reader]()):
        assert outcome(place(sample, tmp_path / str(number)), tmp_path / "out", skip_damaged=False) == "imported"


def test_the_same_seed_gives_the_same_files() -> None:
    one, two = (inputs("zip", random.Random("x")) for _ in range(2))
    assert [next(one) for _ in range(5)] == [next(two) for _ in range(5)]


def faulty_reader(site: Path, fault: str) -> Path:
    site.mkdir()
    body = f"import os, time\ndef rows(source):\n    {fault}\n    yield 1, {{}}\n"
    (site / "sitecustomize.py").write_text(
        "import sys, types\nmodule = types.ModuleType('studio.data.formats.json')\n"
        f"exec({body!r}, module.__dict__)\nsys.modules['studio.data.formats.json'] = module\n"
    )
    return site


@pytest.mark.parametrize("fault", ["raise KeyError('odd')", "os.abort()", "time.sleep(60)"])
def test_a_traceback_a_crash_and_a_hang_are_failures_and_their_input_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The fuzzer itself, with a reader that has each of these faults."""
    monkeypatch.setattr(fuzzing, "PATHS", [str(faulty_reader(tmp_path / "site", fault))])
    monkeypatch.setattr(fuzzing, "HANG_SECONDS", 3.0)
    with pytest.raises(Failure, match="json") as caught:
        fuzz("json", seed=0, number=30, keep=tmp_path / "kept")
    assert list((tmp_path / "kept").glob("json-*/a.json"))
    assert ("more than" in str(caught.value)) == ("sleep" in fault)


def test_a_reader_that_wants_all_memory_gets_none_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "PATHS", [str(faulty_reader(tmp_path / "site", "bytearray(64 * 1024**3)"))])
    assert fuzz("json", seed=0, number=30)["data.too_big"] > 3
