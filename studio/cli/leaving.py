"""The commands by which what was trained leaves: export; and combine, which makes one adapter of several."""

import argparse
from pathlib import Path

from studio.cli import output, places
from studio.contract import job
from studio.contract.combinations import COMBINATIONS
from studio.contract.control import Going
from studio.contract.errors import StudioError
from studio.contract.parity import outcome, sentences
from studio.contract.run_folder import runs_folder


def export(arguments: argparse.Namespace) -> int:
    """Write what a run trained to a folder.

    Raises:
        StudioError: No such run, no adapter in it, or the folder cannot be written.
    """
    from studio.worker.exporting import export as write

    summary = places.find_run(arguments.run)
    if not arguments.to.strip():
        raise StudioError(
            "export.no_folder", "No folder was named.", fix="Give --to FOLDER, one that does not exist yet."
        )
    destination = Path(arguments.to).expanduser().resolve()
    work = job.ExportJob(
        run=str(summary.folder),
        export=arguments.form,
        destination=str(destination),
        numbers=arguments.numbers or "",
        check=not arguments.no_check,
    )
    with output.Reporter(arguments.json) as reporter:
        done = write(work, reporter.show, Going())
    if arguments.json:
        output.print_json(done)
        return 0
    output.say(f"Run {done.run}: {len(done.files)} files, {done.total_bytes / 1e6:.1f} MB: {done.path}")
    if done.parity is not None:
        for name, told in sentences(done.parity):
            output.say(f"  {name}: {told}")
        if done.parity.prompts:
            output.say(outcome(done.parity))
    return 0


def combine(arguments: argparse.Namespace) -> int:
    """Make one adapter of several runs'.

    Raises:
        StudioError: No such run, or they cannot be combined.
    """
    from studio.engine.combining import combine as make

    row = COMBINATIONS[arguments.how]
    options = {"--density": (arguments.density, row.thins), "--rank": (arguments.rank, row.any_rank)}
    _require_of_this_way(arguments.how, options)
    runs = []
    for word in arguments.runs:
        name, _, weight = word.rpartition("=")
        try:
            strength = float(weight) if name else 1.0 / len(arguments.runs)
        except ValueError as error:
            raise StudioError("combine.wrong_weight", f"{weight!r} is no weight.", fix="Write RUN=0.7, say.") from error
        runs.append((str(places.find_run(name or word).folder), strength))
    work = job.CombineJob(
        runs=tuple(runs),
        runs_folder=str(runs_folder()),
        how=arguments.how,
        name=arguments.name or "",
        **{name: told for name in ("density", "rank") if (told := getattr(arguments, name)) is not None},
        seed=arguments.seed,
    )
    with output.Reporter(arguments.json) as reporter:
        done = make(work, reporter.show, Going())
    if arguments.json:
        output.print_json(done)
    else:
        output.say(f"{done.name}: size {done.rank}. Chat with it: apprentice chat --adapter {Path(done.run).name}")
    return 0


def _require_of_this_way(how: str, options: dict[str, tuple[float | None, bool]]) -> None:
    """See that an option is heard by the way that was chosen.

    Args:
        how: Key of COMBINATIONS.
        options: Name -> what was given, and whether this way has it.

    Raises:
        StudioError: It would go unheard.
    """
    for option, (given, heard) in options.items():
        if given is not None and not heard:
            raise StudioError(
                "combine.not_of_this_way",
                f"The way {how} has no {option}.",
                f"{COMBINATIONS[how].label}: {COMBINATIONS[how].help}",
                "Leave it out, or choose another way with --how; `apprentice combine --help` says which has it.",
            )
