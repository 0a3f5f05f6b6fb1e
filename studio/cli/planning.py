"""`apprentice plan` and `apprentice range-test`: what a run needs and which settings suit it; nothing is trained."""

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from studio.cli import output, running, suggestions, training
from studio.contract import events, job
from studio.contract.advice import Advice, advised_rate, beside_rule
from studio.contract.control import Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.memory_fit import Change, Fit, Planner, gigabytes, refusal
from studio.contract.memory_plan import PARTS, MemoryPlan
from studio.contract.run_folder import RunFolder, jobs_folder
from studio.data import rate_tests
from studio.data.model_fit import read_shape


def plan(arguments: argparse.Namespace) -> int:
    """Memory of a run by a dry step (or by the formula alone), what would make it fit, and advice.

    Raises:
        StudioError: Bad input, or the run would be refused for its memory.
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
    fit, more = asked.make_it_fit(settings), asked.use_memory(settings)
    refused = refusal(asked, settings) if arguments.formula_only else None  # a dry step was refused before
    is_beyond = asked.is_beyond(fit)
    advice = () if refused is not None or is_beyond else suggestions.advice_for(work, asked)
    if arguments.json:
        notices = {"notices": msgspec.to_builtins(told)}
        output.print_json(_as_table(made, fit, more, advice) | notices | _refused(refused))
        return 2 if refused is not None else 0
    _say_parts(made)
    if refused is not None:
        _say_refused(refused, fit)
    _say(fit, more, has_advice=bool(advice))
    if is_beyond:
        output.say("No advice is given: first the memory has to suffice.")
    else:
        _say_advice(advice)
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
    result, shape = tested.result, read_shape(Path(work.work.model))
    kept = rate_tests.keep(work.work, result)
    by_rule = advised_rate(work.work.settings, shape) if shape is not None else None
    if arguments.json:
        output.print_json(msgspec.to_builtins(result) | {"by_rule": by_rule})
        return 0
    losses = [point.smooth for point in result.points]
    low, high = min(losses, default=0.0), max(losses, default=1.0)
    for point in result.points:
        bar = "#" * round(40 * (point.smooth - low) / max(1e-9, high - low))
        output.say(f"{point.rate:9.2e}  {point.loss:8.4f}  {bar}")
    output.say(result.reason)
    if result.suggestion is not None:
        output.say(f"Suggested: --learning-rate {result.suggestion:g}")
    if suggestions.is_tuned(work.work):
        output.say(f"{suggestions.TUNED} A short test sees only how whole runs begin.")
    elif by_rule is not None:
        output.say(beside_rule(by_rule, result))
        if kept and result.suggestion is not None:
            output.say("`apprentice plan` and `train --suggested` go by it from now on, with these settings.")
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


SMALLER = "A smaller model would need less; or close other programs."
_VERDICTS = {
    "fits": "It fits.",
    "tight": "It should fit, but hardly anything is left.",
    "too_large": "It may not fit.",
    "hopeless": "It does not fit.",
}


def _refused(problem: Problem | None) -> dict[str, Any]:
    """What a refused command prints with --json."""
    if problem is None:
        return {}
    told = msgspec.to_builtins(problem)
    return {"error": told, "problems": [told]}


def _say_parts(made: MemoryPlan) -> None:
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


def _say_refused(problem: Problem, fit: Fit) -> NoReturn:
    """What would make it fit, with gains and costs; then the refusal, which names it only where that was not done.

    Raises:
        StudioError: The refusal.
    """
    if fit.fits:
        _say_to_fit(fit)
        problem = msgspec.structs.replace(problem, fix="The changes above make it fit.")
    raise StudioError.of(problem)


def _say(fit: Fit, more: Fit, has_advice: bool) -> None:
    if fit.changes:
        _say_to_fit(fit)
    elif not fit.fits:
        output.say(f"No setting is left that saves memory. {SMALLER}")
    elif more.changes:
        best = "; what learns well stands under Advice" if has_advice else ""
        output.say(f"To use the memory there is (for speed, as far as it makes sense{best}):")
        _say_changes(more.changes)


def _say_to_fit(fit: Fit) -> None:
    output.say("To make it fit:" if fit.fits else "To need less:")
    _say_changes(fit.changes)
    then = f"Then it needs about {gigabytes(fit.estimate.total)}"
    output.say(f"{then}." if fit.fits else f"{then}, which may still be too much. {SMALLER}")


def _say_advice(advice: tuple[Advice, ...]) -> None:
    if not advice:
        output.say(suggestions.TUNED)
        return
    output.say("Advice:")
    for one in advice:
        option = one.path.rsplit(".", 1)[-1].replace("_", "-")
        output.say(f"  --{option} {one.value:g}" + ("" if one.differs else " (as it is)"))
        output.say(f"      {one.reason}")


def _say_changes(changes: tuple[Change, ...]) -> None:
    for change in changes:
        options = " ".join(f"--{path.rsplit('.', 1)[-1].replace('_', '-')} {v}" for path, v in change.sets.items())
        gains = f"saves {gigabytes(change.gains_bytes)}" if change.gains_bytes >= 0 else ""
        gains = gains or f"takes {gigabytes(-change.gains_bytes)} more"
        output.say(f"  {options}: {change.what} It {gains}. {change.costs}")
