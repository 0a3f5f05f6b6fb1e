"""What a word on the command line may mean: a model, a dataset, a run."""

import hashlib
import shlex
import shutil
from pathlib import Path

import msgspec

from studio.contract import events, job
from studio.contract.control import Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.run_folder import MARKER, RunFolder, datasets_folder, jobs_folder, runs_folder, starter_folder
from studio.contract.splits import Split
from studio.data import dataset, importing, known_mappings, model_library
from studio.data.guessing import guess
from studio.data.inspecting import look
from studio.data.made_from import origin_of
from studio.data.model_search import find_models, has_weights
from studio.data.own_files import is_own
from studio.data.part import Part
from studio.data.run_history import RunSummary, list_runs, summarise
from studio.data.source import KINDS


def find_model(word: str, beside: Path | None = None) -> Path:
    """The built-in model for the word starter, a model's folder, or that of an added model by its name.

    Raises:
        StudioError: There is none, several have the name, or its folder is not there now.
    """
    if word == "starter":
        return starter_folder()
    path = (beside or Path()) / Path(word).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix.lower() == ".gguf"):  # whose check says what it is
        return _snapshot(path) or path.resolve()
    known = added_model(word)
    if known is None:
        raise StudioError(
            "model.missing",
            f"There is no model folder {word}, and no model of that name was added.",
            fix="Give the folder that holds config.json, a name that `apprentice models list` shows, or 'starter' for "
            "the built-in model.",
        )
    if model_library.is_away(known):
        raise StudioError.of(msgspec.structs.replace(model_library.AWAY, where=known.name))
    return Path(known.path)


def _snapshot(folder: Path) -> Path | None:
    """Of a model in the Hugging Face cache (`models--maker--name`) the current snapshot, or the only one."""
    if (folder / "config.json").exists() or not (folder / "snapshots").is_dir():
        return None
    found = find_models(folder)
    found = [path for path in found if has_weights(path)] or found  # those that are half there hide none
    return found[0].resolve() if len(found) == 1 else None


def added_model(word: str) -> events.ModelChecked | None:
    """A model of the list by its folder or name; it may be away.

    Raises:
        StudioError: Several have the name; which is meant must be said by its folder.
    """
    models = all_models()
    path = str(starter_folder() if word == "starter" else Path(word).expanduser().resolve())
    found = [model for model in models if model.path == path] or [model for model in models if model.name == word]
    if len(found) > 1:
        raise StudioError(
            "model.several",
            f"{len(found)} models are named {word}.",
            f"They lie in {', '.join(model.path for model in found)}.",
            "Give one of these folders instead of the name.",
        )
    return found[0] if found else None


def all_models() -> list[events.ModelChecked]:
    """Those that were added, and the built-in one, which is always there."""
    known = model_library.list_models()
    if any(Path(model.path) == starter_folder() for model in known):
        return known
    from studio.engine import model_folder

    return [model_folder.check(starter_folder()), *known]


def _in_silence(event: events.Event) -> None:
    """For jobs so short that nobody needs to see them go on."""


def find_dataset(
    word: str, held_back: str = "", beside: Path | None = None, show: Emit = _in_silence
) -> dataset.DatasetInfo:
    """A file, which is imported first (once, as long as it stays the same), or an imported dataset by id or name.

    Raises:
        StudioError: There is neither, or the file cannot be imported.
    """
    path = (beside or Path()) / Path(word).expanduser()
    known = dataset.list_datasets()
    if path.exists() and not held_back:
        same = next((info for info in known if _is_as_it_lies(info, path.resolve())), None)
        if same is not None:
            return _with_choice_told(same, show)
    elif not held_back and (named := _named(word, known)) is not None:
        return named
    if not path.exists():
        raise StudioError(
            "data.missing",
            f"There is no file and no imported dataset {word}.",
            fix=f"Give a {KINDS} file, or a name that `apprentice data list` shows.",
        )
    test = str(((beside or Path()) / Path(held_back).expanduser()).resolve()) if held_back else ""
    imported = import_file(path.resolve(), name=path.name, held_back=test, show=show)
    kept = Problem(
        code="data.copy_kept",
        what=f"Its rows are kept as the dataset {imported.name}.",
        fix=f"`apprentice data delete {shlex.quote(imported.name)} --for-good` takes that copy away.",
    )
    show(events.Notice(problem=kept))
    return _with_choice_told(dataset.open_dataset(Path(imported.folder)).info, show)


def find_imported(word: str) -> dataset.DatasetInfo:
    """An imported dataset by id or name, whatever files lie around.

    Raises:
        StudioError: There is none, or several have the name.
    """
    named = _named(word, dataset.list_datasets())
    if named is None:
        raise StudioError(
            "data.missing",
            f"There is no imported dataset {word}.",
            fix="Give a name that `apprentice data list` shows, or import the file first (`apprentice data import`).",
        )
    return named


def is_imported(word: str) -> bool:
    """Whether there is an imported dataset of this id or name, or several of this name."""
    return any(word in (info.id, info.name) for info in dataset.list_datasets())


def _named(word: str, known: list[dataset.DatasetInfo]) -> dataset.DatasetInfo | None:
    found = [info for info in known if info.id == word] or [info for info in known if info.name == word]
    if len(found) > 1:
        raise StudioError(
            "data.ambiguous",
            f"{len(found)} datasets are named {word}.",
            f"They are {', '.join(info.id for info in found)}.",
            "Give one of these instead of the name.",
        )
    return found[0] if found else None


def _with_choice_told(info: dataset.DatasetInfo, show: Emit) -> dataset.DatasetInfo:
    """The dataset; whoever named a file is told where its columns were once chosen otherwise than by guess."""
    known = known_mappings.recall(info.columns)
    if known is not None and known.same_columns(info.mapping):
        choice = Problem(
            code="data.choice_used",
            what=known.reason,
            fix="To choose others, import the file with their names (`apprentice data import --help`).",
        )
        show(events.Notice(problem=choice))
    return info


def _is_as_it_lies(info: dataset.DatasetInfo, path: Path) -> bool:
    """Whether the dataset is what an import of this file would give now: nothing left out, changed or chosen since."""
    if not _holds(info, path) or info.split != Split() or info.sources[0].written not in (0, info.usable):
        return False
    made = origin_of(info)
    plain = job.ImportJob(source="", destination="", name="")
    if made is not None and any(getattr(made.job, name) != getattr(plain, name) for name in _CHANGES_ROWS):
        return False
    try:
        seen = look(Part(path=path))
        wanted = known_mappings.recall(info.columns)
        if wanted is None and set(info.columns).difference(seen.columns):  # some begin further down: that was a guess
            origin = origin_of(info)
            wanted = info.mapping if origin is not None and origin.job.mapping is None else None
        wanted = wanted or guess(seen.columns, seen.rows)
        return wanted.same_columns(info.mapping) and not dataset.open_dataset(Path(info.folder)).edits
    except StudioError:
        return False


_CHANGES_ROWS = ("held_back", "more", "reading", "weights", "group", "time", "mend_turns")
"""What an import may be asked for so that its rows are others than the file's own; columns are compared apart."""


def _holds(info: dataset.DatasetInfo, path: Path) -> bool:
    """Whether the dataset is this file alone, as it is now."""
    if path.is_dir() or [source.path for source in info.sources] != [str(path)]:
        return False
    if info.sources[0].size_bytes != path.stat().st_size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == info.sources[0].sha256


def import_file(
    path: Path,
    name: str,
    held_back: str = "",
    mapping: job.Mapping | None = None,
    id: str = "",
    skip_damaged: bool = False,
    show: Emit = _in_silence,
) -> events.Imported:
    """Import a file in this process.

    Raises:
        StudioError: The file is not what it should be.
    """
    from studio.contract.control import Going

    destination = datasets_folder() / id if id else new_dataset_folder()
    work = job.ImportJob(
        source=str(path),
        destination=str(destination),
        name=name,
        mapping=mapping,
        held_back=held_back,
        skip_damaged=skip_damaged,
    )
    return importing.import_dataset(work, show, Going())


def new_dataset_folder() -> Path:
    """Where a new dataset will lie; the import makes it."""
    return datasets_folder() / RunFolder.create(jobs_folder(), "data").id


def find_run(word: str) -> RunSummary:
    """A run by id, name or folder.

    Raises:
        StudioError: There is no such run, several have the name, or its settings cannot be read.
    """
    named = _run_named(word)
    if named is not None:
        if named.problem is not None:
            raise StudioError.of(named.problem)
        return named
    folder = Path(word).expanduser()
    found = summarise(RunFolder(folder.resolve())) if (folder / MARKER).is_file() else None
    if found is None:
        raise _no_run(word)
    return found


def find_listed(word: str) -> RunSummary:
    """A run by id or name, also one whose settings cannot be read.

    Raises:
        StudioError: There is no such run, or several have the name.
    """
    found = _run_named(word)
    if found is None:
        raise _no_run(word)
    return found


def _run_named(word: str) -> RunSummary | None:
    runs = list_runs()
    found = [one for one in runs if one.id == word] or [one for one in runs if one.job.name == word]
    if len(found) > 1:
        raise StudioError(
            "run.several",
            f"{len(found)} runs are called {word}.",
            f"They are, the newest first: {', '.join(one.id for one in found)}.",
            "Give one of these instead of the name.",
        )
    return found[0] if found else None


def _no_run(word: str) -> StudioError:
    return StudioError("run.missing", f"There is no run {word}.", fix="`apprentice runs list` shows all of them.")


def find_trained(word: str) -> RunSummary:
    """A run that has an adapter, by id, name or folder.

    Raises:
        StudioError: There is no such run, or it has none.
    """
    found = find_run(word)
    if not found.has_adapter:
        raise StudioError(
            "run.no_adapter",
            f"The run {found.job.name} has no adapter to go on from.",
            "It was thrown away, or has not ended yet.",
            "Choose a run that was finished or stopped with saving; `apprentice runs list` shows all of them.",
        )
    return found


def new_run() -> RunFolder:
    """A folder for a new training run."""
    return RunFolder.create(runs_folder(), "run")


def drop_run(folder: RunFolder) -> None:
    """Take away a run that never began, with its number; where that fails it stays and says that it failed."""
    if dataset.bears_marker(folder.path):
        shutil.rmtree(folder.path, ignore_errors=True)


def next_run_name() -> str:
    """Such as run-12: one more than the highest number in use."""
    taken = [summary.job.name.removeprefix("run-") for summary in list_runs()]
    return f"run-{1 + max((int(name) for name in taken if name.isdecimal()), default=0)}"


def beside_model(model: Path, name: str) -> str:
    """A file that a model folder brings (general.jsonl, probes.jsonl), or ""."""
    return str(model / name) if is_own(model / name) else ""
