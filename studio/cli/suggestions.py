"""What `apprentice train` says of values that would suit model and data better, and `--suggested`, which takes them."""

import argparse
from pathlib import Path

import msgspec

from studio.contract import events, job
from studio.contract.advice import (
    Advice,
    advise,
    advised_rate,
    beside_rule,
    found_rate,
    is_far,
    is_tested,
    sets_of,
)
from studio.contract.control import Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.memory_fit import Planner, changed, refusal
from studio.contract.presets import load_preset
from studio.contract.range_test import RangeResult
from studio.contract.run_folder import starter_folder
from studio.contract.sample import SAMPLE
from studio.data import rate_tests
from studio.data.model_fit import read_shape

TUNED = "The present settings were tuned for just this model and data."


def advice_for(work: job.TrainJob, planner: Planner) -> tuple[Advice, ...]:
    """What is advised for a run, by a range test where there was one; nothing where its settings were tuned for it."""
    return () if is_tuned(work) else advise(work.settings, planner, _tested(work, planner))


def _tested(work: job.TrainJob, planner: Planner) -> RangeResult | None:
    return found_rate(rate_tests.tests_of(work), work.settings, planner)


def tell(arguments: argparse.Namespace, work: job.TrainJob, emit: Emit) -> None:
    """Say, once, that a learning speed which nobody chose is far from the suggested one.

    Args:
        arguments: As they were given.
        work: What they came to.
        emit: Shows it.
    """
    shape = read_shape(Path(work.model))
    settings = work.settings
    if shape is None or work.start_from or getattr(arguments, "set:learning_rate") is not None or is_tuned(work):
        return
    tests = (one for one in rate_tests.tests_of(work) if is_tested(settings, one.settings))
    tried = next((one.result.suggestion for one in tests), None)
    suggested = tried or advised_rate(settings, shape)
    if not is_far(settings.learning_rate, suggested):
        return
    harm = "learn next to nothing" if settings.learning_rate < suggested else "become unstable"
    fix = f"Add --suggested for all values that `apprentice plan` suggests, or --learning-rate {suggested:g}."
    told = Problem(
        code="train.suggestions_unused",
        what="The suggested values are not used.",
        why=f"At a learning speed of {settings.learning_rate:g} this model may {harm}; "
        f"{suggested:g} is suggested{', by a range test with these examples' if tried else ''}.",
        fix=fix,
    )
    emit(events.Notice(problem=told))


def take(arguments: argparse.Namespace, work: job.TrainJob, emit: Emit) -> job.TrainJob:
    """The run with the suggested values, but for those that were chosen; they are named.

    Args:
        arguments: As they were given.
        work: What they came to.
        emit: Shows what is taken.

    Raises:
        StudioError: Model or examples cannot be used, or the settings do not go together.
    """
    from studio.engine.trial import by_formula

    shape = read_shape(Path(work.model))
    if shape is None or is_tuned(work):
        return work
    chosen = {name[4:] for name, value in vars(arguments).items() if name.startswith("set:") and value is not None}
    if "batch_size" in chosen:  # how many are gathered follows from it
        chosen.add("accumulation")
    planner = Planner.of(shape, by_formula(work))
    tested = _tested(work, planner)
    found = sets_of(advise(work.settings, planner, tested))
    sets = {path: value for path, value in found.items() if path not in chosen}
    settings = changed(work.settings, sets)
    refused = None if arguments.queue else refusal(planner, settings)  # in its turn there may be more memory
    if refused is not None:
        raise StudioError.of(refused)
    if sets:
        options = " ".join(f"--{path.rpartition('.')[2].replace('_', '-')} {value:g}" for path, value in sets.items())
        why = ""
        if tested is not None and tested.suggestion is not None and "learning_rate" in sets:
            why = beside_rule(advised_rate(work.settings, shape), tested)
        what = f"Suggested values are used: {options}."
        emit(events.Notice(problem=Problem(code="train.suggested", what=what, why=why)))
    return msgspec.structs.replace(work, settings=settings)


def is_tuned(work: job.TrainJob) -> bool:
    """The sample on the starter with its own settings: they were found by trying."""
    sample = Path(work.dataset).name == SAMPLE and Path(work.model) == starter_folder()
    return sample and work.settings == load_preset(SAMPLE).settings()
