"""Taking a run up from its checkpoint: whether it is the same run, and where in its examples it goes on."""

import contextlib
import hashlib
from pathlib import Path

import msgspec

from studio.contract.control import Emit
from studio.contract.errors import StudioError
from studio.contract.events import Progress
from studio.contract.job import TrainJob
from studio.contract.plan import planned_steps
from studio.contract.run_folder import RunFolder
from studio.contract.settings import TrainSettings
from studio.contract.taking_up import lasting
from studio.data.base_identity import BaseIdentity
from studio.data.dataset import ROWS_FILE
from studio.data.edits import EDITS_FILE
from studio.engine import checkpoint, earlier_parts
from studio.engine.checkpoint import Snapshot, State
from studio.engine.examples import Examples

_END_BYTES = 1 << 20


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint belongs to.

    Attributes:
        fingerprint: SHA-256 of all that decides the result.
        earlier: The same as checkpoints of before were given it: by where the base model lay, not by what it is, or
            by settings that may be changed on the way by now.
        source: SHA-256 of the same as `fingerprint`, but for the longest text: of the rows as they lie on the disk.
        earlier_sources: The same by where the base model lay.
        quantisation, max_tokens: How model and examples are read.
    """

    fingerprint: str = ""
    earlier: frozenset[str] = frozenset()
    source: str = ""
    earlier_sources: frozenset[str] = frozenset()
    quantisation: str = ""
    max_tokens: int = 0


def identify(job: TrainJob, examples: Examples, quantisation: str, base: BaseIdentity) -> Identity:
    """The identity of a run.

    Args:
        job: It.
        examples: Its encoded rows.
        quantisation: What the model's became in the end.
        base: The model that it is trained on, wherever it lies; its weights alone count here, as its config is
            compared before a run goes on (`base_search.follow`).
    """
    settings = lasting(job.settings)
    any_length = msgspec.structs.replace(settings, max_tokens=TrainSettings().max_tokens)
    rows, source = examples.fingerprint, _rows_digest(job)
    places = {job.model, base.path}
    return Identity(
        fingerprint=_digest(job, base.sha256, rows, settings),
        earlier=frozenset(_digest(job, place, rows, told) for place in places for told in (settings, job.settings)),
        source=_digest(job, base.sha256, source, any_length),
        earlier_sources=frozenset(_digest(job, place, source, any_length) for place in places),
        quantisation=quantisation,
        max_tokens=job.settings.max_tokens,
    )


def _digest(job: TrainJob, base: str, rows: str, settings: TrainSettings) -> str:
    told = [base, rows, msgspec.json.encode(settings).decode()]
    told += [job.start_from] if job.start_from else []
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _rows_digest(job: TrainJob) -> str:
    """Of the rows before they are encoded: dataset, what a person changed of it, and general rows.

    Imported rows never change, so their file's size and its ends tell it from another; reading all of a large one
    would cost the start of every run.
    """
    digest = hashlib.sha256()
    for path in (Path(job.dataset, ROWS_FILE), Path(job.dataset, EDITS_FILE), Path(job.general)):
        if path.is_file():
            size = path.stat().st_size
            digest.update(f"{size};".encode())
            with path.open("rb") as file:
                digest.update(file.read(_END_BYTES))
                file.seek(max(0, size - _END_BYTES))
                digest.update(file.read())
    return digest.hexdigest()


def newest_checkpoint(folder: RunFolder, emit: Emit) -> Path | None:
    """The newest whole checkpoint; None where the run has saved nothing yet.

    Where all are damaged, those come back that were kept when the run was saved, unless it started over since.

    Raises:
        StudioError: There are some, and none is whole: a run never starts over by itself.
    """
    path = checkpoint.newest(folder.checkpoints, emit)
    if path is None and checkpoint.found(folder.checkpoints) and not earlier_parts.look_back(folder).put_aside:
        with contextlib.suppress(OSError):
            earlier_parts.bring_checkpoints(folder)
        path = checkpoint.newest(folder.checkpoints, emit)
    if path is None and checkpoint.found(folder.checkpoints):
        raise checkpoint.none_whole(folder.checkpoints)
    return path


def take_up(path: Path | None, identity: Identity, emit: Emit) -> Snapshot | None:
    """What a checkpoint holds, if it belongs to this job and these rows.

    Settings that do not touch what it holds may be others by now (`contract.taking_up`).

    Raises:
        StudioError: It belongs to others.
    """
    if path is None:
        return None
    emit(Progress(stage="Taking up the last checkpoint"))
    snapshot = checkpoint.load(path)
    state = snapshot.state
    same = state.fingerprint in {identity.fingerprint, *identity.earlier}
    same_source = state.source in {identity.source, *identity.earlier_sources}
    shorter = same_source and 0 < identity.max_tokens < state.max_tokens
    if not (same or shorter):
        raise StudioError(
            "checkpoint.other_job",
            "The run cannot be taken up from its checkpoint.",
            "Its settings, its model or its examples are not those it was begun with.",
            "Start a new run.",
            where=str(path),
        )
    return snapshot


def is_read_alike(state: State, identity: Identity) -> bool:
    """Whether tests of before can be compared with those to come: same rows, same numbers in the model."""
    same_model = state.quantisation in ("", identity.quantisation)
    return same_model and state.max_tokens in (0, identity.max_tokens)


class Place(msgspec.Struct, frozen=True):
    """Where a run goes on: pass, batch within it, and corrections in all."""

    epoch: int
    batch: int
    total_steps: int


def place(state: State, settings: TrainSettings, epoch_steps: int) -> Place:
    """Where to go on: exactly where it was, or as far into the pass where shorter texts left fewer examples.

    Args:
        state: Of the checkpoint.
        settings: Of now.
        epoch_steps: Corrections of one pass, now.
    """
    if state.epoch_steps in (0, epoch_steps):
        return Place(state.epoch, state.batch, state.total_steps)
    batch = min(epoch_steps, round(state.batch / state.epoch_steps * epoch_steps))
    left = state.total_steps - state.step  # of a time box: it was measured
    if not state.boxed:
        left = max(0, planned_steps(settings, epoch_steps) - state.epoch * epoch_steps - batch)
    total = state.step + left
    return Place(state.epoch, batch, min(total, settings.max_steps) if settings.max_steps else total)
