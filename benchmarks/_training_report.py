"""What `bench training` prints: one table a cell, and the figures that goals are set on."""

from __future__ import annotations

import statistics
from typing import Any

from _training_cells import Cell, Run, Runner
from _training_work import operations

DIFFERENCE = 1e-4
GOALS = {
    "ratio_compacted": (2.5, "at least"),
    "ratio_varlen": (1.3, "at least"),
    "ratio_stock": (4.0, "at least"),
    "floor_share": (0.60, "at least"),
    "memory_share": (0.25, "at most"),
    "first_step_ratio": (0.5, "at most"),
    "loss_difference": (DIFFERENCE, "at most"),
}
"""Of the 25M model in fp32."""
NAMES = {
    "ours": "Apprentice Studio",
    "compacted": "TRL, compacted",
    "varlen": "TRL, compacted, variable-length attention",
    "hf": "HF Trainer",
    "stock": "TRL, stock",
    "trl": "TRL, defaults",
    "trl_best": "TRL, best flags",
    "unsloth": "Unsloth",
}


def table(cell: Cell, runner: Runner) -> str:
    """One cell: an engine a line, then the figures with their goals."""
    told = runner.runs[cell.name]
    work = runner.work[cell.name]
    counted = work.counts(cell.counted)
    gpu = cell.device == "cuda"
    unit = "s" if gpu else "CPU s"
    head = (
        f"### {cell.name}: {counted['tokens']:,} tokens in {len(cell.counted)} counted steps of {cell.batch} rows "
        f"({counted['learned']:,} learned; {counted['padded']:,} places when padded)\n"
    )
    titles = f"| engine | runs | tokens/{unit} (min to max) | ours is faster | peak GB | first step, CPU s (clock) |"
    lines = [head, titles, "| --- | ---: | --- | --- | ---: | --- |"]
    for engine in ("ours", *cell.peers):
        runs = list(told.get(engine, {}).values())
        if not runs:
            lines.append(f"| {NAMES[engine]} | 0 | not run | | | |")
            continue
        first = f"{_median([run['cpu'][0] for run in runs]):.1f} ({_median([run['wall'][0] for run in runs]):.1f})"
        ratios = [] if engine == "ours" else _ratios(cell, runner, engine)
        cells = [
            NAMES[engine],
            str(len(runs)),
            _spread([_rate(cell, runner, run) for run in runs], "{:,.0f}"),
            _spread(ratios, "{:.2f}") + " x" if ratios else "",
            f"{_median([run['peak'] for run in runs]) / 1e9:.2f}",
            first,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    kernels = next(iter(told.get("ours", {}).values()), {}).get("kernels", []) if gpu else []
    return "\n".join([*lines, "", *_figures(cell, runner), *(f"- {kernel}" for kernel in kernels), ""])


def losses_table(cell: Cell, runner: Runner) -> str:
    """One cell: how far the losses of the peers are from ours."""
    told = runner.runs[cell.name]
    ours = told["ours"]["0"]
    lines = [
        f"### {cell.name}\n",
        "| engine | largest difference of a step | held-back loss |",
        "| --- | ---: | ---: |",
    ]
    lines.append(f"| {NAMES['ours']} | | {ours['held_back']:.6f} |")
    for engine in cell.peers:
        run = told[engine]["0"]
        lines.append(f"| {NAMES[engine]} | {_apart(ours, run):.1e} | {run['held_back']:.6f} |")
    return "\n".join([*lines, ""])


def one_object(cell: Cell, runner: Runner) -> dict[str, Any]:
    """The figures of a cell; None where an engine was not run."""
    told = runner.runs[cell.name]

    def ratio(engine: str) -> float | None:
        ratios = _ratios(cell, runner, engine)
        return _median(ratios) if ratios else None

    def share(value: str) -> float | None:
        ours, stock = ([_value(run, value) for run in told.get(name, {}).values()] for name in ("ours", "stock"))
        return _median(ours) / _median(stock) if ours and stock else None

    found = {f"ratio_{engine}": ratio(engine) for engine in ("stock", *(p for p in cell.peers if p != "stock"))}
    for name in ("ratio_compacted", "ratio_varlen"):
        found.setdefault(name, None)
    return {
        "cell": cell.name,
        **found,
        "floor_share": floor_share(cell, runner),
        "memory_share": share("peak"),
        "first_step_ratio": share("first"),
        "loss_difference": difference(cell, runner),
        "pairs": {engine: len(runs) for engine, runs in told.items()},
    }


def floor_share(cell: Cell, runner: Runner) -> float | None:
    """How much of the rate of plain matrix products, taken in the same pair, is useful work (on a GPU: MFU)."""
    told, work = runner.runs[cell.name], runner.work[cell.name]
    needed = operations(cell.shape, work, cell.counted)
    tokens = work.counts(cell.counted)["tokens"]
    shares = [
        needed / tokens * _rate(cell, runner, run) / told["gemm"][pair]["losses"][0]
        for pair, run in told.get("ours", {}).items()
        if pair in told.get("gemm", {})
    ]
    return _median(shares) if shares else None


def difference(cell: Cell, runner: Runner) -> float | None:
    """Largest difference between a loss of ours and of a peer, in all steps of all runs; and of the held-back loss."""
    told = runner.runs[cell.name]
    ours = told.get("ours", {}).get("0")
    peers = [run for engine in cell.peers for run in told.get(engine, {}).values()]
    if ours is None or not peers:
        return None
    apart = [_apart(ours, run) for run in peers]
    apart += [abs(ours["held_back"] - run["held_back"]) for run in peers if run["held_back"] is not None]
    return max(apart)


def _figures(cell: Cell, runner: Runner) -> list[str]:
    found = one_object(cell, runner)
    gemm = [run["losses"][0] for run in runner.runs[cell.name].get("gemm", {}).values()]
    lines = [f"Matrix products in the same minutes: {_spread([rate / 1e9 for rate in gemm], '{:,.0f}')} GFLOP/s."]
    goals = GOALS if cell.name == "25M fp32" else {}
    for name, value in found.items():
        if not isinstance(value, float):
            continue
        limit, kind = goals.get(name, (None, ""))
        text = f"{value:.1e}" if name == "loss_difference" else f"{value:.2f}"
        if limit is not None:
            met = value >= limit if kind == "at least" else value <= limit
            text += f" (goal: {kind} {limit:g}; {'met' if met else 'MISSED'})"
        lines.append(f"- {name}: {text}")
    return lines


def _rate(cell: Cell, runner: Runner, run: Run) -> float:
    """Useful tokens a CPU second (a second on a GPU) over the counted steps."""
    clock = run["wall" if cell.device == "cuda" else "cpu"]
    tokens = runner.work[cell.name].counts(cell.counted)["tokens"]
    return float(tokens / (clock[cell.steps - 1] - clock[cell.counted[0] - 2]))


def _ratios(cell: Cell, runner: Runner, engine: str) -> list[float]:
    told = runner.runs[cell.name]
    ours, peers = told.get("ours", {}), told.get(engine, {})
    return [_rate(cell, runner, ours[pair]) / _rate(cell, runner, peers[pair]) for pair in peers if pair in ours]


def _value(run: Run, name: str) -> float:
    return float(run["cpu"][0] if name == "first" else run["peak"])


def _apart(one: Run, other: Run) -> float:
    return max(abs(a - b) for a, b in zip(one["losses"], other["losses"], strict=True))


def _median(values: list[float]) -> float:
    return float(statistics.median(values))


def _spread(values: list[float], form: str) -> str:
    if not values:
        return "not measured"
    middle, least, most = (form.format(value) for value in (_median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least} to {most})"
