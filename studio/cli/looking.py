"""The commands that look: preview, runs and doctor."""

import argparse
from pathlib import Path
from typing import Any

import msgspec

from studio.cli import output, places, row_numbers
from studio.cli.options import settings_from
from studio.contract import events, job
from studio.contract.errors import Problem, StudioError, agreeing
from studio.contract.fields import fields, flatten
from studio.contract.plain_text import one_line
from studio.contract.run_folder import RunFolder
from studio.data import adapter_choice, dataset, support_report
from studio.data.compared import compared
from studio.data.run_history import RunSummary, delete_for_good, list_runs, rename, require_deletable
from studio.data.run_label import Label, write_label
from studio.data.run_room import clean, size_of, spare

_MOST_SHOWN = 20_000
"""Characters of a row; a terminal is no place for a book."""


def preview(arguments: argparse.Namespace) -> int:
    """One row as the model sees it, by the trainer's own labels.

    Raises:
        StudioError: No such row, or model or data cannot be read.
    """
    settings = settings_from(arguments)
    model = places.find_model(arguments.model)
    with output.Reporter(arguments.json) as reporter:
        info = places.find_dataset(arguments.data, show=reporter.show)
    from studio.engine import model_folder
    from studio.worker.preview import RowReader

    model_folder.require_usable(model)
    opened = dataset.open_dataset(Path(info.folder))
    work = job.PreviewJob(dataset=str(info.folder), model=str(model), settings=settings)
    rows = RowReader(work, opened).read((row_numbers.stored_row(opened, arguments.row),))
    if not rows:
        raise row_numbers.no_row(opened, arguments.row)
    if arguments.json:
        # Counted from 1, as it was asked for.
        told = msgspec.to_builtins(msgspec.structs.replace(rows[0], row=arguments.row))
        refused = compared(info)
        output.print_json(told | ({"refused": msgspec.to_builtins(refused)} if refused is not None else {}))
    else:
        _say_masked(rows[0], compared(info))
    return 0


def _say_masked(row: events.MaskedRow, refused: Problem | None) -> None:
    """Learned text stands between ⟦ and ⟧, so that it can be read without colour."""
    text, learning, is_out = [], False, row.fate in ("left_out", "nothing_to_learn") or row.excluded
    for piece, is_learned in zip(row.pieces, row.learned, strict=True):
        learned = is_learned and not is_out
        if learned != learning:
            text.append("⟦" if learned else "⟧")
            learning = learned
        text.append(piece)
    whole = "".join(text) + ("⟧" if learning else "")
    output.say(whole[:_MOST_SHOWN] + (f" … ({len(whole):,} characters)" if len(whole) > _MOST_SHOWN else ""))
    fates = {
        "kept": "kept whole",
        "cut": f"cut: {row.cut_tokens} tokens lost, {row.cut_answer_tokens} of them of the answer",
        "left_out": "left out: too long",
        "nothing_to_learn": "left out: nothing to learn",
    }
    side = "not learned from" if is_out else "held back for testing" if row.held_back else "learned from"
    would = refused is not None or (row.held_back and not is_out)
    learned_words = f"{0 if is_out else sum(row.learned)} {'would be learned' if would else 'learned'}"
    if refused is not None:
        side = f"not learned from: {refused.what[0].lower()}{refused.what[1:].removesuffix('.')}"
    output.say(f"\n{len(row.ids)} tokens, {learned_words} (between ⟦ and ⟧); {fates[row.fate]}; {side}.")


def runs_list(arguments: argparse.Namespace) -> int:
    """All runs, newest first."""
    found = list_runs()
    if arguments.json:
        output.print_json([_run_row(summary) for summary in found])
    elif not found:
        output.say("There are no runs yet. `apprentice demo` makes a first one in one to two minutes.")
    for summary in [] if arguments.json else found:
        loss = f"loss {summary.loss_last:.3f}" if summary.loss_last is not None else ""
        about = f"{one_line(summary.job.model_name)} on {one_line(summary.job.dataset_name)}"
        if summary.problem is not None:
            about = one_line(summary.problem.why)
        state = output.state("unreadable" if summary.problem is not None else summary.state)
        output.say(
            f"{summary.id}  {one_line(summary.job.name):<10} {state:<12} {summary.steps:>6} steps  {loss:<12} {about}"
        )
    return 0


def _run_row(summary: RunSummary) -> dict[str, Any]:
    verdict = summary.finished.verdict if summary.finished else None
    return {
        "id": summary.id,
        "name": summary.job.name,
        "state": summary.state,
        "model": summary.job.model_name,
        "dataset": summary.job.dataset_name,
        "steps": summary.steps,
        "total_steps": summary.total_steps,
        "seconds": summary.seconds,
        "loss_first": summary.loss_first,
        "loss_last": summary.loss_last,
        "best_loss": summary.best_loss,
        "verdict": msgspec.to_builtins(verdict) if verdict else None,
        **output.memory_figures(summary.planned, summary.finished.peak_bytes if summary.finished else 0),
        "folder": str(summary.folder),
        "tags": list(summary.label.tags),
        "note": summary.label.note,
        "problem": msgspec.to_builtins(summary.problem) if summary.problem else None,
    }


def runs_label(arguments: argparse.Namespace) -> int:
    """Show or change the name, the tags and the note of a run.

    Raises:
        StudioError: There is no such run, or they cannot be kept.
    """
    summary = places.find_run(arguments.run)
    label, name = summary.label, summary.job.name
    if arguments.name is not None:
        name = rename(RunFolder(summary.folder), arguments.name)
    if arguments.tag is not None or arguments.note is not None:
        tags = label.tags if arguments.tag is None else tuple(arguments.tag)
        note = label.note if arguments.note is None else arguments.note
        label = write_label(RunFolder(summary.folder), Label(tags, note))
    if arguments.json:
        output.print_json({"name": name, "tags": list(label.tags), "note": label.note})
    else:
        output.say(f"{one_line(name)}\nTags: {', '.join(label.tags) or 'none'}\n{label.note}".rstrip())
    return 0


def runs_use(arguments: argparse.Namespace) -> int:
    """Use a run's best adapter, or that of its last step; the other one is kept.

    Raises:
        StudioError: There is no such run, it goes on, or it has but one adapter.
    """
    summary = places.find_run(arguments.run)
    folder = RunFolder(summary.folder)
    adapter_choice.use(folder, arguments.which)
    finished = summary.finished
    step = 0 if finished is None else finished.best_aside if arguments.which == "best" else finished.steps
    if arguments.json:
        output.print_json({"run": summary.id, "adapter": arguments.which, "step": step, "folder": str(folder.adapter)})
        return 0
    kept = {"best": "last", "last": "best"}[arguments.which]
    output.say(f"{one_line(summary.job.name)} uses the adapter of step {step:,} from now on. The other one is kept:")
    output.say(f"  apprentice runs use {summary.id} {kept}")
    return 0


def runs_clean(arguments: argparse.Namespace) -> int:
    """Say what checkpoints of finished runs take, and delete them where that is wanted.

    Raises:
        StudioError: One cannot be deleted.
    """
    spares = spare(list_runs())
    freed = clean(spares) if arguments.delete else 0
    if arguments.json:
        found = [{"run": one.folder.name, "size_bytes": one.size_bytes} for one in spares]
        output.print_json({"checkpoints": found, "freed_bytes": freed})
        return 0
    for one in spares:
        output.say(f"{one.folder.name}  {one.size_bytes / 1e6:.1f} MB of checkpoints")
    total = sum(one.size_bytes for one in spares) / 1e6
    if arguments.delete:
        output.say(f"Freed {freed / 1e6:.1f} MB. Adapters, curves and settings stay.")
    else:
        output.say(f"{total:.1f} MB can be freed: --delete does it." if spares else "There is nothing to clean up.")
    return 0


def runs_delete(arguments: argparse.Namespace) -> int:
    """Say what a run takes on the disk, and delete it where that is wanted.

    Raises:
        StudioError: There is no such run, several bear that name, it goes on, or the system refuses.
    """
    found = places.find_listed(arguments.run)
    folder = RunFolder(found.folder)
    require_deletable(folder)
    size = size_of(folder.path)
    if arguments.for_good:
        delete_for_good(folder)
    if arguments.json:
        output.print_json({"run": found.id, "size_bytes": size, "deleted": arguments.for_good})
    elif arguments.for_good:
        output.say(f"Deleted {found.id}: {size / 1e6:.1f} MB.")
    else:
        output.say(
            f"{found.id} takes {size / 1e6:.1f} MB with its adapter, curves and settings. "
            "--for-good deletes it, and there is no way back; the window can move it to the trash instead."
        )
    return 0


def runs_show(arguments: argparse.Namespace) -> int:
    """One run: result and the settings that differ from the defaults.

    Raises:
        StudioError: There is no such run.
    """
    summary = places.find_run(arguments.run)
    values = flatten(summary.job.settings)
    changed = {
        field.path: values[field.path] for field in fields(summary.job.settings) if values[field.path] != field.default
    }
    if arguments.json:
        output.print_json(_run_row(summary) | {"changed_settings": changed, "job": msgspec.to_builtins(summary.job)})
        return 0
    for name, value in (_run_row(summary) | {"state": output.state(summary.state)}).items():
        if value is not None and name != "verdict":
            words = str(value) if name == "note" else one_line(str(value))  # a note may have lines of its own
            output.say(f"{name:<12} {value:.4g}" if isinstance(value, float) else f"{name:<12} {words}")
    for line in output.verdict(summary.finished.verdict) if summary.finished and summary.finished.verdict else []:
        output.say(line)
    for line in output.ending(summary.finished) if summary.finished else []:
        output.say(line)
    other = adapter_choice.other(RunFolder(summary.folder))
    if other is not None and summary.finished is not None:
        told = {"best": "Kept beside its adapter is the best one", "last": "Its adapter is the best one"}[other]
        output.say(f"{told} on unseen examples, of step {summary.finished.best_aside:,}.")
        output.say(f"The other one can be used: apprentice runs use {summary.id} {other}")
    if summary.failed is not None:
        output.say(agreeing(summary.failed.problem, summary.has_checkpoint).sentence())
    for path, value in changed.items():
        output.say(f"  {path} = {value}")
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """What this computer offers for training, and what is missing.

    Raises:
        StudioError: The report that was asked for cannot be saved there.
    """
    from studio.engine import device
    from studio.worker.__main__ import versions

    report = device.report()
    if arguments.report:
        return _save_report(report, Path(arguments.report).expanduser(), arguments.json)
    if arguments.json:
        output.print_json(msgspec.to_builtins(report) | {"versions": versions()})
        return 0
    output.say(f"Processor: {report.cpu}, {report.cores} cores")
    output.say(f"Memory: {report.free_memory_bytes / 2**30:.1f} of {report.memory_bytes / 2**30:.1f} GB free")
    output.say(f"Disk: {report.disk_free_bytes / 2**30:.1f} GB free")
    for gpu in report.gpus:
        use = f"trains as {gpu.device}" if gpu.device else "cannot train here"
        output.say(f"Graphics: {gpu.name} ({use})")
        if gpu.problem is not None:
            output.say("  " + gpu.problem.sentence().replace("\n", "\n  "))
    if not report.gpus:
        output.say("Graphics: none found")
    for problem in report.problems:
        output.say(problem.sentence().replace("\n", " "))
    output.say("Versions: " + ", ".join(f"{name} {version}" for name, version in versions().items()))
    return 0


def _save_report(report: events.DeviceReport, path: Path, as_json: bool) -> int:
    """Write the report for support and say what is in it."""
    if path.exists():
        raise StudioError(
            "report.exists",
            f"{path.name} exists already.",
            "A report never overwrites anything.",
            "Choose another name.",
        )
    made = support_report.pieces(report, list_runs())
    size = support_report.write(path, made)
    if as_json:
        output.print_json({"path": str(path), "size_bytes": size, "files": [piece.name for piece in made]})
        return 0
    output.say(f"Saved {path} ({size / 1e3:.0f} kB). It was sent nowhere; look through it before you give it away:")
    for piece in made:
        output.say(f"  {piece.name}: {piece.purpose}")
    return 0
