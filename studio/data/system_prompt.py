"""The system prompt that all examples of a run share: who talks to the run afterwards has to send it, too."""

from pathlib import Path

from studio.contract import job
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder
from studio.data.ancestry import read_ancestry
from studio.data.dataset import open_dataset

SEARCHED_ROWS = 20_000
"""A window must not stand still for a dataset of a million rows; where prompts differ, the first rows tell."""


def shared_by(dataset: Path) -> str:
    """The one system prompt of all rows; empty where they have none or several, or the dataset is gone.

    Args:
        dataset: Its folder. Of a very long one the first rows are looked at.
    """
    found = ""
    try:
        for record in open_dataset(dataset).records(0, SEARCHED_ROWS):
            first = record.messages[0] if record.messages else None
            own = first.content if first is not None and first.role == "system" else ""
            if not own.strip() or (found and own != found):
                return ""
            found = own
    except StudioError:
        return ""
    return found


def fits_modelfile(prompt: str) -> bool:
    """Whether a prompt ends the three quotation marks of a Modelfile, which know no escape, nowhere too early."""
    return '"""' not in prompt and not prompt.endswith('"')


def learned_with(run: Path) -> str:
    """The system prompt that all examples of a run share, or nothing; of a combined one, those of all its parents.

    Args:
        run: The run's folder.
    """
    ancestry = read_ancestry(RunFolder(run))
    if ancestry is not None and ancestry.system is not None:
        return ancestry.system
    try:
        work = job.load(RunFolder(run).job)
    except StudioError:
        return ""
    return shared_by(Path(work.dataset)) if isinstance(work, job.TrainJob) else ""
