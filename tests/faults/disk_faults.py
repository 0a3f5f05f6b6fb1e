"""A disk that is full, or fails, at every call that writes in turn (promise P6).

    python -m tests.faults.disk_faults [--every 1] [--errors ENOSPC EIO] [--json]

A small library is preloaded that fails the n-th write, flush, rename or new file below the run's folder, and all after
it, until "space is made". Then the run must have paused (or never begun) and said so in words with the gigabytes that
it needs, its last checkpoint must be whole, and after Resume it must end bit for bit as an undisturbed run.
`--every 7` tries each seventh call only.
"""

import argparse
import errno
import json
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from studio.contract import commands, events
from studio.contract import job as jobs
from studio.contract.errors import Problem
from studio.contract.run_folder import RunFolder
from studio.data.run_history import summarise
from tests.engine.ground import make_dataset, make_job, make_model, new_run, sums
from tests.faults import forked
from tests.faults.kills import VALUES, told, weights

SHIM = Path(__file__).with_suffix("").with_name("failing_disk.c")
SHORT = VALUES | {"max_steps": 4, "evaluations": 2}


class Result(msgspec.Struct, kw_only=True):
    """What became of the runs.

    Attributes:
        calls: Calls that write, of an undisturbed run.
        tried: Runs whose disk failed, at a different call each.
        unreached: Runs that ended after fewer calls than the undisturbed one: how often progress is told goes by the
            clock.
        paused: Of them, those that paused and said why.
        refused: Those that ended in words before their first step, with nothing to lose.
        at_end: Those that had ended but for the record of it, and told it when they were taken up again.
        intact: Those whose last checkpoint was whole while the disk was full.
        identical: Those that ended as the undisturbed run, after space was made.
    """

    calls: int = 0
    tried: int = 0
    unreached: int = 0
    paused: int = 0
    refused: int = 0
    at_end: int = 0
    intact: int = 0
    identical: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether no run lost anything."""
        few = self.unreached * 20 <= self.tried
        ways = self.paused + self.refused + self.at_end
        return not self.faults and few and self.tried == self.intact == self.identical == ways


def build_shim(folder: Path) -> Path:
    """Compile the library.

    Raises:
        subprocess.CalledProcessError: The compiler refuses it.
    """
    made = folder / "failing_disk.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(made), str(SHIM), "-ldl"], check=True)
    return made


class Disk:
    """The disk of one child: which call fails, and how many there were."""

    def __init__(self, folder: RunFolder, beside: Path) -> None:
        self.count_file, self.cure = beside / f"{folder.id}.count", beside / f"{folder.id}.cure"
        self.count_file.write_bytes(bytes(8))
        self._folder = folder

    def use(self, at: int, number: int) -> None:
        """In the child: from the n-th call on everything fails."""
        os.environ.update(
            DISK_FOLDER=str(self._folder.path),
            DISK_FAIL_AT=str(at),
            DISK_ERRNO=str(number),
            DISK_CURE=str(self.cure),
            DISK_COUNT=str(self.count_file),
        )

    @property
    def calls(self) -> int:
        """How many calls were counted."""
        with self.count_file.open("r+b") as file, mmap.mmap(file.fileno(), 8) as mapped:
            return int.from_bytes(mapped[:8], sys.byteorder)


class Worker:
    """A worker on a failing disk, and what it says to its window while its own record cannot be written."""

    def __init__(self, folder: RunFolder, disk: Disk, at: int, number: int) -> None:
        self.log = disk.cure.with_name(f"log-of-{disk.cure.stem}")  # begins otherwise: this disk does not fail
        reading, writing = os.pipe()

        def work() -> int:
            from studio.worker.__main__ import work_on

            disk.use(at, number)
            return work_on(folder, writing)

        self._pid = forked.fork(work, self.log)
        os.close(writing)
        self._pipe = os.fdopen(reading, "rb")

    def __iter__(self) -> Iterator[events.Event]:
        """Its events, to its end."""
        for line in self._pipe:
            yield events.decode(line)

    def wait(self) -> int:
        """Its exit code."""
        self._pipe.close()
        return forked.wait(self._pid)


def fail_each_call(every: int, errors: tuple[str, ...], home: Path) -> Result:
    """See the module's text."""
    result = Result()
    model, dataset = make_model(home / "model"), make_dataset(home / "data", sums(12))
    job = make_job(model, dataset, **SHORT)

    def begin() -> tuple[RunFolder, Disk]:
        folder = new_run(home)
        jobs.save(job, folder.job)
        return folder, Disk(folder, home)

    whole, disk = begin()
    undisturbed = Worker(whole, disk, 0, 0)
    list(undisturbed)
    if undisturbed.wait():
        raise AssertionError(undisturbed.log.read_text())
    wanted, sha256, result.calls = told(whole), weights(whole.adapter), disk.calls
    for name in errors:
        for at in range(1, result.calls + 1, every):
            folder, disk = begin()
            fault = _try(folder, disk, at, getattr(errno, name), result)
            if disk.calls < at and not fault:
                result.unreached += 1
                shutil.rmtree(folder.path)
                continue
            result.tried += 1
            if not fault and (told(folder) != wanted or weights(folder.adapter) != sha256):
                fault = "losses or weights differ"
            if fault:
                result.faults.append(f"{name} at call {at}: {fault}")
            else:
                result.identical += 1
            shutil.rmtree(folder.path)
    return result


def _try(folder: RunFolder, disk: Disk, at: int, number: int, result: Result) -> str:
    """One run on a failing disk, until its end; what is wrong, or ""."""
    worker, said, has_finished = Worker(folder, disk, at, number), list[Problem](), False
    for event in worker:
        has_finished |= isinstance(event, events.Finished)
        if isinstance(event, events.Paused) and event.problem is not None and not disk.cure.exists():
            said.append(event.problem)
            result.intact += _is_intact(folder)
            disk.cure.touch()
            commands.append(folder.commands, commands.Resume())
    code, log = worker.wait(), worker.log.read_text()
    if not said and disk.calls < at:
        return f"ended with {code} on a good disk: {log[-300:]}" if code else ""
    if said:
        result.paused += 1
        told_all = " on the disk of " in said[0].fix or "can be written" in said[0].fix
        return (
            f"ended with {code}: {log[-300:]}" if code else "" if told_all else f"no word of what to do: {said[0].fix}"
        )
    result.intact += _is_intact(folder)
    disk.cure.touch()
    if "Traceback" in log:
        return f"ended with {code} and a traceback: {log.strip().splitlines()[-1]}"
    if code == 0:
        return "ended as if nothing had been"
    if has_finished:
        result.at_end += 1
        summary = summarise(folder)
        if summary is None or not summary.can_resume:
            return "its end is not recorded, and it cannot be taken up"
    else:
        result.refused += 1
    again = Worker(folder, disk, 0, 0)
    list(again)
    code = again.wait()
    return f"taken up again it ended with {code}" if code else ""


def _is_intact(folder: RunFolder) -> bool:
    """Whether no checkpoint that was there is damaged; the one that could not be written is no checkpoint."""
    from studio.engine import checkpoint

    return all(checkpoint.is_whole(path) for path in checkpoint.found(folder.checkpoints))


def main(words: list[str]) -> int:
    """Print what became of them; 1 where one lost anything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--errors", nargs="+", default=["ENOSPC", "EIO"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="apprentice-disk-") as folder:
        home = Path(folder)
        if "failing_disk" not in os.environ.get("LD_PRELOAD", ""):
            shim = build_shim(home)
            command = [sys.executable, "-m", "tests.faults.disk_faults", *words]
            environment = os.environ | {"LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1"}
            return subprocess.run(command, env=environment, check=False).returncode
        forked.load_libraries()
        result = fail_each_call(arguments.every, tuple(arguments.errors), home)
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(result)))
    else:
        print("| calls | tried | paused | refused before a step | checkpoints intact | bit for bit the same |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: |")
        numbers: tuple[Any, ...] = (result.calls, result.tried, result.paused, result.refused)
        print(f"| {' | '.join(map(str, (*numbers, result.intact, result.identical)))} |")
        for fault in result.faults:
            print(f"- {fault}")
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
