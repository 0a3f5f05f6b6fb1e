"""All proofs of reliability, a row each: small, or in full.

    python3 packaging/dev.py faults [--full] [NAME ...]

With --full the figures are written to docs/reliability.md, with the date and the versions.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"


class Proof(NamedTuple):
    """A row: what is promised (in ../shared/RELIABILITY.md), and the module of tests/faults that tries it."""

    promise: str
    words: str
    module: str
    small: tuple[str, ...]
    full: tuple[str, ...]


PROOFS = {
    "kills": Proof(
        "P1",
        "A worker is killed (SIGKILL) at any moment: the run is taken up and ends bit for bit as if it had not been",
        "kills",
        ("--kills", "6", "--trainer", "2"),
        ("--kills", "200", "--trainer", "60"),
    ),
    "disk": Proof(
        "P6",
        "The disk is full or fails at any call that writes: the run pauses, says how many GB, and ends the same",
        "disk_faults",
        ("--every", "40", "--errors", "ENOSPC"),
        (),
    ),
    "exports": Proof(
        "P16",
        "An export is killed (SIGKILL) at any moment: no final name with a broken file, and the next export sweeps up",
        "export_kills",
        ("--kills", "6"),
        ("--kills", "50"),
    ),
}


def prove(proof: Proof, full: bool) -> tuple[bool, Any, float]:
    """Run one; whether it holds, what it measured, and the seconds it took."""
    command = [sys.executable, "-m", f"tests.faults.{proof.module}", *(proof.full if full else proof.small), "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT, check=False)
    try:
        figures = json.loads(done.stdout)
    except json.JSONDecodeError:
        figures = {"faults": [done.stdout[-500:]]}
    return done.returncode == 0, figures, time.monotonic() - began


def figures_told(figures: Any) -> str:
    """The figures of one proof in a line."""
    if all(isinstance(value, dict) for value in figures.values()):
        return "; ".join(f"{name}: {figures_told(value)}" for name, value in figures.items())
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items() if name != "faults")


def main(words: list[str]) -> int:
    """Print a table; 1 where one does not hold."""
    parser = argparse.ArgumentParser(prog="dev.py faults", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *PROOFS], metavar="NAME", help=", ".join(PROOFS))
    parser.add_argument("--full", action="store_true", help="as often as promised; takes an hour or more")
    arguments = parser.parse_args(words)
    lines, all_hold = ["| promise | what | figures | seconds | holds |", "| --- | --- | --- | ---: | --- |"], True
    for name in arguments.names or PROOFS:
        proof = PROOFS[name]
        holds, figures, seconds = prove(proof, arguments.full)
        all_hold &= holds
        told = (proof.promise, proof.words, figures_told(figures), f"{seconds:.0f}", "yes" if holds else "NO")
        lines.append(f"| {' | '.join(told)} |")
        print(lines[-1], flush=True)
        for fault in [
            f for part in (figures, *figures.values()) if isinstance(part, dict) for f in part.get("faults", [])
        ]:
            print(f"  - {fault}")
    if arguments.full and not arguments.names:
        PAGE.write_text("\n".join([*head(), *lines, ""]), encoding="utf-8")
    return 0 if all_hold else 1


def head() -> list[str]:
    """The page's beginning: what was run, when, on what."""
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("torch", "transformers", "peft", "safetensors")
    )
    return [
        "# Reliability",
        "",
        f"`python3 packaging/dev.py faults --full`, {datetime.now():%Y-%m-%d, %H:%M}; {versions}; CPU, one thread.",
        "The promises are those of the project's RELIABILITY page.",
        "",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
