"""The commands about models: list, add, check, remove."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec

from studio.cli import output, places
from studio.contract.control import Emit, Going
from studio.contract.errors import SeveralProblems, StudioError
from studio.contract.events import Event, ModelChecked, Progress
from studio.contract.job import AddModelJob
from studio.contract.memory_plan import Machine
from studio.contract.run_folder import starter_folder
from studio.data import model_library
from studio.data.host_memory import host_memory
from studio.data.model_fit import fit_of
from studio.data.model_search import MOST_UNASKED, find_models, holds_parts, hugging_face_cache

FITS = {"fits": "fits", "tight": "fits barely", "too_large": "does not fit"}


def models_list(arguments: argparse.Namespace) -> int:
    """Every model that was added, with its sizes and whether it fits."""
    damaged = model_library.mend()
    if damaged is not None:
        print(damaged.sentence(), file=sys.stderr)
    machine = _machine()
    rows = [_row(model, machine) for model in places.all_models()]
    if arguments.json:
        output.print_json({"models": rows})
        return 0
    for row in rows:
        state = "" if row["usable"] else "  NOT USABLE"
        output.say(
            f"{row['name']}  {row['parameters'] / 1e6:,.1f} million  {row['architecture']}{state}  {row['path']}"
        )
        _say_fit(row)
        for problem in row["problems"]:
            output.say(f"  {problem}")
    if len(rows) == 1:
        output.say("That is the built-in one, by the word starter. Others: `apprentice models add FOLDER`.")
    return 0


def models_add(arguments: argparse.Namespace) -> int:
    """Add the models of a folder, or of the Hugging Face cache.

    Raises:
        StudioError: There is none, or one of them cannot be used or copied.
    """
    if bool(arguments.place) == arguments.cache:
        raise StudioError("model.which", "It is not clear where to look.", fix="Name a folder, or give --cache.")
    place = hugging_face_cache() if arguments.cache else Path(arguments.place).expanduser().resolve()
    found = find_models(place) if place.is_dir() else []
    if not found:
        _require_no_likeness(place)
        raise StudioError(
            "model.none_there",
            f"There is no model in {place}.",
            "A model is a folder with a config.json, safetensors files and a tokenizer.",
            "Name the folder that holds it.",
        )
    if arguments.dry_run:
        return _say_what_is_there(found, arguments.json)
    if len(found) > MOST_UNASKED and not arguments.all:
        raise StudioError(
            "model.many",
            f"There are {len(found)} models in {place}; none was added.",
            f"They are {', '.join(str(path.relative_to(place)) for path in found[:MOST_UNASKED])} and others.",
            "Name the folder of one, or give --all for all of them; --dry-run lists them.",
        )
    from studio.engine import model_adding, model_folder

    added = []
    for path in found:
        with output.Reporter(arguments.json) as reporter:
            show = _naming(model_folder.model_name(path), reporter.show) if len(found) > 1 else reporter.show
            checked = model_adding.add(AddModelJob(path=str(path), copy=arguments.copy), show, Going())
        if len(found) == 1 and not checked.usable:
            raise SeveralProblems(checked.problems)
        if checked.usable:
            checked = model_library.put_model(checked)
        added.append(checked)
    usable = sum(model.usable for model in added)
    code = 0 if usable else 2
    if arguments.json:
        machine = _machine()
        output.print_json({"models": [_row(model, machine) for model in added]})
        return code
    for model in added:
        told = f"{len(model.sha256)} files, {model.file_bytes / 1e6:.1f} MB"
        if not model.usable:
            told = f"left out: {' '.join(problem.what for problem in model.problems)}"
        output.say(f"{model.name}  {told}  {model.path}")
    if len(added) > 1:
        output.say(f"{usable} added, {len(added) - usable} left out")
    return code


def _say_what_is_there(found: list[Path], as_json: bool) -> int:
    """Each model folder, and what at the first look forbids its use."""
    from studio.engine import model_folder

    rows = [(str(path), model_folder.first_look(path)) for path in found]
    if as_json:
        told = [{"path": path, "problem": msgspec.to_builtins(problem)} for path, problem in rows]
        output.print_json({"models": told})
        return 0
    for path, problem in rows:
        output.say(path if problem is None else f"{path}  cannot be used: {problem.what}")
    return 0


def _naming(name: str, show: Emit) -> Emit:
    """The same with the model's name before how far it is: one of several."""

    def named(event: Event) -> None:
        if isinstance(event, Progress):
            event = msgspec.structs.replace(event, stage=f"{name}: {event.stage}")
        show(event)

    return named


def _require_no_likeness(place: Path) -> None:
    """Say of what is no model folder and looks like one (a GGUF file, an adapter, one without config.json) what it is.

    Raises:
        StudioError: It looks like one.
    """
    from studio.engine import model_folder

    problem = next(iter(model_folder.check(place).problems), None)
    if problem is None or problem.code == "model.no_folder":
        return
    if problem.code != "model.no_config" or holds_parts(place):
        raise StudioError.of(problem)


def models_check(arguments: argparse.Namespace) -> int:
    """Look at a model folder: what it is, and every problem found.

    Raises:
        StudioError: There is no such folder, it cannot be used, or (with --files) files were changed since.
    """
    from studio.engine import fingerprint, model_adding, model_folder

    path = places.find_model(arguments.model)
    known = places.added_model(str(path))
    checked = model_folder.check(path)
    if checked.usable:
        checked = msgspec.structs.replace(checked, fingerprint=fingerprint.of(path))
    changed = model_adding.changed_files(path, known.sha256) if known and arguments.files else []
    if arguments.json:
        output.print_json(msgspec.to_builtins(checked) | {"changed_files": changed})
        return 0 if checked.usable and not changed else 2
    if not checked.usable:
        raise SeveralProblems(checked.problems)
    if changed:
        raise StudioError(
            "model.changed",
            f"The files of {checked.name} are not what they were when it was added.",
            f"{'; '.join(changed)}.",
            "Get the model again, or add it again if the change was meant.",
        )
    if arguments.files and (known is None or not known.sha256):
        raise StudioError(
            "model.not_hashed",
            f"It is not known what the files of {checked.name} were.",
            "Files are read and noted when a model is added.",
            "Add it: `apprentice models add FOLDER`.",
        )
    output.say(f"{checked.name}: {checked.architecture}, {checked.parameters / 1e6:.1f} million parameters")
    output.say(
        f"Weights {checked.file_bytes / 1e6:.1f} MB, longest text {checked.context} tokens, "
        f"{f'licence {checked.licence}' if checked.licence else 'licence not stated'}, "
        f"{'has a chat template' if checked.has_template else 'no chat template'}"
    )
    output.say(f"Fingerprint {checked.fingerprint}")
    _say_fit(_row(checked, _machine()))
    if arguments.files and known is not None:
        output.say(f"All {len(known.sha256)} files are as they were when it was added.")
    for warning in checked.warnings:
        output.say(warning.sentence().replace("\n", " "))
    return 0


def models_remove(arguments: argparse.Namespace) -> int:
    """Take a model off the list; a copy of ours is deleted only where that is wished.

    Raises:
        StudioError: No such model was added.
    """
    known = places.added_model(arguments.model)
    if known is None:
        raise StudioError(
            "model.not_added",
            f"No model named {arguments.model} was added.",
            fix="`apprentice models list` shows those that were.",
        )
    if Path(known.path) == starter_folder():
        raise StudioError(
            "model.built_in",
            "The built-in model cannot be taken off the list.",
            "It is part of the program.",
            "Name one that was added; `apprentice models list` shows them.",
        )
    model_library.remove_model(known.path)
    deleted = False
    if known.copied and model_library.is_our_copy(Path(known.path)) and arguments.delete_copy:
        shutil.rmtree(known.path)
        deleted = True
    if arguments.json:
        output.print_json({"removed": known.name, "path": known.path, "deleted": deleted})
    else:
        left = "deleted" if deleted else "not there now:" if model_library.is_away(known) else "still in"
        why = " (they are yours: only copies that the program made are deleted)"
        kept = why if arguments.delete_copy and left == "still in" else ""
        output.say(f"{known.name} is off the list; its files are {left} {known.path}{kept}")
    return 0


def _say_fit(row: dict[str, Any]) -> None:
    for use in ("chat", "training"):
        if row[use] is not None:
            output.say(f"  {use}: {FITS[row[use]['how']]}, about {row[use]['needed_bytes'] / 2**30:.1f} GB")


def _machine() -> Machine:
    """The processor's memory: what a graphics card has only the worker's device report knows."""
    from studio.engine import device

    gpu = next((gpu for gpu in device.report().gpus if gpu.device), None)
    if gpu is not None:
        return Machine(
            device=gpu.device, total_bytes=gpu.memory_bytes, free_bytes=gpu.free_bytes, has_bf16=gpu.has_bf16
        )
    total, free = host_memory()
    return Machine(device="cpu", total_bytes=total, free_bytes=free)


def _row(model: ModelChecked, machine: Machine) -> dict[str, Any]:
    fit = fit_of(Path(model.path), machine) if model.usable else None
    return {
        "name": model.name,
        "path": model.path,
        "usable": model.usable,
        "away": model_library.is_away(model),
        "architecture": model.architecture,
        "parameters": model.parameters,
        "file_bytes": model.file_bytes,
        "context": model.context,
        "licence": model.licence,
        "has_template": model.has_template,
        "copied": model.copied,
        "sha256": model.sha256,
        "problems": [problem.sentence().replace("\n", " ") for problem in model.problems],
        "chat": msgspec.to_builtins(fit.chat) if fit else None,
        "training": msgspec.to_builtins(fit.training) if fit else None,
    }
