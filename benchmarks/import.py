"""A million rows in: our import beside `datasets.load_dataset`, on the same files in the same run.

    python3 packaging/dev.py bench import [--rows 1000000] [--formats jsonl csv parquet] [--folder DIR]

Generates chat rows of about 1 kB (JSONL and Parquet: lists of turns; CSV: question and answer), then reads each file
with ours and with the peer in turn, twice, every time in a process of its own with an empty cache. Goals: at least as
fast as the peer, peak under 500 MB.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAIRS = 2
PEAK_BYTES = 500 * 10**6

MEASURE = """
import json, re, sys, time
from pathlib import Path
{imports}
began = time.monotonic()
rows = {work}
seconds = time.monotonic() - began
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
print(json.dumps({{"rows": rows, "seconds": seconds, "peak": peak}}))
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
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="apprentice-bench-") as passing:
        folder = Path(arguments.folder or passing)
        folder.mkdir(parents=True, exist_ok=True)
        return 0 if table(folder, arguments.formats, arguments.rows) else 1


def table(folder: Path, formats: list[str], count: int) -> bool:
    """Print the table; True where every goal is met."""
    print(f"{date.today()}, {os.cpu_count()} cores, {count:,} rows; medians of {PAIRS} readings each, in turn\n")
    print("| file | size | ours rows/s | datasets rows/s | ratio | ours peak | datasets peak | goals |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    good = True
    for form in formats:
        path = generate(folder, form, count)
        found: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
        for _ in range(PAIRS):
            found["ours"].append(run(OURS, path, form))
            found["peer"].append(run(PEER, path, form))
        assert all(one["rows"] == count for side in found.values() for one in side), "both read every row"
        ours, peer = (sum(count / one["seconds"] for one in found[side]) / PAIRS for side in ("ours", "peer"))
        peaks = [max(one["peak"] for one in found[side]) for side in ("ours", "peer")]
        met = ours >= peer and peaks[0] < PEAK_BYTES
        good = good and met
        print(
            f"| {form} | {path.stat().st_size / 1e6:,.0f} MB | {ours:,.0f} | {peer:,.0f} | {ours / peer:.2f} | "
            f"{peaks[0] / 1e6:,.0f} MB | {peaks[1] / 1e6:,.0f} MB | {'met' if met else 'MISSED'} |",
            flush=True,
        )
    load = os.getloadavg()[0]
    print(f"\nLoad at the end: {load:.1f}.")
    return good


if __name__ == "__main__":
    sys.exit(main())
