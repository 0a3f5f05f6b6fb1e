"""`apprentice plan` and `apprentice range-test`: what a run needs and which settings suit it; nothing is trained."""

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from studio.cli import output, running, training
from studio.contract import events, job
from studio.contract.advice import Advice, advise
from studio.contract.control import Emit
from studio.contract.errors import Problem
from studio.contract.memory_fit import Change, Fit, Planner, gigabytes
from studio.contract.memory_plan import PARTS, MemoryPlan
from studio.contract.run_folder import RunFolder, jobs_folder


def plan(arguments: argparse.Namespace) -> int:
    """Memory of a run by a dry step (or by the formula alone), what would make it fit, and advice.

    Raises:
        StudioError: Bad input, or the run cannot fit at all.
    """
    from studio.engine import planner as engine_planner

    work = training.job_of(arguments, arguments.data)
    told: list[Problem] = []
    with _passing_folder() as folder, output.Reporter(arguments.json) as reporter:

        def show(event: events.Event) -> None:
            reporter.show(event)
            if isinstance(event, events.Notice):
                told.append(event.problem)

        made = _by_formula(work, show) if arguments.formula_only else _by_dry_step(work, folder, show)
    shape = engine_planner.shape_in(Path(work.model))
    assert shape is not None
    asked = Planner.of(shape, made)
    settings = work.settings
    fit, more, advice = asked.make_it_fit(settings), asked.use_memory(settings), advise(settings, asked)
    if arguments.json:
        output.print_json(_as_table(made, fit, more, advice) | {"notices": msgspec.to_builtins(told)})
    else:
        _say(made, fit, more, advice)
    return 0


def _by_dry_step(work: job.TrainJob, folder: RunFolder, show: Emit) -> MemoryPlan:
    planned = running.run(job.PlanJob(work=work), folder, show)
    assert isinstance(planned, events.Planned)
    return planned.plan


def _by_formula(work: job.TrainJob, show: Emit) -> MemoryPlan:
    """Without loading the model: the examples are counted, the rest is computed."""
    from studio.engine.trial import by_formula

    return by_formula(work, show)


def range_test(arguments: argparse.Namespace) -> int:
    """Learning rates from tiny to too large on real batches, and which one the losses suggest.

    Raises:
        StudioError: Bad input.
    """
    work = job.RangeTestJob(work=training.job_of(arguments, arguments.data), steps=arguments.steps)
    with _passing_folder() as folder, output.Reporter(arguments.json) as reporter:
        tested = running.run(work, folder, reporter.show)
    assert isinstance(tested, events.RangeTested)
    result = tested.result
    if arguments.json:
        output.print_json(result)
        return 0
    losses = [point.smooth for point in result.points]
    low, high = min(losses, default=0.0), max(losses, default=1.0)
    for point in result.points:
        bar = "#" * round(40 * (point.smooth - low) / max(1e-9, high - low))
        output.say(f"{point.rate:9.2e}  {point.loss:8.4f}  {bar}")
    output.say(result.reason)
    if result.suggestion is not None:
        output.say(f"Suggested: --learning-rate {result.suggestion:g}")
    return 0


@contextmanager
def _passing_folder() -> Iterator[RunFolder]:
    folder = RunFolder.create(jobs_folder(), "job")
    try:
        yield folder
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)


def _as_table(made: MemoryPlan, fit: Fit, more: Fit, advice: tuple[Advice, ...]) -> dict[str, Any]:
    told = made.estimate
    return {
        "components": {part.name: part.bytes for part in told.parts},
        "total_bytes": told.total,
        "low_bytes": told.low,
        "high_bytes": told.high,
        "formula_bytes": made.formula_bytes,
        "measured": told.measured,
        "device": made.machine.device,
        "device_bytes": made.machine.total_bytes,
        "free_bytes": made.machine.free_bytes,
        "verdict": told.verdict(made.machine),
        "fits": told.verdict(made.machine) == "fits",
        "longest_pack_tokens": told.pack_tokens,
        "layers_computed_twice": told.recomputed,
        "make_it_fit": msgspec.to_builtins(fit),
        "use_memory": msgspec.to_builtins(more),
        "advice": msgspec.to_builtins(advice),
    }


_VERDICTS = {
    "fits": "It fits.",
    "tight": "It should fit, but hardly anything is left.",
    "too_large": "It may not fit.",
    "hopeless": "It does not fit.",
}


def _say(made: MemoryPlan, fit: Fit, more: Fit, advice: tuple[Advice, ...]) -> None:
    told = made.estimate
    for part in told.parts:
        output.say(f"{gigabytes(part.bytes):>9}  {PARTS[part.name]}")
    band = gigabytes(told.high - told.total)
    how = "measured" if told.measured else "by the formula"
    output.say(
        f"{gigabytes(told.total):>9}  in all, give or take {band} ({how}); {gigabytes(made.machine.free_bytes)} free"
    )
    output.say(_VERDICTS[told.verdict(made.machine)])
    if told.recomputed:
        output.say(f"Layers computed twice, which saves memory and costs time: {told.recomputed}.")
    if fit.changes or not fit.fits:
        output.say("To make it fit:")
        _say_changes(fit.changes)
        output.say(f"Then it needs about {gigabytes(fit.estimate.total)}." if fit.fits else "Even that is not enough.")
    elif more.changes:
        output.say("To use the memory there is:")
        _say_changes(more.changes)
    output.say("Advice:")
    for one in advice:
        option = one.path.rsplit(".", 1)[-1].replace("_", "-")
        output.say(f"  --{option} {one.value:g}" + ("" if one.differs else " (as it is)"))
        output.say(f"      {one.reason}")


def _say_changes(changes: tuple[Change, ...]) -> None:
    for change in changes:
        options = " ".join(f"--{path.rsplit('.', 1)[-1].replace('_', '-')} {v}" for path, v in change.sets.items())
        gains = f"saves {gigabytes(change.gains_bytes)}" if change.gains_bytes >= 0 else ""
        gains = gains or f"takes {gigabytes(-change.gains_bytes)}"
        output.say(f"  {options}: {change.what} It {gains}. {change.costs}")
