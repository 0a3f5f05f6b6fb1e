"""Runs of the real worker's code in children of one process that has the libraries loaded already.

Two hundred kills would cost an hour of imports otherwise. A child is a process of its own with its own pid, files and
threads: SIGKILL ends it as it would end a worker that was started anew.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from studio.contract import events
from studio.contract.run_folder import RunFolder


def load_libraries() -> None:
    """Import what a training run imports, so that children need not; no thread may be started by it."""
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model  # noqa: F401

    from studio.engine import train  # noqa: F401
    from studio.worker import __main__ as worker  # noqa: F401

    torch.set_num_threads(1)
    assert transformers.__version__


def fork(work: Callable[[], int], log: Path) -> int:
    """Do something in a child; gives its pid. What it prints goes to `log`; its exit code is what `work` returns."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        with log.open("ab") as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
            code = work()
    except BaseException:  # noqa: BLE001 - the child has nobody above it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def start(folder: RunFolder) -> int:
    """Start a worker on a folder's job; gives its pid."""

    def work() -> int:
        from studio.worker.__main__ import work_on

        return work_on(folder, None)

    return fork(work, folder.log)


def wait(pid: int) -> int:
    """Wait for a child's end; its exit code, negative where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def has_ended(pid: int) -> int | None:
    """A child's exit code, or None while it runs."""
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def kill_when(pid: int, is_time: Callable[[], bool], patience: float = 120.0) -> int | None:
    """SIGKILL a child as soon as `is_time` says so; its exit code, or None where it had ended before.

    Looks without rest, but lets others go first: the moments that matter are shorter than any sleep.
    """
    ends = time.monotonic() + patience
    while time.monotonic() < ends:
        code = has_ended(pid)
        if code is not None:
            return None
        if is_time():
            os.kill(pid, signal.SIGKILL)
            return wait(pid)
        os.sched_yield()
    os.kill(pid, signal.SIGKILL)
    wait(pid)
    raise AssertionError("the moment never came")


def run_events(folder: RunFolder) -> list[events.Event]:
    """All whole events of a run's file."""
    return [events.decode(line) for line in folder.iter_lines()]
