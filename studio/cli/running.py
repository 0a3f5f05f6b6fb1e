"""Runs a job in this very process, as a worker would: same folder, same events, no window."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from studio.contract import events, job
from studio.contract.errors import StudioError, agreeing
from studio.contract.run_folder import RunFolder
from studio.data.run_history import has_checkpoint
from studio.worker import failures, jobs, wire
from studio.worker.commands import CommandReader


def run(
    work: job.Job, folder: RunFolder, show: Callable[[events.Event], None], begun: Callable[[], None] = lambda: None
) -> events.Event | None:
    """Do a job to its end, showing its events.

    Ctrl+C once ends a training run after its step and saves; twice ends at once.

    Args:
        work: What is to be done.
        folder: Where.
        show: Called with each event. Where nobody reads what it prints any more (`| head`), the job goes on silently.
        begun: Called once the folder's lock says who works there.

    Raises:
        StudioError: The job failed; the reason is in words.
    """
    job.save(work, folder.job)
    return resume(folder, work, show, begun)


def resume(
    folder: RunFolder, work: job.Job, show: Callable[[events.Event], None], begun: Callable[[], None] = lambda: None
) -> events.Event | None:
    """Do the job of a folder that has one already (a training run goes on from its newest checkpoint); as `run` does.

    Raises:
        StudioError: The job failed; the reason is in words.
    """
    folder.commands.unlink(missing_ok=True)
    with wire.Wire(folder, None) as line:
        begun()

        def emit(event: events.Event) -> None:
            line.emit(event)
            with contextlib.suppress(OSError):  # a broken pipe: the record has it all the same
                show(event)
            if isinstance(event, events.Paused) and event.problem is not None:
                control.wish("stop")  # nobody is there to press Resume: keep what there is and end

        emit(events.Hello(protocol=events.PROTOCOL, pid=os.getpid(), versions=versions()))
        control = CommandReader(folder, emit, tell_wishes=isinstance(work, job.TrainJob))
        before = signal.signal(signal.SIGINT, _stop_gently(control))
        try:
            final = jobs.run_job(work, folder, emit, control)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except StudioError as error:
            emit(failures.failed(error))
            raise
        except BaseException as error:  # a library in Rust that breaks down raises no Exception
            problem = agreeing(failures.explain(error), has_checkpoint(folder))
            emit(events.Failed(problem=problem))
            raise StudioError.of(problem) from error
        finally:
            signal.signal(signal.SIGINT, before)
            control.end()
        if final is not None:
            emit(final)
        return final


def versions() -> dict[str, str]:
    """The versions that a worker's Hello names."""
    from studio.worker.working import versions as worker_versions

    return worker_versions()


def _stop_gently(control: CommandReader) -> Callable[[int, FrameType | None], None]:
    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if control.poll() == "stop":
            raise KeyboardInterrupt
        control.wish("stop")
        with contextlib.suppress(OSError):  # nobody may be there to read it
            print("\nFinishing this step and saving; Ctrl+C again ends at once.", file=sys.stderr)

    return on_interrupt
