"""How fast the engine trains, beside its peers on the same work: rows, order, first weights, threads.

    python3 packaging/dev.py bench training                     25M model, fp32, LoRA: at most 25 minutes
    python3 packaging/dev.py bench training --full              and 107M, NF4, further architectures; resumes
    python3 packaging/dev.py bench training --losses            20 steps: do losses and the held-back loss agree?
    python3 packaging/dev.py bench training --profile           where the time of a step of ours goes
    python3 packaging/dev.py bench training --device cuda       1B and 8B models on an NVIDIA GPU
    python3 packaging/dev.py bench training --quick             a tiny model, one pair: does the benchmark work?

Each engine runs in a process of its own with one thread, in turn, pair after pair; a figure is useful tokens (no pads)
a CPU second of that process over the counted steps, a ratio is of one pair. All peers run with glibc told to keep freed
memory, as ours tells it by itself. `--json` makes the last line one object. Raw results: out/training-*.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT)]

from _training_cells import FAIR, PEERS, Cell, Runner  # noqa: E402
from _training_report import (  # noqa: E402
    DIFFERENCE,
    difference,
    losses_table,
    one_object,
    table,
)
from _training_work import CPU_SHAPES, GPU_SHAPES  # noqa: E402

MINUTES = 25.0
OTHERS = ("qwen3", "mistral", "gemma3_text", "phi3")


def main(arguments: list[str] | None = None) -> int:
    wanted = read_options(arguments)
    name = f"training-{wanted.device}{'-quick' if wanted.quick else ''}{'-losses' if wanted.losses else ''}"
    runner = Runner(ROOT / "out" / f"{name}.json", wanted.resume or wanted.full or wanted.device == "cuda")
    chosen = [cell for cell in cells(wanted) if wanted.only in cell.name]
    print(f"{date.today()}, {os.cpu_count()} cores, {platform.processor() or platform.machine()}, one thread\n")
    if wanted.profile:
        print(runner.profile(chosen[0]))
        return 0
    end = time.monotonic() + 60 * wanted.minutes
    agreed = True
    first: dict[str, Any] = {}
    for cell in chosen:
        runner.measure(cell, end if cell is chosen[0] and not wanted.full else None)
        print((losses_table if wanted.losses else table)(cell, runner), flush=True)
        first = first or one_object(cell, runner)
        apart = difference(cell, runner)
        # bf16 on a GPU is too coarse to agree to the fourth digit.
        agreed = agreed and (wanted.device == "cuda" or apart is None or apart <= DIFFERENCE)
    if wanted.json:
        print(runner.encode(first))
    return 0 if agreed else 1


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """What is asked for; a device that is not there is refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all CPU cells; what was measured is not run again")
    parser.add_argument("--quick", action="store_true", help="a tiny model: shows that it works, no more")
    parser.add_argument("--losses", action="store_true", help="20 steps and the held-back rows")
    parser.add_argument("--profile", action="store_true", help="share of products, attention, loss, Python in a step")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dry-run", action="store_true", help="the GPU's engines on the CPU, over one tiny shape")
    parser.add_argument("--json", action="store_true", help="last line: one object")
    parser.add_argument("--resume", action="store_true", help="keep what the same code measured before")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="limit of the default cell")
    parser.add_argument("--pairs", type=int, default=0, help="instead of 5 (2 in further cells)")
    parser.add_argument("--engines", nargs="+", choices=[*PEERS, "trl", "trl_best", "unsloth"], help="only these peers")
    parser.add_argument("--only", default="", metavar="WORDS", help="cells whose name holds these words")
    wanted = parser.parse_args(arguments)
    if not any(wanted.only in cell.name for cell in cells(wanted)):
        parser.error(f"no cell has the words {wanted.only!r} in its name.")
    if wanted.dry_run:
        wanted.device, wanted.quick = "cuda", True
    elif wanted.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            parser.error("there is no CUDA device here; --dry-run runs its engines on the CPU, over one tiny shape.")
    return wanted


def cells(wanted: argparse.Namespace) -> list[Cell]:
    """What to measure, the main cell first."""
    if wanted.device == "cuda":
        return gpu_cells(wanted)
    engines = tuple(wanted.engines or PEERS)
    fair = tuple(peer for peer in engines if peer in FAIR)
    pairs = wanted.pairs or 5
    if wanted.quick:
        return [Cell("tiny fp32", CPU_SHAPES["tiny"], engines, 1, steps=4, longest=60)]
    main_cell = Cell("25M fp32", CPU_SHAPES["25M"], engines, pairs)
    if wanted.losses:
        agreeing = tuple(wanted.engines or ("compacted", "hf"))
        return [Cell("25M fp32, 20 steps", CPU_SHAPES["25M"], agreeing, 1, steps=20, test=True)]
    if not wanted.full:
        return [main_cell]
    further = wanted.pairs or 2
    return [
        main_cell,
        Cell("107M fp32", CPU_SHAPES["107M"], fair, further, steps=4),
        Cell("25M NF4", CPU_SHAPES["25M"], fair, further, quantisation="nf4"),
        *(Cell(f"{name} 10M fp32", CPU_SHAPES[name], fair, further) for name in OTHERS),
    ]


def gpu_cells(wanted: argparse.Namespace) -> list[Cell]:
    """LoRA in bf16 and QLoRA in NF4 for every shape and length."""
    peers = ["trl", "trl_best"] + (["unsloth"] if importlib.util.find_spec("unsloth") else [])
    engines, pairs = tuple(wanted.engines or peers), wanted.pairs or 2
    if wanted.dry_run:
        tiny = CPU_SHAPES["tiny"]
        return [
            Cell(f"tiny {kind}", tiny, engines, 1, steps=3, longest=60, quantisation=kind) for kind in ("none", "nf4")
        ]
    return [
        Cell(
            f"{name} {'bf16' if kind == 'none' else 'NF4'}",
            shape,
            engines,
            pairs,
            quantisation=kind,
            device="cuda",
            batch={0: 8, 2048: 4, 8192: 1}[shape.tokens],
        )
        for name, shape in GPU_SHAPES.items()
        for kind in ("none", "nf4")
    ]


if __name__ == "__main__":
    raise SystemExit(main())
