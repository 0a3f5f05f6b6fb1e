"""The demo over seeds: what the starter learns of the sample and what it keeps, with intervals.

python3 packaging/dev.py bench demo [-- --seeds 0 1 2 3 4 --methods lora qlora]

Each seed is a process of its own in a fresh home folder, exactly as a newcomer runs it; before it the rate of plain
matrix products is taken, which tells a slow hour of a shared machine from a slow program.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from typing import Any

from _yardstick import gemm_rate

BARS = {"lora": {"seconds": 60, "kept": 0.93}, "qlora": {"seconds": 90, "kept": 0.90}}
TUNED = 0.90
BASE = 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", choices=list(BARS), default=list(BARS))
    arguments = parser.parse_args()
    print(f"{date.today()}, {os.cpu_count()} cores, {platform.processor() or platform.machine()}\n")
    print("| method | seed | seconds | base right | tuned right (95 %) | kept (95 %) | loss | GFLOP/s | bars |")
    print("| --- | --- | --- | --- | --- | --- | --- | ---: | --- |")
    passed = True
    for method in arguments.methods:
        for seed in arguments.seeds:
            rate = gemm_rate()
            result = run_demo(method, seed)
            good = is_above_bars(method, result)
            passed = passed and good
            print(row(method, seed, result, rate, good), flush=True)
    return 0 if passed else 1


def run_demo(method: str, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="apprentice-bench-") as home:
        done = subprocess.run(
            [sys.executable, "-m", "studio.cli", "demo", "--json", "--method", method, "--seed", str(seed)],
            env=dict(os.environ, APPRENTICE_HOME=home),
            capture_output=True,
            text=True,
            check=True,
        )
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


def is_above_bars(method: str, result: dict[str, Any]) -> bool:
    bars = BARS[method]
    return bool(
        result["base_exact_match"] < BASE
        and result["tuned_exact_match"] >= TUNED
        and result["knowledge_kept"] >= bars["kept"]
        and result["seconds"] <= bars["seconds"]
    )


def row(method: str, seed: int, result: dict[str, Any], rate: float, good: bool) -> str:
    asked = result["held_back_questions"]
    known = result["probes_known_before"]
    cells = [
        method,
        str(seed),
        f"{result['seconds']:.1f}",
        f"{result['base_exact_match']:.1%}",
        share(result["tuned_exact_match"], asked),
        share(result["knowledge_kept"], known),
        f"{result['loss_first']:.3f} → {result['loss_last']:.3f}",
        f"{rate:.0f}",
        "all met" if good else "MISSED",
    ]
    return "| " + " | ".join(cells) + " |"


def share(part: float, whole: int) -> str:
    """A share with its 95 % interval (Wilson, 1927)."""
    z = 1.96
    middle = (part + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * math.sqrt(part * (1 - part) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    return f"{part:.1%} ({middle - half:.1%} to {min(1.0, middle + half):.1%}) of {whole}"


if __name__ == "__main__":
    sys.exit(main())
