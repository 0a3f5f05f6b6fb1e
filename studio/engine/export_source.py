"""What an export is made from: a run's adapter, and the base model that it was trained on, found and proved."""

from pathlib import Path

import msgspec

from studio.contract import job
from studio.contract.compatibility import export_problem
from studio.contract.control import Control, Emit, Going
from studio.contract.errors import StudioError
from studio.contract.event import Event
from studio.contract.events import Progress
from studio.contract.parity import Parity
from studio.contract.run_folder import RunFolder
from studio.data import base_identity, base_search
from studio.data.base_identity import BaseIdentity, recall
from studio.data.own_files import is_own
from studio.data.run_history import RunSummary, summarise
from studio.engine import export_folder, model_adding, model_files
from studio.engine.weights_file import Damaged, read_header

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def in_silence(event: Event) -> None:
    """For exports that nobody watches."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """How an export is made.

    Attributes:
        numbers: Key of the row's `numbers`; "": its first.
        check: Whether the written files are compared with the adapter (parity).
    """

    numbers: str = ""
    check: bool = True


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A run that has an adapter.

    Attributes:
        folder: Of the run.
        work: Its job.
        summary: What became of it.
    """

    folder: RunFolder
    work: job.TrainJob
    summary: RunSummary

    @property
    def adapter(self) -> Path:
        """Folder of what was learned."""
        return self.folder.adapter


class Watch(msgspec.Struct, frozen=True):
    """Who is told how far an export is, and who may end it."""

    emit: Emit = in_silence
    control: Control = msgspec.field(default_factory=Going)


def open_source(run: Path, form: str) -> Source:
    """Look at a run before it is exported.

    Args:
        run: Its folder.
        form: Key of EXPORTS.

    Raises:
        StudioError: It has no whole adapter, or its way of tuning does not go into this form.
    """
    folder = RunFolder(run)
    work = job.load(folder.job)
    if not isinstance(work, job.TrainJob):
        raise _no_adapter(folder, "The folder is no training run.")
    summary = summarise(folder)
    assert summary is not None, "the job was read before"
    if summary.state == "discarded":
        raise _no_adapter(folder, "It was thrown away.")
    for name in (CONFIG, WEIGHTS):
        if not (folder.adapter / name).is_file():
            raise _no_adapter(folder, f"Its adapter has no {name}; perhaps it has not ended yet.")
    try:
        read_header(folder.adapter / WEIGHTS)
    except Damaged as damage:
        raise StudioError.of(damage.problem) from damage
    problem = export_problem(form, work.settings.method)
    if problem is not None:
        raise StudioError.of(problem)
    return Source(folder=folder, work=work, summary=summary)


def find_base(source: Source) -> Path:
    """The folder of the very model that a run was trained on: where it was, or wherever the user has added it.

    Raises:
        StudioError: It is gone, or another model lies there.
    """
    identity = recall(source.folder)
    there = Path(source.work.model)
    if identity is None:
        if there.is_dir():
            return there
        raise _missing(source, None)
    place = base_search.find(identity, there)
    if place is not None:
        return place
    if there.is_dir():
        raise StudioError(
            "export.other_base",
            f"The folder of {source.work.model_name} holds another model than the adapter was trained on.",
            " ".join(base_identity.differences(there, identity)),
            f"Bring back {identity.name} as it was then: {base_search.ADD_IT}.",
            where=str(there),
        )
    raise _missing(source, identity)


def prove(source: Source, base: Path, watch: Watch) -> bool:
    """See that a base model is what it was when it was added: every byte of its weights and of its tokenizer.

    A run knows its base by the first bytes of each tensor, and a comparison with the adapter reads the same base: what
    was damaged behind them only the files' own SHA-256 tells.

    Returns:
        Whether that could be asked: not where no SHA-256 is noted.

    Raises:
        StudioError: A file is another one or cannot be read, or the user stopped the export.
    """
    noted = base_search.noted(base, recall(source.folder))
    mattering = {
        name: sha256 for name, sha256 in noted.items() if name.endswith(".safetensors") or name in model_files.BESIDE
    }
    if not mattering:
        return False
    done, total = 0, sum((base / name).stat().st_size for name in mattering if (base / name).is_file())

    def told(count: int) -> None:
        nonlocal done
        export_folder.require_going(watch.control)
        done += count
        watch.emit(Progress(stage="Comparing the base model's SHA-256", done=done, total=total, unit="bytes"))

    try:
        changed = model_adding.changed_files(base, mattering, told)
        there = (name for name in model_files.BESIDE if name not in noted and is_own(base / name))
        changed += [f"{name} was added since" for name in there]
    except OSError as error:
        changed = [f"{Path(error.filename or base).name} cannot be read ({error.strerror or error})"]
    if changed:
        raise StudioError(
            "export.base_changed",
            f"Nothing was exported: the base model {source.work.model_name} is not what it was when it was added.",
            f"{'; '.join(changed)}.",
            "Get the model again and put it there. If it was changed on purpose, and before the training, "
            f"{base_search.ADD_IT} again.",
            where=str(base),
        )
    return True


def with_base(found: Parity | None, noted: bool | None) -> Parity | None:
    """What was found, and whether the base was proved (`prove`); None: not asked, as it is no part of the files."""
    return msgspec.structs.replace(found, base_noted=noted) if found is not None else None


def _missing(source: Source, identity: BaseIdentity | None) -> StudioError:
    name, there = source.work.model_name, source.work.model
    mark = f", {base_search.mark(identity)}" if identity is not None else ""
    return StudioError(
        "export.base_missing",
        f"The base model {name} is gone; without it the adapter cannot be built into it.",
        f"It lay in {there}.",
        f"Bring back the model {name}{mark}: put it there again, or {base_search.ADD_IT}.",
        where=there,
    )


def _no_adapter(folder: RunFolder, why: str) -> StudioError:
    return StudioError(
        "export.no_adapter",
        f"The run {folder.id} has no adapter to export.",
        why,
        "Choose a run that was finished or stopped with saving.",
        where=folder.id,
    )
