"""`apprentice models download`: a model from the hub, fetched by a process of its own; this one stays offline."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from studio.cli import output
from studio.contract import commands, events, job, online
from studio.contract.errors import StudioError
from studio.contract.job import DownloadModelJob
from studio.contract.run_folder import RunFolder, jobs_folder
from studio.data import model_library

ROOT = Path(__file__).resolve().parents[2]


def models_download(arguments: argparse.Namespace) -> int:
    """Fetch a model by its name on the hub.

    Raises:
        StudioError: There is none, it cannot be fetched or used, or Ctrl+C ended it.
    """
    work = DownloadModelJob(repository=arguments.name, revision=arguments.revision)
    online.require_name(work.repository, work.revision)
    host = online.host()
    if not arguments.json:
        output.say(f"This connects to {host} over the internet and fetches {work.repository} ({work.revision}).")
    folder = RunFolder.create(jobs_folder(), "job")
    try:
        checked = _fetched(work, folder, arguments.json)
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)
    model_library.put_model(checked)
    if arguments.json:
        output.print_json(checked)
    else:
        output.say(
            f"{checked.name}  {len(checked.sha256)} files, {checked.file_bytes / 1e6:.1f} MB of weights  {checked.path}"
        )
    return 0


def _fetched(work: DownloadModelJob, folder: RunFolder, quiet: bool) -> events.ModelChecked:
    """Start the one process that may connect, and follow it. Ctrl+C ends it gently: what it has is kept."""
    job.save(work, folder.job)
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environment = os.environ | online.VARIABLES | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
    last: events.AnyEvent | None = None
    with folder.log.open("wb") as log, output.Reporter(quiet) as reporter:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "studio.worker.online", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
        before = signal.signal(
            signal.SIGINT, lambda number, frame: commands.append(folder.commands, commands.Stop(save=False))
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                last = events.decode(line)
                reporter.show(last)
            process.wait()
        finally:
            signal.signal(signal.SIGINT, before)
            process.kill()  # nothing happens where it has ended
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
    if isinstance(last, events.Failed):
        raise StudioError.of(last.problem)
    if not isinstance(last, events.ModelChecked):
        raise StudioError(
            "worker.died",
            "The download ended without a result.",
            f"Its process ended with {process.returncode}.",
            "Download it again: what was fetched is kept.",
        )
    return last
