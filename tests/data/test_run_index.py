"""The index of runs: quick, and never the place where a run could be lost."""

import os
import random
import sqlite3
from pathlib import Path

import pytest

from studio.contract.run_folder import home_folder
from studio.data import run_history
from studio.data.run_history import RunSummary, list_runs
from studio.data.run_index import FILE, VERSION, RunIndex
from tests.ui.run_stream import finished, held_back, started, step, write_run

RUNS = 6


@pytest.fixture
def runs(own_home: Path) -> list[RunSummary]:
    for number in range(RUNS):
        stream = [started(), *(step(n, 3.0 / n) for n in range(1, 20)), held_back(19, 0.5 + number)]
        folder = write_run(f"run {number}", [*stream, finished()] if number % 2 else stream, seed=number)
        long_ago = 1_700_000_000 + number
        os.utime(folder.events, (long_ago, long_ago))
    forget()
    return list_runs()


def forget() -> None:
    """As after a new start."""
    run_history._known.clear()


def index_file() -> Path:
    return home_folder() / FILE


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs whose events were read all the same."""
    read: list[str] = []
    real = run_history._read_whole
    monkeypatch.setattr(run_history, "_read_whole", lambda folder: read.append(folder.id) or real(folder))
    return read


def test_a_new_start_reads_no_events_again(runs: list[RunSummary], unread: list[str]) -> None:
    forget()
    assert list_runs() == runs
    assert unread == []
    assert index_file().stat().st_mode & 0o077 == 0


def test_a_run_that_went_on_is_read_again(runs: list[RunSummary], unread: list[str]) -> None:
    forget()
    run_history.RunFolder(runs[0].folder).events.open("ab").close()
    with (runs[0].folder / "events.jsonl").open("ab") as file:
        file.write(run_history.events.encode(step(20, 0.01)))
    assert list_runs()[0].loss_last == 0.01
    assert unread == [runs[0].id]


def test_no_run_is_lost_by_a_hundred_damaged_indexes(runs: list[RunSummary]) -> None:
    good, dice = index_file().read_bytes(), random.Random(0)
    for number in range(100):
        raw = bytearray(good)
        match number % 4:
            case 0:
                raw = raw[: dice.randrange(len(raw))]
            case 1:
                at = dice.randrange(len(raw) - 64)
                raw[at : at + 64] = bytes(64)
            case 2:
                for _ in range(dice.randrange(1, 40)):
                    raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
            case _:
                raw = bytearray(dice.randbytes(dice.randrange(1, 9000)))
        for suffix in ("-wal", "-shm"):
            index_file().with_name(FILE + suffix).unlink(missing_ok=True)
        index_file().write_bytes(raw)
        forget()
        assert list_runs() == runs, f"damage {number}"
    assert len(list(home_folder().glob(f"{FILE}.*.aside"))) <= 5


def test_a_lost_index_is_made_anew(runs: list[RunSummary], unread: list[str]) -> None:
    index_file().unlink()
    forget()
    assert list_runs() == runs
    assert len(unread) == RUNS
    forget()
    assert list_runs() == runs
    assert len(unread) == RUNS


def test_an_index_of_another_version_is_set_aside_and_kept(runs: list[RunSummary]) -> None:
    database = sqlite3.connect(index_file())
    database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    forget()
    assert list_runs() == runs
    assert len(list(home_folder().glob(f"{FILE}.*.aside"))) == 1


def test_an_index_of_when_best_losses_counted_the_base_is_read_anew(runs: list[RunSummary], unread: list[str]) -> None:
    database = sqlite3.connect(index_file())
    database.execute("PRAGMA user_version = 1")
    database.close()
    forget()
    assert list_runs() == runs
    assert len(unread) == RUNS


def test_what_another_version_wrote_of_a_run_is_read_from_its_folder(runs: list[RunSummary], unread: list[str]) -> None:
    with RunIndex() as index:
        index.put(runs[0].id, run_history._key(run_history.RunFolder(runs[0].folder)), b'{"colour": "red"}')
    forget()
    assert list_runs() == runs
    assert unread == [runs[0].id]


def test_a_locked_index_or_a_folder_that_takes_no_file_loses_no_run(
    runs: list[RunSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.data.run_index._BUSY_SECONDS", 0.01)
    other = sqlite3.connect(index_file(), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    forget()
    assert list_runs() == runs
    assert list(home_folder().glob(f"{FILE}.*.aside")) == []
    other.close()
    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    forget()
    assert list_runs() == runs


def test_an_index_that_holds_what_the_program_never_put_there_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with RunIndex(path) as index:
        index.put("run-1", (1, 2), b"told")
    database = sqlite3.connect(path)
    database.execute("CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END")
    database.commit()
    database.close()
    with RunIndex(path) as index:
        index.put("run-2", (1, 2), b"told")
        assert index.get("run-2", (1, 2)) == b"told"
