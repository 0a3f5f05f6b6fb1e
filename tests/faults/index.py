"""An index of runs that is damaged in every way that can be thought of (promise P17).

    python -m tests.faults.index [--n 100] [--json]

Runs in every state lie in a home folder; the index knows them. Then the database is flipped, cut, overwritten, taken
away, replaced, or left with a write-ahead log of another time, and a window that starts anew lists the runs: it must
list every one, with the same figures, and the index must work again after that. Last, indexes of other versions are
set aside before they are made anew: byte for byte, the last five of them.
"""

import os
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from studio.contract import events
from studio.contract.run_folder import RunFolder, home_folder, runs_folder
from studio.data import run_history, run_index
from tests.faults import report
from tests.ui.run_stream import finished, preparation, step, write_run

RUNS = 30
PAGE_BYTES = 4096
KEPT_ASIDE = 5


class Result(msgspec.Struct, kw_only=True):
    """What became of the runs.

    Attributes:
        runs: In the home folder.
        corruptions: Of the index.
        kinds: How many of each kind.
        listed: Times that every run was listed with its figures.
        healed: Times that the index served all runs again after that.
        set_aside: Indexes of other versions that were kept, byte for byte, before a new one was made.
        kept_aside: Files that are left of them.
    """

    runs: int = 0
    corruptions: int = 0
    kinds: dict[str, int] = msgspec.field(default_factory=dict)
    listed: int = 0
    healed: int = 0
    set_aside: int = 0
    kept_aside: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether no run was lost."""
        all_listed = self.corruptions == self.listed == self.healed > 0
        return not self.faults and all_listed and self.kept_aside == KEPT_ASIDE


def make_runs(count: int) -> None:
    """Runs that are done, stopped, failed, interrupted and without a first step; a minute old."""
    for number in range(count):
        stream: list[events.AnyEvent] = preparation()
        stream += [step(at, 3.0 - at / 50, 40) for at in range(1, 2 + number)]
        match number % 5:
            case 0:
                stream.append(finished(number + 1))
            case 1:
                stream.append(events.Finished(adapter="", reason="stopped", steps=number + 1, seconds=2.0))
            case 2:
                stream.append(events.Failed(problem=run_stream_problem()))
            case 3:
                stream = stream[:3]
        folder = write_run(f"run-{number}", stream, seed=number)
        settle(folder)


def run_stream_problem() -> events.Problem:
    """Why a run failed."""
    return events.Problem(code="disk.full", what="The disk is full.", why="No space left.", fix="Free some space.")


def settle(folder: RunFolder) -> None:
    """Only what has not been written to for a while is taken into the index."""
    ago = time.time() - 60
    os.utime(folder.events, (ago, ago))


def listed_anew() -> list[run_history.RunSummary]:
    """The runs as a window lists them that has just been started."""
    run_history._known.clear()
    return run_history.list_runs()


# --- corruptions --------------------------------------------------------------------------------------------------


class Ground:
    """The index's files, as they were while all was well, and while a write was under way."""

    def __init__(self, beside: Path, dice: random.Random) -> None:
        self.path, self.dice = home_folder() / run_index.FILE, dice
        self.wal = self.path.with_name(self.path.name + "-wal")
        self.shm = self.path.with_name(self.path.name + "-shm")
        self.good = self.path.read_bytes()
        self.good_wal, self.good_shm = self._in_the_middle(beside)

    def _in_the_middle(self, beside: Path) -> tuple[bytes, bytes]:
        """The log as it lies there while a transaction is written and not merged yet."""
        copy = beside / "copy.sqlite"
        shutil.copyfile(self.path, copy)
        database = sqlite3.connect(copy)
        database.execute("PRAGMA journal_mode = WAL")
        with database:
            database.execute("UPDATE runs SET told = zeroblob(64)")
        kept = (copy.with_name("copy.sqlite-wal").read_bytes(), copy.with_name("copy.sqlite-shm").read_bytes())
        database.close()
        return kept

    def restore(self) -> None:
        """All well again."""
        if self.path.is_dir():
            self.path.rmdir()
        self.path.write_bytes(self.good)
        self.path.chmod(0o600)
        for path in (self.wal, self.shm):
            path.unlink(missing_ok=True)

    # each of these does one corruption

    def flip_bits(self) -> None:
        raw = bytearray(self.good)
        for _ in range(self.dice.choice([1, 8, 64])):
            raw[self.dice.randrange(len(raw))] ^= 1 << self.dice.randrange(8)
        self.path.write_bytes(raw)

    def flip_header(self) -> None:
        raw = bytearray(self.good)
        raw[self.dice.randrange(100)] ^= 1 << self.dice.randrange(8)
        self.path.write_bytes(raw)

    def cut(self) -> None:
        self.path.write_bytes(self.good[: self.dice.randrange(len(self.good))])

    def zero_page(self) -> None:
        raw = bytearray(self.good)
        start = PAGE_BYTES * self.dice.randrange(len(raw) // PAGE_BYTES)
        raw[start : start + PAGE_BYTES] = bytes(PAGE_BYTES)
        self.path.write_bytes(raw)

    def exchange_pages(self) -> None:
        pages = [self.good[at : at + PAGE_BYTES] for at in range(0, len(self.good), PAGE_BYTES)]
        self.dice.shuffle(pages)
        self.path.write_bytes(b"".join(pages))

    def empty(self) -> None:
        self.path.write_bytes(b"")

    def delete(self) -> None:
        self.path.unlink()

    def put_garbage(self) -> None:
        self.path.write_bytes(self.dice.randbytes(self.dice.randrange(1, 20_000)))

    def put_folder(self) -> None:
        self.path.unlink()
        self.path.mkdir()

    def put_log_of_another_time(self) -> None:
        """A log whose pages say something else of every run."""
        self.wal.write_bytes(self.good_wal)

    def put_cut_log(self) -> None:
        self.wal.write_bytes(self.good_wal[: self.dice.randrange(len(self.good_wal))])
        self.shm.write_bytes(self.good_shm)

    def put_garbage_log(self) -> None:
        self.wal.write_bytes(self.dice.randbytes(5000))
        self.shm.write_bytes(self.dice.randbytes(32_768))

    def delete_under_its_log(self) -> None:
        self.path.unlink()
        self.wal.write_bytes(self.good_wal)

    def _change(self, *statements: str) -> None:
        database = sqlite3.connect(self.path)
        with database:
            for statement in statements:
                database.execute(statement)
        database.close()

    def lie_about_figures(self) -> None:
        """Well-formed, and wrong."""
        self._change("UPDATE runs SET told = (SELECT told FROM runs ORDER BY id DESC LIMIT 1)")

    def put_other_types(self) -> None:
        self._change("UPDATE runs SET told = 'text', changed = 1.5 WHERE rowid % 2")

    def take_rows(self) -> None:
        self._change("DELETE FROM runs WHERE rowid % 3 = 0")

    def change_table(self) -> None:
        self._change("DROP TABLE runs", "CREATE TABLE runs (id TEXT)")

    def put_trigger(self) -> None:
        self._change("CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END", "DELETE FROM runs")

    def of_another_version(self) -> None:
        self._change(f"PRAGMA user_version = {self.dice.randrange(run_index.VERSION + 1, 99)}")

    def kinds(self) -> Iterator[Callable[[], None]]:
        """All of them, again and again."""
        while True:
            yield from (
                self.flip_bits, self.flip_header, self.cut, self.zero_page, self.exchange_pages, self.empty,
                self.delete, self.put_garbage, self.put_folder, self.put_log_of_another_time, self.put_cut_log,
                self.put_garbage_log, self.delete_under_its_log, self.lie_about_figures, self.put_other_types,
                self.take_rows, self.change_table, self.put_trigger, self.of_another_version, self.flip_bits,
            )  # fmt: skip


# --- the proof ----------------------------------------------------------------------------------------------------


def corrupt_many(count: int, home: Path) -> Result:
    """See the module's text."""
    make_runs(RUNS)
    wanted = listed_anew()
    if len(wanted) != RUNS or not _serves(wanted):
        raise AssertionError("the index did not work to begin with")
    result = Result(runs=len(wanted))
    ground = Ground(home, random.Random(17))
    for number, kind in zip(range(count), ground.kinds()):
        ground.restore()
        kind()
        name = kind.__name__.replace("_", " ")
        result.corruptions += 1
        result.kinds[name] = result.kinds.get(name, 0) + 1
        try:
            _look(wanted, name, result)
        except Exception as error:  # noqa: BLE001 - whatever it is, a person would have seen no list
            result.faults.append(f"{name} ({number}): {type(error).__name__}: {error}")
    ground.restore()
    _keep_others(ground, wanted, result)
    return result


def _look(wanted: list[run_history.RunSummary], name: str, result: Result) -> None:
    found = listed_anew()
    if found == wanted:
        result.listed += 1
    else:
        lost = len({run.id for run in wanted} - {run.id for run in found})
        wrong = sum(run not in wanted for run in found)
        result.faults.append(f"{name}: {lost} runs lost, {wrong} with other figures")
    listed_anew()
    # A folder in the file's place is not ours to take away: then the runs are read from their folders each time.
    if _serves(wanted) or (home_folder() / run_index.FILE).is_dir():
        result.healed += 1
    else:
        result.faults.append(f"{name}: the index does not work again")


def _serves(wanted: list[run_history.RunSummary]) -> bool:
    """Whether the index knows every run."""
    with run_index.RunIndex() as index:
        return all(index.get(run.id, run_history._key(RunFolder(run.folder))) is not None for run in wanted)


def _keep_others(ground: Ground, wanted: list[run_history.RunSummary], result: Result) -> None:
    """More indexes of other versions than are kept: each is set aside as it was, and the oldest go."""
    aside = set(home_folder().glob("*.aside"))
    for version in range(run_index.VERSION + 1, run_index.VERSION + 1 + KEPT_ASIDE + 2):
        ground.restore()
        ground._change(f"PRAGMA user_version = {version}")
        was = ground.path.read_bytes()
        if listed_anew() != wanted:
            result.faults.append(f"version {version}: runs were lost")
        now = set(home_folder().glob("*.aside"))
        made = now - aside
        aside = now
        if len(made) == 1 and made.pop().read_bytes() == was:
            result.set_aside += 1
        else:
            result.faults.append(f"version {version}: what was there was not set aside")
    result.kept_aside = len(aside)
    if sum(1 for path in runs_folder().iterdir() if path.is_dir()) != RUNS:
        result.faults.append("a run's folder is gone")


if __name__ == "__main__":
    sys.exit(report.prove(sys.argv[1:], __doc__, 100, corrupt_many))
