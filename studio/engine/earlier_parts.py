"""A run that was saved and goes on: what its earlier parts leave to the end of this one."""

import contextlib

import msgspec

from studio.contract.events import Finished, Step
from studio.contract.run_folder import RunFolder
from studio.data.run_history import read_events
from studio.engine import checkpoint


class Earlier(msgspec.Struct):
    """What a run's record tells of its parts of before.

    Attributes:
        saved: The end that kept an adapter, the last one; None: there was none.
        went_on: Steps were taken after it, by a part that was interrupted, say.
        peak_bytes: The most memory that any of them took, as far as it is known.
    """

    saved: Finished | None = None
    went_on: bool = False
    peak_bytes: int = 0


def look_back(folder: RunFolder) -> Earlier:
    """Read a run's record; the checkpoint of its last saved end is held, so that it can go back to it."""
    earlier = Earlier()
    for event in read_events(folder):
        if isinstance(event, Finished):
            earlier.peak_bytes = max(earlier.peak_bytes, event.peak_bytes)
            if event.adapter:
                earlier.saved, earlier.went_on = event, False
        elif isinstance(event, Step):  # all that is known of a part that was interrupted
            earlier.peak_bytes = max(earlier.peak_bytes, event.memory_bytes)
            earlier.went_on = earlier.saved is not None
    if earlier.saved is not None:
        _hold(folder, earlier.saved.steps)
    return earlier


def joined(folder: RunFolder, earlier: Earlier, end: Finished, thrown_away: bool) -> Finished:
    """The end of this part as the end of the whole run.

    A part that keeps nothing leaves the run as it was saved before.

    Args:
        folder: Of the run.
        earlier: Its parts of before.
        end: Of this part.
        thrown_away: That was asked for, and then its checkpoints go, too. Else (it was stopped before its first step,
            or the disk refused the adapter) whatever was saved since then stays, and the run can go on from it.
    """
    if end.adapter:
        return msgspec.structs.replace(end, peak_bytes=max(end.peak_bytes, earlier.peak_bytes))
    saved = earlier.saved
    if saved is None:
        return end
    if thrown_away:
        _go_back(folder, saved.steps)
    went_on = earlier.went_on or end.steps > saved.steps
    return msgspec.structs.replace(saved, at=end.at, went_back=thrown_away and went_on)


def _hold(folder: RunFolder, step: int) -> None:
    """Keep the checkpoint of a step, whatever comes after it; the one that was held before is so no more."""
    for path in checkpoint.found(folder.checkpoints):
        with contextlib.suppress(OSError):  # a disk that takes nothing ends the run elsewhere, and says so
            if path.name == f"step-{step:09d}":
                (path / checkpoint.HELD).touch(mode=0o600)
            else:
                (path / checkpoint.HELD).unlink(missing_ok=True)


def _go_back(folder: RunFolder, step: int) -> None:
    """Delete the checkpoints of later steps, where there is a whole one of this step or before it."""
    found = checkpoint.found(folder.checkpoints)
    later = [path for path in found if path.name > f"step-{step:09d}"]
    if any(checkpoint.is_whole(path) for path in found if path not in later):
        for path in later:
            with contextlib.suppress(OSError):  # what cannot be deleted is gone on from: nothing is lost
                checkpoint.discard(path)
