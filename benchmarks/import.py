"""A million rows in: our import beside `datasets.load_dataset`, on the same files in the same run.

    python3 packaging/dev.py bench import [--rows 1000000] [--formats jsonl csv parquet] [--folder DIR] [--full]

Generates chat rows of about 1 kB (JSONL and Parquet: lists of turns; CSV: question and answer), then reads each file
with ours and with the peer in turn, twice, every time in a process of its own with an empty cache. Goals: at least as
fast as the peer, peak under 500 MB. When our import ends, the file's SHA-256 is known and the rows are on the disk; the
peer takes no hash and leaves the rows to the system. So it is also timed until its files are on the disk ("synced"),
and so with the SHA-256 that it can take ("alike").

With --full also: the window imports the first file, its event loop watched (goals: p99 at most 100 ms, worst 250 ms,
the first rows on screen within 1 s of the import's end); then the journeys of the Data page run with that many rows.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from _lateness import HEAD, Lateness, is_smooth, row, wait_until

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
PAIRS = 2
PEAK_BYTES = 500 * 10**6
FIRST_ROWS_SECONDS = 1.0
PATIENCE_SECONDS = 1800

MEASURE = """
import json, os, re, sys, time
from pathlib import Path
{imports}
began = time.monotonic()
rows = {work}
seconds = time.monotonic() - began
for path in Path(sys.argv[2]).rglob("*"):
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())
synced = time.monotonic() - began
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
print(json.dumps({{"rows": rows, "seconds": seconds, "synced": synced, "peak": peak}}))
"""
OURS = MEASURE.format(
    imports="from studio.contract.control import Going\nfrom studio.contract.job import ImportJob\n"
    "from studio.data.importing import import_dataset",
    work="import_dataset(ImportJob(source=sys.argv[1], destination=sys.argv[2] + '/set', name='x'), "
    "lambda event: None, Going()).usable",
)
PEER = MEASURE.format(
    imports="import datasets\ndatasets.disable_progress_bars()",
    work="len(datasets.load_dataset(sys.argv[3], data_files=sys.argv[1], cache_dir=sys.argv[2], split='train'))",
)
ALIKE = MEASURE.format(
    imports="import datasets\ndatasets.disable_progress_bars()\n"
    "def load(kind, file, cache):\n"
    "    builder = datasets.load_dataset_builder(kind, data_files=file, cache_dir=cache)\n"
    "    builder._record_checksums = True  # its switch for the SHA-256 of what it reads\n"
    "    builder.download_and_prepare()\n"
    "    assert all(entry['checksum'] for entry in builder.info.download_checksums.values())\n"
    "    return builder.as_dataset(split='train')",
    work="len(load(sys.argv[3], sys.argv[1], sys.argv[2]))",
)
BUILDERS = {"jsonl": "json", "csv": "csv", "parquet": "parquet"}


def conversations(count: int) -> Iterator[tuple[str, str]]:
    """Question and answer, about 1 kB together; the same for the same count."""
    dice = random.Random(0)
    words = ["".join(dice.choices("abcdefghijklmnoprstuvwz", k=dice.randint(2, 9))) for _ in range(5000)]
    pool = dice.choices(words, k=1_000_000)
    for number in range(count):
        at, size = dice.randrange(len(pool) - 200), dice.randint(60, 200)
        yield f"{' '.join(pool[at : at + 20])} {number}?", f"{' '.join(pool[at + 20 : at + size])}."


def generate(folder: Path, form: str, count: int) -> Path:
    """Write one file, once."""
    path = folder / f"chat-{count}.{form}"
    if path.exists():
        return path
    if form == "parquet":
        _write_parquet(path, count)
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        if form == "csv":
            table = csv.writer(file)
            table.writerow(("question", "answer"))
            table.writerows(conversations(count))
        else:
            for question, answer in conversations(count):
                turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
                file.write(json.dumps({"messages": turns}) + "\n")
    return path


def _write_parquet(path: Path, count: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    schema = pa.schema([("messages", pa.list_(turn))])
    with pq.ParquetWriter(path, schema) as writer:
        rows: list[dict[str, Any]] = []
        for question, answer in conversations(count):
            turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            rows.append({"messages": turns})
            if len(rows) == 20_000:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows = []
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, schema))


def settle(path: Path) -> None:
    """Let the system be done with a file that was just written, and have its pages cached for the first reader, too."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        while file.read(1024 * 1024):
            pass


def run(script: str, path: Path, form: str) -> dict[str, float]:
    """One reading in a process of its own, with nothing cached but the file's pages."""
    with tempfile.TemporaryDirectory(prefix="apprentice-bench-", dir=path.parent) as place:
        done = subprocess.run(
            [sys.executable, "-c", script, str(path), place, BUILDERS[form]],
            env=dict(os.environ, PYTHONPATH=str(ROOT), APPRENTICE_HOME=f"{place}/home", HF_DATASETS_OFFLINE="1"),
            capture_output=True,
            text=True,
            check=True,
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    parser = argparse.ArgumentParser(description="import beside datasets.load_dataset")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--formats", nargs="+", choices=list(BUILDERS), default=list(BUILDERS))
    parser.add_argument("--folder", help="keep the generated files here")
    parser.add_argument("--full", action="store_true", help="the window and the journeys with that many rows, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="apprentice-bench-") as passing:
        folder = Path(arguments.folder or passing)
        folder.mkdir(parents=True, exist_ok=True)
        good = table(folder, arguments.formats, arguments.rows)
        if arguments.full:
            path = generate(folder, arguments.formats[0], arguments.rows)
            with tempfile.TemporaryDirectory(prefix="apprentice-bench-", dir=folder) as home:
                os.environ["APPRENTICE_HOME"] = home
                good = window_table(path) and good
            good = journeys(arguments.rows) and good
        return 0 if good else 1


def window_table(path: Path) -> bool:
    """Drop the file on the real window and print how it felt; True where both goals are met."""
    from PySide6.QtWidgets import QApplication

    from studio.contract import events
    from studio.supervisor.workplace import Workplace
    from studio.ui import theme
    from studio.ui.collector import Collector
    from studio.ui.main_window import MainWindow
    from studio.ui.pages.data import DataPage

    application = QApplication([])
    theme.apply(application)
    Collector(application)
    workplace = Workplace()
    window = MainWindow(workplace)
    window.show()
    window.show_page("data")
    page = window.page("data")
    assert isinstance(page, DataPage)
    table = page.rows.table
    ended: list[tuple[float, object]] = []
    shown: list[float] = []

    def look() -> bool:
        """Whether the first row can be read on the screen."""
        first = table.records.index(0, table.records.column("question"))
        seen = table.isVisible() and table.viewport().rect().intersects(table.visualRect(first)) and bool(first.data())
        if ended and seen:
            table.viewport().repaint()
            shown.append(time.perf_counter())
        return bool(shown)

    clock = Lateness()
    try:
        workplace.open()
        wait_until(lambda: workplace.model is not None, "the look at this computer", 60)
        workplace.import_ended.connect(lambda event: ended.append((time.perf_counter(), event)))
        clock.start()
        page.import_file(path)
        wait_until(lambda: bool(ended), "the import", PATIENCE_SECONDS)
        event = ended[0][1]
        if not isinstance(event, events.Imported):
            raise SystemExit(f"the import failed: {event}")
        wait_until(look, "the first rows", 60, every_ms=5)
        importing = clock.stop()
        clock.start()
        wait_until(lambda: not page.desk.checkup.going and not page.desk.stale, "the check", PATIENCE_SECONDS)
        checking = clock.stop()
    finally:
        window.close_without_asking()
        workplace.close()
    seconds = shown[0] - ended[0][0]
    met = is_smooth(importing) and is_smooth(checking) and seconds <= FIRST_ROWS_SECONDS
    print(f"\n{HEAD}\n{row(f'window, importing {path.name}', importing)}\n{row('window, checking', checking)}")
    print(f"\nFirst rows on screen {seconds:.2f} s after the import's end. {'Goals met' if met else 'Goals MISSED'}.")
    return met


def journeys(count: int) -> bool:
    """The journeys of the Data page with so many rows; True where all pass."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/journeys/test_data_workshop.py", "--durations=6"]
    environment = {**os.environ, "APPRENTICE_JOURNEY_ROWS": str(count)}
    return subprocess.run(command, cwd=ROOT, env=environment).returncode == 0


def table(folder: Path, formats: list[str], count: int) -> bool:
    """Print the table; True where every goal is met."""
    print(f"{date.today()}, {os.cpu_count()} cores, {count:,} rows; means of {PAIRS} readings each, in turn\n")
    print("| file | size | ours rows/s | datasets rows/s | ratio | synced | ratio | alike | ratio | peaks | goals |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    good = True
    for form in formats:
        path = generate(folder, form, count)
        settle(path)
        found: dict[str, list[dict[str, float]]] = {"ours": [], "peer": [], "alike": []}
        for _ in range(PAIRS):
            for side, script in (("ours", OURS), ("peer", PEER), ("alike", ALIKE)):
                found[side].append(run(script, path, form))
        assert all(one["rows"] == count for side in found.values() for one in side), "each read every row"
        ours, peer = (sum(count / one["seconds"] for one in found[side]) / PAIRS for side in ("ours", "peer"))
        synced, alike = (sum(count / one["synced"] for one in found[side]) / PAIRS for side in ("peer", "alike"))
        peaks = [max(one["peak"] for one in found[side]) for side in ("ours", "peer")]
        met = ours >= peer and peaks[0] < PEAK_BYTES
        good = good and met
        memory = ", ".join(f"{peak / 1e6:,.0f} MB" for peak in peaks)
        print(
            f"| {form} | {path.stat().st_size / 1e6:,.0f} MB | {ours:,.0f} | {peer:,.0f} | {ours / peer:.2f} | "
            f"{synced:,.0f} | {ours / synced:.2f} | {alike:,.0f} | {ours / alike:.2f} | {memory} | "
            f"{'met' if met else 'MISSED'} |",
            flush=True,
        )
    load = os.getloadavg()[0]
    print(f"\nLoad at the end: {load:.1f}.")
    return good


if __name__ == "__main__":
    sys.exit(main())
