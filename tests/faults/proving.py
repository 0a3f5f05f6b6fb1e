"""All proofs of reliability, a row each: small, or in full.

    python3 packaging/dev.py faults [--full] [NAME ...]

With --full every row that was proven is kept in docs/reliability.md with its date and the versions; the lines of other
rows stay as they were, so that slow ones can be run one at a time.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.report import figures_told

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
COMMAND = "python3 packaging/dev.py faults --full"


SHORT = (
    "tests/cli/test_cli.py::test_a_short_training_by_options_can_be_listed_shown_previewed_chatted_with_and_exported"
)
"""The whole way by command line."""


class Proof(NamedTuple):
    """A row: what is promised (in ../shared/RELIABILITY.md), and the module of tests/faults that tries it."""

    promise: str
    words: str
    module: str
    small: tuple[str, ...]
    full: tuple[str, ...] = ()


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
    ),
    "damage": Proof(
        "P4",
        "Any file of a checkpoint is cut, zeroed or has a bit flipped, at 3 places each: always noticed, the damaged "
        "one is named and skipped, the newest whole one is used",
        "damage",
        ("--n", "2"),
    ),
    "rotation": Proof(
        "P8",
        "Old checkpoints are deleted only after a new one was found whole; the latest and the best never; what others "
        "put into the folder never",
        "rotation",
        ("--n", "100"),
    ),
    "index": Proof(
        "P17",
        "The list of runs is damaged, cut, lost, of another version or left half-written: no run is lost, the list is "
        "read anew from the runs' folders, and the last five that were set aside are kept",
        "index",
        ("--n", "25"),
    ),
    "once": Proof(
        "P3",
        "A run is interrupted in the middle of an epoch, again and again: each example is read exactly once an epoch, "
        "in the same order",
        "once",
        ("--n", "2"),
    ),
    "room": Proof(
        "P7",
        "The room on the disk that is told before a run is within a tenth of what its checkpoints take",
        "room_told",
        ("--n", "3"),
    ),
    "nonfinite": Proof(
        "P14",
        "A loss, a gradient or a weight becomes infinite or no number: the run pauses within one step, and nothing of "
        "it is saved",
        "nonfinite",
        ("--n", "7"),
    ),
    "deaths": Proof(
        "P9, P10",
        "A worker is killed, ended by the system for want of memory, or stopped: the right cause is shown within 5 s "
        "(of a stop: 60 s); no run whose worker is dead is told as running",
        "deaths",
        ("--n", "1", "--restarts", "5", "--patience", "5"),
    ),
    "windows": Proof(
        "P12",
        "The window is killed during a run: the worker goes on (or stops with a checkpoint, if so chosen), and the "
        "next start follows it within 5 s and shows what stood in forms",
        "windows",
        ("--n", "2"),
    ),
    "soak": Proof(
        "P11",
        "An hour beside a run of a million steps: the event loop is at most 100 ms late (p99); memory, but for the "
        "points themselves, open files and threads stay as they are",
        "soak",
        ("--minutes", "0.5", "--steps", "30000"),
    ),
    "network": Proof(
        "P19",
        "The journeys of window and command line without network, under strace: nothing connects, nothing listens",
        "network",
        ("--tests", SHORT),
        (),
    ),
    "malicious": Proof(
        "Canaries",
        "30 artefacts that were made to create a file or to connect are opened through all doors: none does",
        "malicious",
        (),
        (),
    ),
    "exports": Proof(
        "P16",
        "An export is killed (SIGKILL) at any moment: no final name with a broken file, and the next export sweeps up",
        "export_kills",
        ("--kills", "6"),
        ("--kills", "50"),
    ),
    "numbers": Proof(
        "P15, P16",
        "500 conversations through the starter and a taught tiny model of all seven architectures: training, chat, "
        "merged model and GGUF read the same tokens; merged logits are the adapter's within 1e-3 (fp32), its likeliest "
        "token at 99.5 % of the places of each (bf16); GGUF F16, read by transformers, answers as the same numbers do",
        "numbers",
        ("--n", "4"),
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
        figures = {"faults": [done.stdout[-500:] or f"it ended with {done.returncode} and without figures"]}
    return done.returncode == 0, figures, time.monotonic() - began


def faults_of(figures: dict[str, Any]) -> list[str]:
    """What went wrong, of the proof itself and of its parts."""
    return [f for part in (figures, *figures.values()) if isinstance(part, dict) for f in part.get("faults", [])]


def main(words: list[str]) -> int:
    """Print a table; 1 where one does not hold."""
    parser = argparse.ArgumentParser(prog="dev.py faults", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *PROOFS], metavar="NAME", help=", ".join(PROOFS))
    parser.add_argument("--full", action="store_true", help="as often as promised; hours, if no NAME is given")
    arguments = parser.parse_args(words)
    print("| promise | what | figures | seconds | holds |\n| --- | --- | --- | ---: | --- |", flush=True)
    all_hold = True
    for name in arguments.names or PROOFS:
        proof = PROOFS[name]
        holds, figures, seconds = prove(proof, arguments.full)
        all_hold &= holds
        told = (proof.promise, proof.words, figures_told(figures), f"{seconds:.0f}", "yes" if holds else "NO")
        print(f"| {' | '.join(told)} |", flush=True)
        for fault in faults_of(figures):
            print(f"  - {fault}", flush=True)
        if arguments.full:
            keep(PAGE, name, line_of(name, told, datetime.now()))
    return 0 if all_hold else 1


# --- the page -----------------------------------------------------------------------------------------------------

HEAD = """# Reliability

What is promised when something goes wrong, how often it was tried, and with which command. Each line is written by its
command and bears its own date; `python3 packaging/dev.py faults` tries all of it in small, `--full` without a name in
full. The promises are numbered as on the project's RELIABILITY page. All on a CPU, one thread.

| promise | what | figures | seconds | holds | run | command |
| --- | --- | --- | ---: | --- | --- | --- |
"""
_ROW = re.compile(rf"^\| .* \| `{re.escape(COMMAND)} (\w+)` \|$")


def line_of(name: str, told: tuple[str, ...], now: datetime | None) -> str:
    """One line of the page. `now`: when it was run in full; None: never."""
    run = f"{now:%Y-%m-%d %H:%M}, {versions()}" if now is not None else "not yet run in full"
    cells = [cell.replace("|", "/").replace("\n", " ") for cell in (*told, run)]
    return f"| {' | '.join(cells)} | `{COMMAND} {name}` |"


def keep(page: Path, name: str, line: str, proofs: Mapping[str, Proof] = PROOFS) -> None:
    """Put a newly proven row in place of its line; those of other rows stay, those of rows that are gone go."""
    kept = {}
    for old in page.read_text(encoding="utf-8").splitlines() if page.exists() else ():
        if found := _ROW.match(old):
            kept[found[1]] = old
    kept[name] = line
    lines = [
        kept.get(key) or line_of(key, (proof.promise, proof.words, "", "", ""), None) for key, proof in proofs.items()
    ]
    page.write_text(HEAD + "\n".join([*lines, ""]), encoding="utf-8")


def versions() -> str:
    """What the figures were made with."""
    names = ("apprentice-studio", "torch", "transformers", "peft", "safetensors", "PySide6-Essentials")
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
