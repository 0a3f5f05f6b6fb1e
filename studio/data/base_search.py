"""Where the very model lies that a run was trained on: where it was, or wherever the user has added it by now."""

from pathlib import Path

import msgspec

from studio.contract import events, job
from studio.contract.control import Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.run_folder import RunFolder, starter_folder
from studio.data.base_identity import BaseIdentity, differences, recall
from studio.data.model_library import list_models

ADD_IT = "add its folder on the Models page (or by `apprentice models add FOLDER`)"
"""What to do with a model that lies elsewhere now: window and command line tell of it in the same words."""

SUMS = "SHA256SUMS"
"""What `packaging/starter/build.py` notes beside the built-in model."""


def find(identity: BaseIdentity, there: Path) -> Path | None:
    """The folder of a model, known by what it holds and not by its name; None where it is nowhere.

    Args:
        identity: Of the model.
        there: Where to look first.
    """
    places = dict.fromkeys([there, *(Path(model.path) for model in list_models()), starter_folder()])
    return next((place for place in places if place.is_dir() and not differences(place, identity)), None)


def noted(place: Path, identity: BaseIdentity | None = None) -> dict[str, str]:
    """The SHA-256 of a model's files by their names, as they were when it was added, or when the built-in one was made.

    Empty where none was noted, as of a model that was named by its folder alone, or where that was another model:
    what lies in the folder now was put there since.

    Args:
        place: The model's folder.
        identity: The model that is meant, where it is known.
    """
    there = place.resolve()
    if there == starter_folder().resolve():
        lines = (there / SUMS).read_text(encoding="utf-8").splitlines() if (there / SUMS).is_file() else []
        return {name: sha256 for sha256, name in (line.split(maxsplit=1) for line in lines)}
    known = next((known for known in list_models() if Path(known.path).resolve() == there), None)
    if known is None or (identity is not None and known.fingerprint not in ("", identity.sha256)):
        return {}
    return known.sha256


def mark(identity: BaseIdentity) -> str:
    """By what a person finds a model again, to follow its name.

    The SHA-256 of its weights is what a model's page and other programs tell; where none was noted there is the
    fingerprint, which `apprentice models check` shows of any folder.
    """
    known = next((model for model in list_models() if model.fingerprint == identity.sha256), None)
    weights = sorted(name for name in known.sha256 if name.endswith(".safetensors")) if known is not None else []
    if known is None or not weights:
        return f"fingerprint {identity.sha256[:16]}… (`apprentice models check FOLDER` shows it)"
    return f"whose {weights[0]} has the SHA-256 {known.sha256[weights[0]]}"


def follow(work: job.TrainJob, folder: RunFolder, emit: Emit) -> job.TrainJob:
    """The job of a run that goes on, with its base model where that lies now.

    A model that moved is written into the run's job.json, and told. Runs of before there was base.json are given back
    as they are.

    Args:
        work: The run's job.
        folder: Of the run.
        emit: Is told of a model that moved.

    Raises:
        StudioError: The model is gone, or was changed; the run stays as it is.
        OSError: The job cannot be written.
    """
    identity, there = recall(folder), Path(work.model)
    if identity is None:
        return work
    here = find(identity, there)
    if here is None:
        raise _changed(work, identity) if there.is_dir() else _gone(work, identity)
    if here == there:
        return work
    moved = _moved(work, there, here)
    if folder.job.is_file():
        kept = job.load(folder.job)  # what the window may have changed meanwhile, such as the run's name, stays
        if isinstance(kept, job.TrainJob):
            job.save(_moved(kept, there, here), folder.job)
    told = Problem(
        code="train.base_moved",
        what=f"The model {work.model_name} lies elsewhere now; the run goes on with it there.",
        why="It is the very model that the run was trained on: its weights and its config.json are the same.",
        where=str(here),
    )
    emit(events.Notice(problem=told))
    return moved


def _moved(work: job.TrainJob, there: Path, here: Path) -> job.TrainJob:
    """The job with the model's new place, also for rows and questions that the model's folder brought."""

    def place(path: str) -> str:
        if not path or Path(path).is_file() or Path(path).parent != there:
            return path
        return str(here / Path(path).name)

    return msgspec.structs.replace(work, model=str(here), general=place(work.general), probes=place(work.probes))


def _changed(work: job.TrainJob, identity: BaseIdentity) -> StudioError:
    return StudioError(
        "train.other_base",
        f"The run cannot go on: the folder of {work.model_name} holds another model than it was trained on.",
        " ".join(differences(Path(work.model), identity)),
        f"Bring back the model {identity.name} as it was then: put it there again, or {ADD_IT}. "
        "What the run has learned stays as it is until then.",
        where=work.model,
    )


def _gone(work: job.TrainJob, identity: BaseIdentity) -> StudioError:
    return StudioError(
        "train.base_missing",
        f"The run cannot go on: the model {work.model_name} is gone.",
        f"It lay in {work.model}, and no model that was added is the same.",
        f"Bring back the model {identity.name}, {mark(identity)}: put it there again, or {ADD_IT}. "
        "What the run has learned stays as it is until then.",
        where=work.model,
    )
