"""What `apprentice train` says of values that would suit model and data better, and `--suggested`, which takes them."""

import argparse
from pathlib import Path

import msgspec

from studio.contract import events, job
from studio.contract.advice import advise, advised_rate, is_far, sets_of
from studio.contract.control import Emit
from studio.contract.errors import Problem
from studio.contract.memory_fit import Planner, changed
from studio.contract.presets import load_preset
from studio.contract.run_folder import starter_folder
from studio.contract.sample import SAMPLE
from studio.data.model_fit import read_shape


def tell(arguments: argparse.Namespace, work: job.TrainJob, emit: Emit) -> None:
    """Say, once, that a learning speed which nobody chose is far from the suggested one.

    Args:
        arguments: As they were given.
        work: What they came to.
        emit: Shows it.
    """
    shape = read_shape(Path(work.model))
    settings = work.settings
    if shape is None or work.start_from or getattr(arguments, "set:learning_rate") is not None or _is_tuned(work):
        return
    suggested = advised_rate(settings, shape)
    if not is_far(settings.learning_rate, suggested):
        return
    harm = "learn next to nothing" if settings.learning_rate < suggested else "become unstable"
    fix = f"Add --suggested for all values that `apprentice plan` suggests, or --learning-rate {suggested:g}."
    told = Problem(
        code="train.suggestions_unused",
        what="The suggested values are not used.",
        why=f"At a learning speed of {settings.learning_rate:g} this model may {harm}; {suggested:g} is suggested.",
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
    if shape is None or _is_tuned(work):
        return work
    chosen = {name[4:] for name, value in vars(arguments).items() if name.startswith("set:") and value is not None}
    if "batch_size" in chosen:  # how many are gathered follows from it
        chosen.add("accumulation")
    found = sets_of(advise(work.settings, Planner.of(shape, by_formula(work))))
    sets = {path: value for path, value in found.items() if path not in chosen}
    if sets:
        options = " ".join(f"--{path.rpartition('.')[2].replace('_', '-')} {value:g}" for path, value in sets.items())
        emit(events.Notice(problem=Problem(code="train.suggested", what=f"Suggested values are used: {options}.")))
    return msgspec.structs.replace(work, settings=changed(work.settings, sets))


def _is_tuned(work: job.TrainJob) -> bool:
    """The sample on the starter with its own settings: they were found by trying."""
    sample = Path(work.dataset).name == SAMPLE and Path(work.model) == starter_folder()
    return sample and work.settings == load_preset(SAMPLE).settings()
