"""Training runs, read from their folders: the folder is the truth."""

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from studio.contract import events, job
from studio.contract.errors import Problem, StudioError
from studio.contract.run_folder import MARKER, RunFolder, runs_folder
from studio.data.ancestry import is_combined
from studio.data.run_index import Key, RunIndex
from studio.data.run_label import Label, read_label
from studio.data.worker_lock import Lock as Lock
from studio.data.worker_lock import living_worker as living_worker

State = Literal["running", "done", "stopped", "discarded", "failed", "interrupted", "unreadable"]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a run's events tell of it."""

    started: float
    seconds: float = 0.0
    steps: int = 0
    total_steps: int = 0
    loss_first: float | None = None
    loss_last: float | None = None
    best_loss: float | None = None
    finished: events.Finished | None = None
    failed: events.Failed | None = None
    planned: events.MemoryPlanned | None = None


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the Runs page.

    `state` "interrupted": the worker is gone and left no final event; such a run can be resumed. "unreadable": its
    job.json cannot be read, or it was being combined of others; `problem` says why; of `job` only what names the run
    is true.
    """

    folder: Path
    job: job.TrainJob
    state: State
    started: float
    seconds: float
    steps: int
    total_steps: int
    loss_first: float | None
    loss_last: float | None
    best_loss: float | None
    finished: events.Finished | None
    failed: events.Failed | None
    planned: events.MemoryPlanned | None = None
    label: Label = Label()
    problem: Problem | None = None

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def has_adapter(self) -> bool:
        if self.problem is not None or self.state == "discarded":  # a worker that was ended may have left one
            return False
        return (RunFolder(self.folder).adapter / "adapter_config.json").is_file()

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is anything to go on from; whether it is whole is seen when it is taken up."""
        return has_checkpoint(RunFolder(self.folder))

    @property
    def can_resume(self) -> bool:
        return self.state in ("interrupted", "failed", "stopped") and not is_combined(RunFolder(self.folder))


def has_checkpoint(folder: RunFolder) -> bool:
    """Whether a run has saved its state."""
    return any(folder.checkpoints.glob("step-*/manifest.json"))


def list_runs() -> list[RunSummary]:
    """All runs, newest first; one whose job cannot be read is listed with its problem."""
    folders = [RunFolder(path) for path in sorted(runs_folder().iterdir(), reverse=True) if (path / MARKER).is_file()]
    if all(_is_known(folder) for folder in folders):
        summaries = [_listed(folder, None) for folder in folders]
    else:
        with RunIndex() as index:
            summaries = [_listed(folder, index) for folder in folders]
    return [summary for summary in summaries if summary is not None]


def _listed(folder: RunFolder, index: RunIndex | None) -> RunSummary | None:
    """What can be said of a folder; None where there is no training run in it, or only its first moment."""
    try:
        work = job.load(folder.job)
    except StudioError as error:
        return _unreadable(folder, index, error.problem) if folder.job.exists() or folder.events.exists() else None
    return _summary(folder, work, index) if isinstance(work, job.TrainJob) else None


def _unreadable(folder: RunFolder, index: RunIndex | None, problem: Problem) -> RunSummary:
    """A run whose job.json cannot be read: it is there, can be looked at and deleted, and cannot go on."""
    name, model, data = (_said(folder, key) for key in ("name", "model_name", "dataset_name"))
    hello = next((event for event in read_events(folder) if isinstance(event, events.Hello)), None)
    made_by = hello.versions.get("apprentice-studio") if hello is not None else None
    told = msgspec.structs.replace(
        problem,
        code="run.unreadable",
        what="The settings of this run cannot be read, so it cannot go on.",
        why=f"{problem.what} {problem.why}" + (f" The run was made by version {made_by}." if made_by else ""),
        fix="Bring its job.json back from a copy of yours, open it with the version that made it, or delete the run.",
    )
    return RunSummary(
        folder=folder.path,
        job=job.TrainJob(name=name or folder.id, model="", model_name=model, dataset="", dataset_name=data),
        state="unreadable",
        label=read_label(folder),
        problem=told,
        **msgspec.structs.asdict(_told(folder, index)),
    )


def _said(folder: RunFolder, key: str) -> str:
    """What a damaged job.json still says under a key, before its settings; "" for nothing."""
    try:
        with folder.job.open("rb") as file:
            text = file.read(65_536).decode("utf-8", errors="replace").partition('"settings"')[0]
        found = re.search(rf'"{key}": ?("(?:[^"\\]|\\.)*")', text)
        return msgspec.json.decode(found[1], type=str)[:80] if found else ""
    except (OSError, msgspec.DecodeError):
        return ""


def read_events(folder: RunFolder) -> Iterator[events.AnyEvent]:
    """Every readable event of a run, in order; a damaged line is passed over.

    Where a run was saved, went on, and what came then was thrown away, nothing of that part is told but its notices:
    they may tell of what still holds, such as another setting.
    """
    at, thrown_away = 0, _thrown_away(folder)
    for line in folder.iter_lines():
        at += len(line)
        try:
            event = events.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(event, events.Notice) or not any(begin < at <= end for begin, end in thrown_away):
            yield event


def _thrown_away(folder: RunFolder) -> list[tuple[int, int]]:
    """From where to where (bytes of the record) lies what was thrown away."""
    at, found = 0, []
    for line in folder.iter_lines():
        if b'"back_to"' in line and b'"finished"' in line[:40]:  # a long run has a hundred thousand others
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                event = events.decode(line)
                if isinstance(event, events.Finished) and event.back_to:
                    found.append((event.back_to, at))
        at += len(line)
    return found


def summarise(folder: RunFolder, index: RunIndex | None = None) -> RunSummary | None:
    """Read one run's folder, or None where it holds no training job.

    Args:
        folder: It.
        index: Spares reading all of the run's events where they were read before.
    """
    try:
        work = job.load(folder.job)
    except StudioError:
        return None
    return _summary(folder, work, index) if isinstance(work, job.TrainJob) else None


def _summary(folder: RunFolder, work: job.TrainJob, index: RunIndex | None) -> RunSummary:
    told = _told(folder, index)
    state = _state(folder, told.finished, told.failed)
    problem = _HALF_COMBINED if state in ("interrupted", "failed") and is_combined(folder) else None
    return RunSummary(
        folder=folder.path,
        job=work,
        state=state if problem is None else "unreadable",
        label=read_label(folder),
        problem=problem,
        **msgspec.structs.asdict(told),
    )


_HALF_COMBINED = Problem(
    code="run.half_combined",
    what="Combining the adapters broke off here, so this run holds nothing that can be used.",
    why="It was to be made of others and has learned nothing by itself: there is no training that could go on.",
    fix="Delete it, and combine the adapters again.",
)
"""Earlier builds left such runs where the disk was full. Their job is the first parent's: it would be trained anew."""


_SETTLED_NS = 10 * 10**9
"""A run whose events were written later than this is going on: what is told of it is old in a moment."""

_known: dict[Path, tuple[Key, Told]] = {}
"""What was read of each run: pages ask again and again, and a long run has a hundred thousand events."""


def _key(folder: RunFolder) -> Key:
    """Changes with every event that is written."""
    try:
        state = folder.events.stat()
    except OSError:
        return (0, 0)
    return (state.st_mtime_ns, state.st_size)


def _is_known(folder: RunFolder) -> bool:
    known = _known.get(folder.path)
    return known is not None and known[0] == _key(folder)


def _told(folder: RunFolder, index: RunIndex | None) -> Told:
    key = _key(folder)
    known = _known.get(folder.path)
    if known is not None and known[0] == key:
        return known[1]
    told = _from_index(folder, key, index)
    if told is None:
        told = _read_whole(folder)
        if index is not None and time.time_ns() - key[0] > _SETTLED_NS:
            index.put(folder.id, key, msgspec.json.encode(told))
    _known[folder.path] = (key, told)
    return told


def _from_index(folder: RunFolder, key: Key, index: RunIndex | None) -> Told | None:
    kept = index.get(folder.id, key) if index is not None else None
    try:
        return msgspec.json.decode(kept, type=Told) if kept is not None else None
    except msgspec.DecodeError:  # another version wrote it
        return None


def _read_whole(folder: RunFolder) -> Told:
    told = Told(started=0.0)
    saved: Told | None = None
    for event in read_events(folder):
        told = _and_then(told, event)
        match event:
            case events.Finished(adapter="", reason="discarded") if saved is not None and folder.adapter.is_dir():
                # In earlier builds, and where a run could not be kept as it was saved, only the later part is gone.
                told = msgspec.structs.replace(saved, planned=told.planned)
            case events.Finished() if saved is not None and _is_again(event, saved):
                told = saved = msgspec.structs.replace(saved, finished=event, planned=told.planned)
            case events.Finished():
                saved = told if event.adapter else None
            case events.Failed() if saved is not None and _is_newer(folder.adapter, saved):
                saved = None
    since = (folder.job if folder.job.exists() else folder.path).stat().st_mtime
    return msgspec.structs.replace(told, started=told.started or since)


def _is_again(end: events.Finished, saved: Told) -> bool:
    """Whether an end is that of before: a part that took no step followed on one that was interrupted after some."""
    earlier = saved.finished
    return earlier is not None and (end.steps, end.seconds) == (earlier.steps, earlier.seconds)


def _is_newer(adapter: Path, saved: Told) -> bool:
    """Whether a part that went on after a run was saved has replaced its adapter."""
    try:
        written = (adapter / "adapter_config.json").stat().st_mtime
    except OSError:
        return True
    return saved.finished is None or written > saved.finished.at


def _and_then(told: Told, event: events.AnyEvent) -> Told:
    """What is told of a run with one more event of it."""
    change = msgspec.structs.replace
    match event:
        case events.Hello():
            return change(told, started=told.started or event.at, finished=None, failed=None)
        case events.Started():
            return change(told, total_steps=event.total_steps)
        case events.MemoryPlanned():
            return change(told, planned=event)
        case events.Step():
            first = event.loss if told.loss_first is None else told.loss_first
            return change(
                told, loss_first=first, loss_last=event.loss, steps=event.step, total_steps=event.total_steps,
                seconds=event.train_seconds,
            )  # fmt: skip
        case events.Evaluated() if event.step:  # step 0 is the base, untrained
            best = event.loss if told.best_loss is None else min(told.best_loss, event.loss)
            return change(told, best_loss=best)
        case events.Finished():
            return change(told, finished=event)
        case events.Failed():
            return change(told, failed=event)
    return told


def rename(folder: RunFolder, name: str) -> str:
    """Give a run another shown name; its folder keeps its own.

    Returns:
        The name as it is shown: on one line, of at most 80 characters.

    Raises:
        StudioError: There is no training job in the folder, the name is empty, or the file cannot be written.
    """
    work = job.load(folder.job)
    name = " ".join(name.split())[:80]
    if not isinstance(work, job.TrainJob) or not name:
        raise StudioError("run.rename", "The run cannot be renamed.", "It needs a name.", "Type a name.")
    try:
        job.save(msgspec.structs.replace(work, name=name), folder.job)
    except OSError as error:
        raise StudioError(
            "run.rename",
            "The run cannot be renamed.",
            f"{error.strerror}.",
            "Check the folder.",
            where=str(folder.path),
        ) from error
    return name


def require_deletable(folder: RunFolder) -> None:
    """Only folders of ours, and none that a worker is busy with.

    Raises:
        StudioError: The folder bears no marker, is a link, lies elsewhere, or its run goes on.
    """
    path = folder.path
    if path.is_symlink() or path.parent != runs_folder() or not (path / MARKER).is_file():
        raise StudioError(
            "run.not_ours", f"{path.name} is no run of this program, so it is left alone.", where=str(path)
        )
    if living_worker(folder) is not None:
        raise StudioError("run.goes_on", "A run that goes on cannot be deleted.", fix="Stop it first.")


def delete_for_good(folder: RunFolder) -> None:
    """Delete a run's folder; there is no way back.

    Raises:
        StudioError: It must not be deleted, or the system refuses.
    """
    require_deletable(folder)
    try:
        shutil.rmtree(folder.path)
    except OSError as error:
        raise StudioError(
            "run.delete", "The run cannot be deleted.", f"{error.strerror}.", where=str(folder.path)
        ) from error


def _state(folder: RunFolder, finished: events.Finished | None, failed: events.Failed | None) -> State:
    if finished is not None:
        by_user: dict[str, State] = {"stopped": "stopped", "discarded": "discarded"}
        return by_user.get(finished.reason, "done")
    if living_worker(folder) is not None:
        return "running"
    return "failed" if failed is not None else "interrupted"
