"""What every worker does: read the folder's job, do it, tell it as events on standard output."""

import contextlib
import os
import sys
from importlib import metadata
from pathlib import Path

from studio import __version__
from studio.contract import events, job
from studio.contract.private_files import keep_private
from studio.contract.run_folder import RunFolder, keep_caches
from studio.worker import failures, jobs, wire
from studio.worker.commands import CommandReader, lower_priority


def main(arguments: list[str]) -> int:
    """Run one worker. The exit code is 0 when the job ended as it should, 1 when it failed (said as an event)."""
    folder = RunFolder(Path(arguments[0]))
    keep_private()
    keep_caches()
    return work_on(folder, wire.take_standard_output())


def work_on(folder: RunFolder, descriptor: int | None) -> int:
    """Do a folder's job, sending live events to a file descriptor."""
    hello = events.Hello(protocol=events.PROTOCOL, pid=os.getpid(), versions=versions())
    with contextlib.ExitStack() as stack:
        try:
            line = stack.enter_context(wire.Wire(folder, descriptor))
        except OSError as error:  # the disk takes nothing at all, not even the record of the run
            wire.say_only(descriptor, hello, failures.failed(error))
            return 1
        line.emit(hello)
        try:
            final = _do(job.load(folder.job), folder, line)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - the last line of defence: said in words, never lost
            line.emit(failures.failed(error))
            return 1
        if final is not None:
            line.emit(final)
            if line.is_recorded:
                jobs.is_recorded(folder, final)
    return 0 if line.is_recorded else 1  # the record does not say that it ended: taken up again, it ends the same


def _do(work: job.Job, folder: RunFolder, line: wire.Wire) -> events.Event | None:
    control = CommandReader(folder, line.emit, tell_wishes=isinstance(work, job.TrainJob))
    line.on_window_gone = lambda: _on_window_gone(work, control)
    if jobs.needs_torch(work):
        lower_priority()
    try:
        return jobs.run_job(work, folder, line.emit, control)
    finally:
        control.end()


def _on_window_gone(work: job.Job, control: CommandReader) -> None:
    """A training run takes a lost window as normal; everything else has nobody left to work for."""
    if not isinstance(work, job.TrainJob):
        control.wish("discard")
    elif work.when_window_closes == "stop_at_checkpoint":
        control.wish("stop")


def versions() -> dict[str, str]:
    """Versions of what decides results, without importing any of it."""
    found = {"apprentice-studio": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("torch", "transformers", "peft", "bitsandbytes", "tokenizers", "safetensors"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def end(code: int) -> None:
    """End the process at once. Torch's own shutdown can take seconds; everything of ours is on disk by now."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
