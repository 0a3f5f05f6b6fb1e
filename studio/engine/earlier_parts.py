"""A run that was saved and goes on: kept as it was saved, so that what comes now can be thrown away."""

import contextlib
import os
import shutil
from pathlib import Path

import msgspec

from studio.contract.control import Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.events import Finished, Notice, Step
from studio.contract.run_folder import MARKER, RunFolder, make_folder
from studio.data import starting_over
from studio.data.adapter_choice import best_folder, last_folder
from studio.data.run_history import read_events
from studio.data.run_room import BEFORE
from studio.engine import checkpoint

_KEPT = "kept.json"


class Earlier(msgspec.Struct):
    """What a run's record tells of its parts of before.

    Attributes:
        saved: The end that kept an adapter, the last one; None: there was none.
        went_on: Steps were taken after it, by a part that was interrupted, say.
        put_aside: Its checkpoints were put aside after it, as the run starts over.
        peak_bytes: The most memory that any of them took, as far as it is known.
    """

    saved: Finished | None = None
    went_on: bool = False
    put_aside: bool = False
    peak_bytes: int = 0


class _Kept(msgspec.Struct):
    """Of a run as it was saved: its end, and the bytes of its record before what came then."""

    end: Finished
    record_bytes: int


def look_back(folder: RunFolder) -> Earlier:
    """Read a run's record."""
    earlier = Earlier()
    for event in read_events(folder):
        if isinstance(event, Finished):
            earlier.peak_bytes = max(earlier.peak_bytes, event.peak_bytes)
            if event.adapter:
                # An end that was repeated after a part that broke off changes nothing about that part.
                earlier.went_on = earlier.went_on and earlier.saved is not None and _same(event, earlier.saved)
                earlier.saved, earlier.put_aside = event, False
        elif isinstance(event, Step):  # all that is known of a part that was interrupted
            earlier.peak_bytes = max(earlier.peak_bytes, event.memory_bytes)
            earlier.went_on = earlier.saved is not None
        elif isinstance(event, Notice) and event.problem.code == starting_over.CODE:
            earlier.put_aside = True
    return earlier


def keep(folder: RunFolder, earlier: Earlier, whole: Path | None, emit: Emit) -> None:
    """Keep a run as it was saved in a folder of its own, until it is saved again.

    Files are linked where the disk can do that: adapters and checkpoints are always replaced and never written into.
    What is kept stays through parts that break off. A part that went on without (of an earlier build) may have replaced
    the adapter: what it was is not known then, and nothing is kept.

    Args:
        folder: Of the run.
        earlier: Its parts of before.
        whole: The checkpoint that it goes on from; None: from its first step.
        emit: Gets a notice where that is so, or the disk refuses.
    """
    saved = earlier.saved
    if saved is None or _kept(folder, saved) is not None or not folder.adapter.is_dir():
        return
    if earlier.went_on:
        fix = "To be able to go back, stop and save it once this part has taken a step, and resume."
        emit(Notice(problem=_not_kept("It went on before without being kept.", fix)))
        return
    size = folder.events.stat().st_size  # no step was taken since it was saved

    def write(before: Path) -> None:
        for adapter in _adapters(folder):
            if adapter.is_dir():
                _link_all(adapter, before / adapter.name)
        aside = starting_over.newest_aside(folder) if earlier.put_aside else None
        for path in checkpoint.found(aside or folder.checkpoints):
            if aside is not None or (whole is not None and path.name <= whole.name):  # later ones are damaged
                _link_all(path, before / "checkpoints" / path.name)
        for path in before.rglob("*"):
            if path.is_dir():
                checkpoint.flush(path)
        (before / _KEPT).write_bytes(msgspec.json.encode(_Kept(saved, size)))

    try:
        checkpoint.replace_folder(folder.path / BEFORE, write)
    except (OSError, StudioError) as error:
        fix = "To be able to go back, stop, make room on the disk, and resume."
        emit(Notice(problem=_not_kept(_why(error), fix, str(error))))


def joined(folder: RunFolder, earlier: Earlier, end: Finished, thrown_away: bool) -> Finished:
    """The end of this part as the end of the whole run.

    A part that keeps nothing leaves the run as it was saved before, where that was kept.

    Args:
        folder: Of the run.
        earlier: Its parts of before.
        end: Of this part.
        thrown_away: That was asked for, while the saved adapter was tested, say; then its checkpoints go, too. Else
            (it was stopped before its first step, or the disk refused the adapter) whatever was saved since then
            stays, and the run can go on from it.

    Raises:
        StudioError: The disk refuses to put back what was kept; nothing is lost, and it can be tried again.
    """
    if end.adapter and not thrown_away:
        return msgspec.structs.replace(end, peak_bytes=max(end.peak_bytes, earlier.peak_bytes))
    saved = earlier.saved
    kept = _kept(folder, saved) if saved is not None else None
    if saved is None or (kept is None and thrown_away):
        return _without_adapter(folder, end) if end.adapter else end
    if kept is not None:
        try:
            _put_adapters_back(folder)
            if thrown_away:
                _put_checkpoints_back(folder)
        except OSError as error:
            raise _not_put_back(folder, error) from error
    back_to = kept.record_bytes if kept is not None and thrown_away else 0
    return msgspec.structs.replace(saved, at=end.at, went_back=thrown_away, back_to=back_to)


def _without_adapter(folder: RunFolder, end: Finished) -> Finished:
    """The end of a run that was thrown away after it had saved its adapter."""
    for path in _adapters(folder):
        with contextlib.suppress(OSError):  # nothing of a run that was thrown away is used
            checkpoint.discard(path)
    return Finished(
        adapter="", reason="discarded", steps=end.steps, seconds=end.seconds, peak_bytes=end.peak_bytes,
        energy_wh=end.energy_wh,
    )  # fmt: skip


def forget(folder: RunFolder, end: Finished) -> None:
    """What was kept is of no more use once an end is recorded that saved the run anew, or went back to it."""
    if end.adapter and (end.back_to or _kept(folder, end) is None):
        with contextlib.suppress(OSError):  # the next part replaces it, and cleaning up deletes it
            (folder.path / BEFORE / _KEPT).unlink(missing_ok=True)  # first: what is half deleted is not what was kept
            checkpoint.discard(folder.path / BEFORE)


def _same(one: Finished, other: Finished) -> bool:
    first, second = (msgspec.structs.replace(end, at=0.0, went_back=False, back_to=0) for end in (one, other))
    return first == second


def _kept(folder: RunFolder, saved: Finished) -> _Kept | None:
    """What was kept of this very end; a folder that is half made bears another name."""
    try:
        kept = msgspec.json.decode((folder.path / BEFORE / _KEPT).read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None
    return kept if _same(kept.end, saved) else None


def _adapters(folder: RunFolder) -> tuple[Path, ...]:
    return folder.adapter, best_folder(folder), last_folder(folder)


def _put_adapters_back(folder: RunFolder) -> None:
    """The same ones under other names are left alone: a person may have chosen the other one meanwhile."""
    before = folder.path / BEFORE
    there, kept = ([_look(root / path.name) for path in _adapters(folder)] for root in (folder.path, before))
    if sorted(there) == sorted(kept):
        return
    for path in _adapters(folder):
        _put_back(before / path.name, path)


def _put_checkpoints_back(folder: RunFolder) -> None:
    """Those that were kept are put back before all others go: the run can go on whenever this is broken off."""
    kept = bring_checkpoints(folder)
    for path in checkpoint.found(folder.checkpoints):
        if path.name not in kept:
            checkpoint.discard(path)


def bring_checkpoints(folder: RunFolder) -> set[str]:
    """Put the checkpoints that were kept among a run's own; gives their names.

    Damaged ones are left out, but where all of them are: then there must be some, so that the run does not start over
    by itself.

    Raises:
        OSError: The disk refuses; none is lost.
    """
    kept = checkpoint.found(folder.path / BEFORE / "checkpoints")
    chosen = [path for path in kept if checkpoint.is_whole(path)] or kept
    if chosen:
        make_folder(folder.checkpoints)
    for path in chosen:
        _put_back(path, folder.checkpoints / path.name)
    return {path.name for path in chosen}


def _put_back(kept: Path, final: Path) -> None:
    if not kept.is_dir():
        checkpoint.discard(final)
    elif _look(kept) != _look(final):
        checkpoint.replace_folder(final, lambda partial: _link_all(kept, partial))


def _look(folder: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of a folder's files: links and copies have those of what they were made of."""
    if not folder.is_dir():
        return []
    files = [(path.relative_to(folder).as_posix(), path.stat()) for path in folder.rglob("*") if path.is_file()]
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in files if name != MARKER)


def _link_all(source: Path, target: Path) -> None:
    shutil.copytree(
        source, target, copy_function=_link, dirs_exist_ok=True, ignore=lambda _, names: {MARKER} & set(names)
    )


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a disk without links, or with as many of this file as it can have
        shutil.copy2(source, target)
        checkpoint.flush(Path(target))


def _why(error: OSError | StudioError) -> str:
    said = getattr(error, "strerror", None)  # where several files failed, a list of them instead
    return f"{said}." if said else "The disk refused a file."


def _not_kept(why: str, fix: str, details: str = "") -> Problem:
    return Problem(
        code="train.before_not_kept",
        what="The run could not be kept as it was saved: throwing away what comes now does not bring it back.",
        why=why,
        fix=fix,
        details=details,
    )


def _not_put_back(folder: RunFolder, error: OSError) -> StudioError:
    return StudioError(
        "train.not_put_back",
        "The run could not be put back as it was saved before.",
        _why(error),
        'Make room on the disk, or check the folder; then resume the run, and choose "Stop and discard" again.',
        where=str(folder.path),
    )
