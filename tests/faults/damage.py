"""Checkpoints that are damaged on the disk, byte by byte (promise P4).

    python -m tests.faults.damage [--n 3] [--json]

A real run leaves checkpoints behind. Every file of the newest one, its manifest too, is cut, zeroed, flipped by one
bit at `--n` offsets spread over it, lengthened, taken away, or replaced by the same file of another checkpoint. Each
time the damage must be noticed, the damaged one named, the newest whole one used; and the damaged one must not
become the reason for deleting whole ones. At the end one run of each kind of damage is led to its end by a real worker
and must end bit for bit as an undisturbed one.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from studio.contract import events
from studio.contract import job as jobs
from studio.contract.errors import StudioError
from studio.contract.run_folder import MARKER, RunFolder
from tests.engine.ground import make_dataset, make_job, make_model, new_run, sums
from tests.faults import forked, report
from tests.faults.kills import VALUES, told, weights

SHORT: dict[str, Any] = VALUES | {"max_steps": 6, "early_stopping": 9, "evaluations": 6, "held_back_share": 0.2}
"""Tests and patience, so that a checkpoint also holds the best weights so far."""

ZEROED_BYTES = 16

Damage = Callable[[Path, bytes, int], None]


class Result(msgspec.Struct, kw_only=True):
    """What became of damaged checkpoints.

    Attributes:
        files: Of one checkpoint.
        damages: Tried.
        noticed: The damaged one was not taken for whole, and loading it by name was refused.
        named: Of them, those that the user was told of by name.
        newest_used: Those after which the newest whole one was used, and an older one after two were damaged.
        ended: Runs that were taken up by a real worker after a damage.
        identical: Of them, those that ended bit for bit as an undisturbed one.
    """

    files: int = 0
    damages: int = 0
    noticed: int = 0
    named: int = 0
    newest_used: int = 0
    ended: int = 0
    identical: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether no damage was overlooked."""
        all_seen = self.damages == self.noticed == self.named == self.newest_used
        return not self.faults and all_seen and self.damages > 0 and self.ended == self.identical > 0


# --- kinds of damage ----------------------------------------------------------------------------------------------


def cut(path: Path, raw: bytes, at: int) -> None:
    """The file ends early, as after a power cut."""
    path.write_bytes(raw[:at])


def zero(path: Path, raw: bytes, at: int) -> None:
    """A few bytes are zero (or one, where they were zero already)."""
    hit = raw[at : at + ZEROED_BYTES]
    path.write_bytes(raw[:at] + (b"\x01" if not any(hit) else b"\x00") * len(hit) + raw[at + ZEROED_BYTES :])


def flip(path: Path, raw: bytes, at: int) -> None:
    """One bit is another."""
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x10]) + raw[at + 1 :])


PLACED: dict[str, Damage] = {"cut": cut, "zero": zero, "flip": flip}


def lengthen(path: Path, raw: bytes, at: int) -> None:
    """Something is appended."""
    path.write_bytes(raw + b"\n")


def take_away(path: Path, raw: bytes, at: int) -> None:
    """The file is gone."""
    path.unlink()


def exchange(path: Path, raw: bytes, at: int) -> None:
    """It is the file of an earlier checkpoint, whole in itself."""
    earlier = sorted(path.parent.parent.glob("step-*"))[0]
    shutil.copyfile(earlier / path.name, path)


WHOLE: dict[str, Damage] = {"lengthen": lengthen, "take away": take_away, "exchange": exchange}


def damages(path: Path, count: int) -> Iterator[tuple[str, Damage, int]]:
    """All damages of one file: name, how, and where."""
    size = path.stat().st_size
    places = sorted({min(size - 1, round(share * (size - 1) / max(1, count - 1))) for share in range(count)})
    for name, how in PLACED.items():
        for at in places:
            yield f"{name} at {at}", how, at
    for name, how in WHOLE.items():
        yield name, how, 0


# --- the proof ----------------------------------------------------------------------------------------------------


def damage_each(count: int, home: Path) -> Result:
    """See the module's text."""
    os.environ["OMP_NUM_THREADS"] = "1"
    forked.load_libraries()
    model, dataset = make_model(home / "model"), make_dataset(home / "data", sums(16))
    job = make_job(model, dataset, **SHORT)
    whole = new_run(home)
    jobs.save(job, whole.job)
    if forked.wait(forked.start(whole)):
        raise AssertionError(whole.log.read_text())
    result = Result()
    newest = sorted(whole.checkpoints.glob("step-*"))[-1]
    files = sorted(path for path in newest.iterdir() if path.name != MARKER)
    result.files = len(files)
    for path in files:
        for name, how, at in damages(path, count):
            result.damages += 1
            _try(whole, path, how, at, f"{path.name}: {name}", result)
    _lead_to_end(whole, result)
    return result


def _try(run: RunFolder, path: Path, how: Damage, at: int, name: str, result: Result) -> None:
    """One damage, which is undone afterwards."""
    from studio.engine import checkpoint

    newest, second, *_ = checkpoint.found(run.checkpoints)
    raw, raw_second = path.read_bytes(), (second / path.name).read_bytes()
    how(path, raw, at)
    notices: list[events.Event] = []
    used = checkpoint.newest(run.checkpoints, notices.append)
    try:
        checkpoint.load(newest)
        result.faults.append(f"{name}: it was loaded")
    except StudioError:
        result.noticed += not checkpoint.is_whole(newest)
    said = [notice.problem.what for notice in notices if isinstance(notice, events.Notice)]
    result.named += len(said) == 1 and newest.name in said[0]
    # A second one is damaged, too: then the one before is used. Exchanged files are the oldest one's own.
    flip(second / path.name, raw_second, len(raw_second) // 2)
    third = checkpoint.newest(run.checkpoints, lambda event: None)
    result.newest_used += used == second and third not in (newest, second)
    if used != second:
        result.faults.append(f"{name}: {used.name if used else 'none'} was used")
    path.write_bytes(raw)
    (second / path.name).write_bytes(raw_second)


def _lead_to_end(whole: RunFolder, result: Result) -> None:
    """Taken up by a real worker: one run for each kind of damage, each in another file."""
    from studio.engine import checkpoint

    wanted, sha256 = told(whole), weights(whole.adapter)
    for number, (name, how) in enumerate((PLACED | WHOLE).items()):
        run = RunFolder(whole.path.with_name(f"{whole.id}-{number}"))
        shutil.copytree(whole.path, run.path)
        shutil.rmtree(run.adapter)
        newest = checkpoint.found(run.checkpoints)[0]
        files = sorted(path for path in newest.iterdir() if path.name != MARKER)
        path = files[number % len(files)]
        raw = path.read_bytes()
        how(path, raw, len(raw) // 2)
        code = forked.wait(forked.start(run))
        result.ended += 1
        notices = [event.problem.what for event in forked.run_events(run) if isinstance(event, events.Notice)]
        if code or not any(newest.name in what for what in notices):
            result.faults.append(f"{name} in {path.name}: ended with {code}, told {notices}")
        elif told(run) != wanted or weights(run.adapter) != sha256:
            result.faults.append(f"{name} in {path.name}: losses or weights differ")
        else:
            result.identical += 1


if __name__ == "__main__":
    sys.exit(report.prove(sys.argv[1:], __doc__, 3, damage_each))
