"""`apprentice data`: inspect, import, list and export datasets, as the window's Data page does."""

import argparse
import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from studio.cli import output, places
from studio.contract import events, job
from studio.contract.control import Going
from studio.contract.errors import StudioError
from studio.contract.fields import build
from studio.contract.run_folder import RunFolder, jobs_folder
from studio.contract.settings import TrainSettings
from studio.data import dataset, importing
from studio.data.edits import rows_kept
from studio.data.holding_back import seed_that_holds_back
from studio.data.row_split import RowSplit, change_split
from studio.data.wording import count
from studio.data.worker_lock import write_lock


def data_import(arguments: argparse.Namespace) -> int:
    """Import files as a dataset.

    Raises:
        StudioError: A file is not what it should be.
    """
    _check_given(arguments.to, "a dataset needs a name", "the file's name is taken then")
    folder = places.new_dataset_folder()
    imported = _do(_import_job(arguments, folder, arguments.to or Path(arguments.file).name), arguments)
    info = dataset.read_info(folder)
    if arguments.seed:
        info = change_split(info, msgspec.structs.replace(info.split, seed=arguments.seed), as_imported=True)
    told = _split_told(info, info.split.share)
    if arguments.json:
        counted = {"held_back_rows": told["held_back_rows"], "split": told}
        output.print_json(msgspec.to_builtins(imported) | counted)
        return 0
    _say(imported)
    _say_split(told, f"data split {shlex.quote(imported.name)}")
    output.say(f"Dataset {Path(imported.folder).name}, named {imported.name}.")
    return 0


def data_inspect(arguments: argparse.Namespace) -> int:
    """What a file holds and how it would be read; nothing is kept.

    Raises:
        StudioError: The file is not what it should be.
    """
    with _passing_folder() as folder:
        work = _import_job(arguments, folder, Path(arguments.file).name)
        imported = _do(msgspec.structs.replace(work, remember=False), arguments)
        info = dataset.read_info(folder)
        told = _split_told(info, info.split.share)
    if arguments.json:
        output.print_json(
            {
                "rows": imported.rows,
                "usable": imported.usable,
                "held_back_rows": told["held_back_rows"],
                "shape": imported.mapping.kind,
                "mapping": imported.mapping,
                "columns": info.columns,
                "files": info.sources,
                "problems": imported.problems,
                "split": told,
            }
        )
        return 0
    for file in info.sources:
        output.say(f"{file.name}: {file.format}, {file.encoding or 'a table'}, {file.size_bytes / 1e6:.1f} MB")
    output.say(f"Shape: {imported.mapping.kind.replace('_', ' and ')}")
    _say(imported)
    _say_split(told, f"data import {shlex.quote(arguments.file)}")
    return 0


def data_split(arguments: argparse.Namespace) -> int:
    """How a dataset's rows are split into those to learn from and those held back; another seed holds back others.

    Raises:
        StudioError: There is no such dataset, or its split asks for no seed.
    """
    info = places.find_imported(arguments.data)
    if arguments.seed is not None:
        if arguments.seed < 0:
            raise StudioError("data.seed", f"A seed of {arguments.seed} is none.", fix="Choose 0 or more.")
        if info.split.by == "time" or info.held_back_rows:
            raise StudioError(
                "data.no_seed",
                "Which rows are held back is no matter of chance here.",
                "They are the newest ones." if info.split.by == "time" else "The dataset brings its own test rows.",
                "Leave the seed out.",
            )
        info = change_split(info, msgspec.structs.replace(info.split, seed=arguments.seed))
    share = TrainSettings().held_back_share
    if arguments.held_back_share is not None:
        share = build(TrainSettings, {"held_back_share": arguments.held_back_share}).held_back_share
    told = _split_told(info, share)
    if arguments.json:
        output.print_json(told)
    else:
        _say_split(told, f"data split {shlex.quote(arguments.data)}")
    return 0


def _split_told(info: dataset.DatasetInfo, share: float) -> dict[str, Any]:
    train, held_back = RowSplit(Path(info.folder)).counts(share)
    split = info.split
    own = {"by": "own test rows"} if info.held_back_rows else {"by": split.by, "column": split.column}
    chance = {} if info.held_back_rows or split.by == "time" else {"seed": split.seed}
    other = seed_that_holds_back(dataset.open_dataset(Path(info.folder)), share) if share and not held_back else None
    way_on = {"seed_that_holds_back": other[0], "it_holds_back": other[1]} if other is not None else {}
    return {**own, **chance, "share": share, "train_rows": train, "held_back_rows": held_back, **way_on}


def _say_split(told: dict[str, Any], command: str) -> None:
    ways = {
        "hash": "by chance",
        "group": f"all rows of some groups ({told.get('column')})",
        "time": f"the newest by {told.get('column')}",
        "own test rows": "its own test rows",
    }
    seed = f", seed {told['seed']}" if "seed" in told else ""
    rows = told["train_rows"] + told["held_back_rows"]
    none = ""
    if not told["held_back_rows"]:
        none = " Nothing would show whether the model learns or only repeats."
        if "seed_that_holds_back" in told:
            seed_words = f"--seed {told['seed_that_holds_back']}"
            none += f" `apprentice {command} {seed_words}` holds {count(told['it_holds_back'], 'row')} back."
    output.say(f"{told['held_back_rows']} of {rows} rows held back for testing: {ways[told['by']]}{seed}.{none}")


def data_list(arguments: argparse.Namespace) -> int:
    """All imported datasets."""
    found = dataset.list_datasets()
    if arguments.json:
        output.print_json(found)
    elif not found:
        output.say("No dataset was imported yet. `apprentice data import FILE` imports one.")
    for info in [] if arguments.json else found:
        kept = rows_kept(Path(info.folder), info.usable)
        output.say(f"{info.id}  {info.name}  {kept} of {info.rows} rows usable")
    return 0


def data_delete(arguments: argparse.Namespace) -> int:
    """Delete an imported copy where that is wanted; the file that it was made from stays.

    Raises:
        StudioError: There is no such dataset, or the system refuses.
    """
    info = places.find_imported(arguments.data)
    if arguments.for_good:
        dataset.delete(info)
    if arguments.json:
        output.print_json({"name": info.name, "folder": info.folder, "deleted": arguments.for_good})
    elif arguments.for_good:
        output.say(f"Deleted {info.name}. The original file stays.")
    else:
        kept = rows_kept(Path(info.folder), info.usable)
        output.say(f"{info.name} has {kept:,} usable rows. --for-good deletes this copy, with all its edits.")
    return 0


def data_restore(arguments: argparse.Namespace) -> int:
    """Take all changes of a dataset back: rows left out, texts rewritten, others held back by another seed.

    Raises:
        StudioError: There is no such dataset, or its changes cannot be read or written.
    """
    from studio.data.edits import EditLog, Include

    info = places.find_imported(arguments.data)
    opened = dataset.open_dataset(Path(info.folder))
    log = EditLog(Path(info.folder), opened.table.num_rows)
    other_seed = info.split.seed != info.imported_seed
    told: dict[str, Any] = {"taken_in": len(log.edits.excluded), "texts_restored": len(log.edits.texts)}
    told["seed_restored"] = info.imported_seed if other_seed else None
    if log.edits.texts:
        log.apply(log.edits.as_imported(tuple(log.edits.texts)))
    if log.edits.excluded:
        log.apply(Include(tuple(sorted(log.edits.excluded))))
    if other_seed:
        change_split(info, msgspec.structs.replace(info.split, seed=info.imported_seed))
    if arguments.json:
        output.print_json(told)
    else:
        if not (told["taken_in"] or told["texts_restored"] or other_seed):
            output.say(f"Nothing was changed in {info.name}: its rows are as they were imported.")
            return 0
        taken_in, restored = count(told["taken_in"], "row"), count(told["texts_restored"], "row")
        done = [f"{taken_in} taken in again"] * bool(told["taken_in"])
        done += [f"texts of {restored} as imported"] * bool(told["texts_restored"])
        done += [f"rows held back as imported (seed {info.imported_seed})"] * other_seed
        output.say(f"{', '.join(done)}.".capitalize())
    return 0


def data_export(arguments: argparse.Namespace) -> int:
    """Write a dataset's rows, as they read now, to a JSONL file.

    Raises:
        StudioError: There is no such dataset, or the file cannot be written.
    """
    from studio.data.exporting_rows import export

    _check_given(arguments.to, "a file needs a name", "the dataset's name is taken then")
    with output.Reporter(arguments.json) as reporter:
        info = places.find_dataset(arguments.data, show=reporter.show)
    path = Path(arguments.to or f"{info.name.rsplit('.', 1)[0]}.jsonl").expanduser()
    if path.exists() and not arguments.replace:
        raise StudioError("data.export_exists", f"There is a file {path} already.", fix="Choose another, or --replace.")
    rows = export(dataset.open_dataset(Path(info.folder)), path)
    if arguments.json:
        output.print_json({"rows": rows, "path": str(path.resolve())})
    else:
        output.say(f"{rows} rows: {path}")
    return 0


def _check_given(name: str | None, why: str, otherwise: str) -> None:
    if name is not None and not name.strip():
        raise StudioError("data.no_name", f"After --to stands nothing, and {why}.", fix=f"Leave --to out: {otherwise}.")


def _do(work: job.ImportJob, arguments: argparse.Namespace) -> events.Imported:
    with output.Reporter(arguments.json) as reporter:
        return importing.import_dataset(work, reporter.show, Going())


def _say(imported: events.Imported) -> None:
    output.say(f"{imported.rows} rows, {imported.usable} usable. {imported.mapping.reason}")
    for problem in imported.problems:
        output.say(f"{problem.sentence()} {output.hint(problem)}".rstrip().replace("\n", " "))


def _import_job(arguments: argparse.Namespace, destination: Path, name: str) -> job.ImportJob:
    try:
        weights = tuple(float(weight) for weight in arguments.weight)
    except ValueError as error:
        raise StudioError("data.weights", "A weight is no number.", fix="Give one --weight NUMBER a file.") from error
    if arguments.group and arguments.time:
        raise StudioError(
            "data.two_splits",
            "Rows can be split by group or by time, not by both.",
            fix="Choose one of the two columns.",
        )
    if arguments.held_back and (arguments.group or arguments.time):
        raise StudioError(
            "data.two_splits",
            "The rows of an own test file are the ones held back; a column has no part in it.",
            fix="Leave out --held-back, or --group and --time.",
        )
    return job.ImportJob(
        source=_path(arguments.file),
        destination=str(destination),
        name=name,
        mapping=_mapping(arguments),
        held_back=_path(arguments.held_back) if arguments.held_back else "",
        skip_damaged=arguments.skip_damaged,
        more=tuple(_path(file) for file in arguments.more),
        reading=job.Reading(
            sheet=arguments.sheet,
            documents=arguments.documents,
            first_line=arguments.first_line,
            split=arguments.split,
        ),
        weights=weights,
        group=arguments.group,
        time=arguments.time,
        mend_turns=arguments.mend_turns,
    )


def _mapping(arguments: argparse.Namespace) -> job.Mapping | None:
    chosen = {name: getattr(arguments, name) or "" for name in job.COLUMN_FIELDS}
    if not (arguments.shape or any(chosen.values())):
        return None
    shape: job.Shape = "prompt_completion"
    for column, meant in (("messages", "chat"), ("label", "label"), ("rejected", "preference"), ("text", "text")):
        if chosen[column]:
            shape = meant  # type: ignore[assignment]
    return job.Mapping(shape=arguments.shape or shape, **chosen)


def _path(word: str) -> str:
    path = Path(word).expanduser()
    if not path.exists():
        raise StudioError("data.missing", f"There is no file {word}.", fix="Check the path.")
    return str(path.resolve())


@contextmanager
def _passing_folder() -> Iterator[Path]:
    """A dataset folder that is gone afterwards; its lock tells a window that opens meanwhile to leave it alone."""
    parent = RunFolder.create(jobs_folder(), "inspect")
    write_lock(parent, os.getpid())
    try:
        yield parent.path / "dataset"
    finally:
        shutil.rmtree(parent.path, ignore_errors=True)
