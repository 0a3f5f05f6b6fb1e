"""The settings of a run that a job file or options describe: over those of an adapter that it goes on from."""

import argparse
from pathlib import Path

from studio.cli.options import JobFile, job_file_settings, settings_from
from studio.contract import continuing
from studio.contract.errors import SettingsError, StudioError
from studio.contract.run_folder import RunFolder
from studio.contract.settings import TrainSettings
from studio.contract.size_limits import sizes_of, unfitting
from studio.data import made_adapter
from studio.data.model_fit import read_shape
from studio.data.run_history import RunSummary


def settings_of(file: JobFile, arguments: argparse.Namespace, earlier: RunSummary | None, model: Path) -> TrainSettings:
    """By file and options, over what an adapter that is gone on from brings along.

    Raises:
        StudioError: They are wrong, or do not fit the adapter or the model; nothing was imported or loaded for it.
    """
    if earlier is None:
        settings = settings_from(arguments, job_file_settings(file))
    else:
        made, layers = made_adapter.read(RunFolder(earlier.folder).adapter), made_adapter.linear_layers(model)

        def bring(settings: TrainSettings) -> TrainSettings:
            return continuing.going_on(settings, made, layers)

        settings = settings_from(arguments, job_file_settings(file, bring), bring)
        problem = continuing.refusal(settings, made, layers)
        if problem is not None:
            raise StudioError.of(problem)
    _require_fit(settings, model, earlier is not None)
    return settings


def _require_fit(settings: TrainSettings, model: Path, goes_on: bool) -> None:
    """Refuse what this model's sizes forbid, as far as it is known without the examples.

    Raises:
        SettingsError: All problems are listed.
    """
    shape = read_shape(model)
    problems = tuple(unfitting(settings, sizes_of(shape), goes_on=goes_on)) if shape is not None else ()
    if problems:
        raise SettingsError(problems)
