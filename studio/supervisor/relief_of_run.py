"""What a run that ran out of memory can be changed to: from its folder, its model, and what is free now."""

from collections.abc import Sequence
from pathlib import Path

from studio.contract.events import DeviceReport
from studio.contract.memory_fit import Change, Planner
from studio.contract.memory_plan import Lengths
from studio.contract.relief import MEMORY_CODES, Relief, relief
from studio.contract.run_folder import RunFolder
from studio.data.model_fit import read_shape
from studio.data.run_history import RunSummary, summarise
from studio.data.run_settings import change_settings
from studio.supervisor.forecast import machine_of

_NOT_COUNTED = (64, 256, 1024)
"""Lengths of examples that were never counted: a guess that only ranks the changes."""


def relief_of(folder: RunFolder, report: DeviceReport | None) -> Relief | None:
    """What to change, or None where the run did not fail for memory or its model's memory is not known.

    Args:
        folder: Of the run.
        report: What this computer has.
    """
    run = summarise(folder)
    if run is None or run.failed is None or run.failed.problem.code not in MEMORY_CODES:
        return None
    planner = _planner(run, report)
    if planner is None:
        return None
    found = relief(planner, run.job.settings)
    return found if found.changes else None


def _planner(run: RunSummary, report: DeviceReport | None) -> Planner | None:
    shape = read_shape(Path(run.job.model))
    if shape is None:
        return None
    machine = machine_of(run.job.settings, report)
    if run.planned is not None:
        plan = run.planned.plan
        return Planner(
            shape, plan.lengths, machine, plan.calibration if plan.machine.device == machine.device else None
        )
    return Planner(shape, Lengths(rows=1000, own=1000, points=_NOT_COUNTED, source="guess"), machine)


def take(folder: RunFolder, changes: Sequence[Change]) -> None:
    """Make changes to a failed run; it goes on with them when it is resumed.

    Raises:
        StudioError: They cannot be made.
    """
    sets = {path: value for change in changes for path, value in change.sets.items()}
    what, costs = (" ".join(words) for words in zip(*((one.what, one.costs) for one in changes), strict=True))
    change_settings(folder, sets, what, costs)
