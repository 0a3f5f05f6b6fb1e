"""The job of a run from what is chosen in the window."""

from typing import Literal

import msgspec

from studio.contract import events, job
from studio.contract.errors import StudioError
from studio.contract.settings import TrainSettings
from studio.data.dataset import DatasetInfo


def new_job(
    model: events.ModelChecked | None,
    data: DatasetInfo | None,
    settings: TrainSettings,
    name: str,
    start_from: str,
    when_window_closes: Literal["go_on", "stop_at_checkpoint"],
) -> job.TrainJob:
    """The job that "Start training" stands for.

    Raises:
        StudioError: Dataset or model is missing, or the model is not usable.
    """
    if model is None:
        raise StudioError("train.no_model", "Choose a model first.", fix="Open the Models page.")
    if not model.usable:
        raise StudioError.of(msgspec.structs.replace(model.problems[0], where=model.problems[0].where or model.name))
    if data is None:
        raise StudioError("train.no_dataset", "Choose a dataset first.", fix="Open the Data page.")
    return job.TrainJob(
        name=name,
        model=model.path,
        model_name=model.name,
        dataset=str(data.folder),
        dataset_name=data.name,
        general=model.general,
        probes=model.probes,
        settings=settings,
        start_from=start_from,
        when_window_closes=when_window_closes,
    )
