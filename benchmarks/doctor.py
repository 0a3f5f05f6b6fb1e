"""How long the doctor needs for a million rows, and how much memory.

    python3 packaging/dev.py bench doctor [--rows 1000000] [--folder DIR]

Generates conversations of about 1 kB a row with known faults (1 % repeated, 1 % almost repeated, some e-mail addresses,
damaged letters, German rows), imports them, and runs the doctor in a process of its own. Goal: 1,000,000 rows within 5
minutes and 2 GB.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.contract.control import Going  # noqa: E402
from studio.contract.job import DoctorJob, ImportJob  # noqa: E402
from studio.contract.run_folder import MARKER  # noqa: E402
from studio.data.importing import import_dataset  # noqa: E402

SYLLABLES = [first + second for first in "bdfgklmnprstv" for second in "aeio"]
GOAL_SECONDS, GOAL_BYTES = 300, 2 * 10**9

CHILD = """
import json, re, sys, time
from pathlib import Path
from studio.contract.control import Going
from studio.contract.job import DoctorJob
from studio.data.doctor.diagnosing import diagnose
began = time.monotonic()
done = diagnose(DoctorJob(dataset=sys.argv[1]), lambda event: None, Going())
seconds = time.monotonic() - began
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
print(json.dumps({"seconds": seconds, "verdict": done.verdict, "findings": [(f.code, f.count) for f in done.findings],
    "peak_bytes": peak}))
"""


def rows(count: int, seed: int = 0) -> Iterator[dict[str, object]]:
    """Generated conversations; the same for the same seed."""
    generator = random.Random(seed)
    vocabulary = ["".join(generator.choices(SYLLABLES, k=generator.randint(1, 4))) for _ in range(20_000)]
    weights = [1 / (rank + 10) for rank in range(len(vocabulary))]
    common = ["the", "of", "and", "to", "in", "is", "that", "for", "it", "was", "on", "are", "as", "with"]
    german = ["der", "die", "das", "und", "ist", "nicht", "ein", "eine", "mit", "für", "auf", "sich"]
    earlier: list[list[str]] = []
    pool = generator.choices(vocabulary, weights, k=2_000_000)
    for number in range(count):
        kind = generator.random()
        if kind < 0.02 and earlier:
            words = list(generator.choice(earlier))
            if kind < 0.01:
                words[generator.randrange(len(words))] = "other"
        else:
            start, length = generator.randrange(len(pool) - 400), generator.randint(60, 220)
            words = pool[start : start + length]
            # A window into one pool would repeat others: every word but each third is drawn anew.
            words = [word if place % 3 else generator.choice(vocabulary) for place, word in enumerate(words)]
            small = german if 0.02 <= kind < 0.03 else common
            words[::7] = generator.choices(small, k=len(words[::7]))
            if number % 97 == 0:
                earlier.append(words)
        half = len(words) // 3
        answer = " ".join(words[half:]) + "."
        if 0.03 <= kind < 0.032:
            answer += f" Write to user{number}@example.com."
        if 0.032 <= kind < 0.034:
            answer += " GrÃ¼ÃŸe aus MÃ¼nchen."
        yield {
            "messages": [
                {"role": "user", "content": " ".join(words[:half]) + "?"},
                {"role": "assistant", "content": answer},
            ]
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the dataset here and use it again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="apprentice-bench-") as temporary:
        folder = arguments.folder or Path(temporary) / "set"
        if not (folder / MARKER).exists():
            make_dataset(folder, arguments.rows, Path(temporary))
        work = DoctorJob(dataset=str(folder))
        command = [sys.executable, "-c", CHILD, work.dataset]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    print(f"rows       {arguments.rows:>12,}")
    print(f"seconds    {result['seconds']:>12.1f}   goal {GOAL_SECONDS} for a million")
    print(f"rows/s     {arguments.rows / result['seconds']:>12,.0f}")
    print(f"peak MB    {result['peak_bytes'] / 1e6:>12,.0f}   goal {GOAL_BYTES / 1e6:,.0f}")
    print(result["verdict"])
    for code, number in result["findings"]:
        print(f"  {code:<40} {number:>10,}")
    return 0


def make_dataset(folder: Path, count: int, temporary: Path) -> None:
    """Generate and import the rows."""
    source = temporary / "rows.jsonl"
    began = time.monotonic()
    with source.open("w", encoding="utf-8") as file:
        for row in rows(count):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(f"generated {source.stat().st_size / 1e6:,.0f} MB in {time.monotonic() - began:.0f} s", flush=True)
    began = time.monotonic()
    import_dataset(ImportJob(source=str(source), destination=str(folder), name="bench"), lambda event: None, Going())
    print(f"imported in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
