"""The commands by which what was trained leaves: export."""

import argparse
from pathlib import Path

from studio.cli import output, places
from studio.contract import job
from studio.contract.control import Going
from studio.contract.errors import StudioError


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
    else:
        output.say(f"{len(done.files)} files, {done.total_bytes / 1e6:.1f} MB: {done.path}")
    return 0
