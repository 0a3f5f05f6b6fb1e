"""The built-in sample: one job, for the window's "Try it now" and for `apprentice demo`."""

from studio.contract.job import TrainJob
from studio.contract.run_folder import STARTER_NAME, datasets_folder, sample_folder, starter_folder
from studio.contract.settings import TrainSettings

SAMPLE = "sample"
"""Id of the dataset that the sample is imported to."""
SAMPLE_NAME = "Sample"


def sample_files() -> tuple[str, str]:
    """The rows to learn from, and the re-worded questions that are held back."""
    return str(sample_folder() / "sample.jsonl"), str(sample_folder() / "held_back.jsonl")


def sample_job(name: str, settings: TrainSettings) -> TrainJob:
    """Teach the starter model the imported sample.

    Args:
        name: The run's.
        settings: Usually those of the preset "sample".
    """
    starter = starter_folder()
    return TrainJob(
        name=name,
        model=str(starter),
        model_name=STARTER_NAME,
        dataset=str(datasets_folder() / SAMPLE),
        dataset_name=SAMPLE_NAME,
        general=str(starter / "general.jsonl"),
        probes=str(starter / "probes.jsonl"),
        settings=settings,
    )
