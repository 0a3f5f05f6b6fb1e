"""What to change after the memory ran out, so that the run goes on from its checkpoint."""

from typing import Any

import msgspec

from studio.contract.memory_fit import Change, Kind, Planner, changed
from studio.contract.memory_plan import Machine
from studio.contract.settings import TrainSettings

MEMORY_CODES = ("memory.gpu", "memory.host", "memory.host_killed", "memory.dry_step", "memory.cannot_fit")
"""Problems that fewer bytes would have spared."""
KINDS: tuple[Kind, ...] = ("batch", "checkpointing", "offload", "quantisation", "length")
"""Changes that leave the optimiser's memory valid, mildest first. Another optimiser would begin anew."""
LESS = 0.75
"""The estimate was too low, or other programs took memory: a quarter less is aimed for."""


LEAST_SHARE = 0.02
"""What gains less of the memory is not worth its cost: it is listed, but not suggested."""


class Relief(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    changes: All that can be done, mildest first, each as if the suggested ones were made.
    suggested: Kinds of those that are needed.
    enough: Whether they are enough, as far as can be told.
    """

    changes: tuple[Change, ...]
    suggested: tuple[Kind, ...]
    enough: bool

    def sets(self, kinds: tuple[Kind, ...]) -> dict[str, Any]:
        """Dotted path -> value of the changes of these kinds."""
        return {path: value for one in self.changes if one.kind in kinds for path, value in one.sets.items()}


def relief(planner: Planner, settings: TrainSettings) -> Relief:
    """What can be changed of settings with which the memory ran out.

    Texts are only suggested to be shortened where nothing else is left: it costs examples.

    Args:
        planner: Knows model, examples and what is free now.
        settings: Those of the run.
    """
    found = _relief(planner, settings)
    if found.changes or planner.calibration is None:
        return found
    # Measured, loading the model took more than the steps, so no change would gain anything; but they ran out.
    return _relief(Planner(planner.shape, planner.lengths, planner.machine), settings)


def _relief(planner: Planner, settings: TrainSettings) -> Relief:
    wary = Planner(planner.shape, planner.lengths, _less(planner, settings), planner.calibration, is_wary=True)
    if settings.gradient_checkpointing == "auto":  # what it decided was not enough
        settings = changed(settings, {"gradient_checkpointing": "off"})
    mild = wary.make_it_fit(settings, tuple(kind for kind in KINDS if kind != "length"))
    fit = mild if mild.changes else wary.make_it_fit(settings, KINDS)
    least = LEAST_SHARE * wary.estimate(settings).total
    worth = [change for change in fit.changes if change.gains_bytes >= least]
    taken = tuple(change.kind for change in worth)
    then = changed(settings, {path: value for change in worth for path, value in change.sets.items()})
    others = wary.changes(then, tuple(kind for kind in KINDS if kind not in taken))
    found = sorted((*worth, *others), key=lambda change: KINDS.index(change.kind))
    return Relief(changes=tuple(found), suggested=taken, enough=wary.fits(then))


def _less(planner: Planner, settings: TrainSettings) -> Machine:
    """A machine with less free memory than was thought, if it was thought to be enough."""
    there = planner.machine
    most = int(LESS * planner.estimate(settings).high)
    return msgspec.structs.replace(there, free_bytes=min(there.free_bytes, most))
