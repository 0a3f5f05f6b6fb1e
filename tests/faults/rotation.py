"""Which checkpoints are deleted, in thousands of random lives of a run (promise P8).

    python -m tests.faults.rotation [--n 10000] [--json]

Each life is a sequence of saves, full disks, kills in the middle of a save, disks that write something else than they
were given, damage to any file, and take-ups from the newest whole checkpoint, in a folder that may hold things of
others. A book is kept of what is whole. After each event: the latest whole checkpoint is there, the best one is there,
nothing that was whole is gone unless a newer one was found whole before, what failed cost nothing, nothing of others is
touched, and what is of no more use does not pile up.
"""

import errno
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import msgspec
import torch

from studio.engine import checkpoint
from studio.engine.checkpoint import Snapshot, State
from studio.engine.verdict import Measured
from tests.faults import report

KEPT = checkpoint.KEEP_LATEST + 1
"""The latest, and the best."""


class Killed(BaseException):
    """The process is gone: nothing of it may clean up."""


class Result(msgspec.Struct, kw_only=True):
    """What became of the lives.

    Attributes:
        sequences: Lives.
        saves, refused, kills, lies, damages, resumes: What happened in them.
        deletions: Checkpoints that were deleted.
    """

    sequences: int = 0
    saves: int = 0
    refused: int = 0
    kills: int = 0
    lies: int = 0
    damages: int = 0
    resumes: int = 0
    deletions: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost."""
        return not self.faults and self.sequences > 0 and self.deletions > 0


def snapshot(step: int, best_step: int) -> Snapshot:
    """The smallest state of a run."""
    state = State(
        fingerprint="f", step=step, total_steps=100, boxed=False, epoch=0, batch=step, train_seconds=1.0,
        before=Measured(), evaluated_step=0, best_loss=None, best_step=best_step, worse=0,
    )  # fmt: skip
    return Snapshot(state, {"adapter": {"a": torch.full((2,), float(step))}})


class Life:
    """One run: its folder, and what must be in it.

    Attributes:
        whole: Steps whose checkpoints are whole, by the book.
        damaged: Steps whose checkpoints were damaged since.
        retired: Steps whose checkpoints were deleted when they were neither the latest nor the best any more.
        best: Of each checkpoint, the step of the best one then.
    """

    def __init__(self, folder: Path, dice: random.Random, result: Result) -> None:
        self.folder, self.dice, self.result = folder, dice, result
        self.step = self.best_step = 0
        self.whole: set[int] = set()
        self.damaged: set[int] = set()
        self.retired: set[int] = set()
        self.best: dict[int, int] = {}
        self.strange: dict[Path, bytes] = {}
        self.said: list[str] = []
        if dice.random() < 0.3:
            self._put_strange_things()

    def _put_strange_things(self) -> None:
        """A folder that was used before, for something else: none of it bears our marker."""
        for name in ("step-000000000", "step-000099999", "notes", ".partial-mine", ".old-adapter"):
            path = self.folder / name / "manifest.json"
            path.parent.mkdir(parents=True)
            path.write_bytes(b"mine")
            self.strange[path] = b"mine"

    # --- events ---------------------------------------------------------------------------------------------

    def live(self) -> None:
        """One sequence of events, with what must hold after each."""
        events = [self.save, self.save, self.save, self.refuse, self.kill, self.lie, self.damage, self.resume]
        for _ in range(self.dice.randint(4, 14)):
            event = self.dice.choice(events)
            self.said.append(f"{event.__name__}@{self.step}")
            event()
            self._check()

    def save(self) -> None:
        """A step that is saved as it should be."""
        self._advance()
        self._write()
        self._note_renamed()
        there = self._there()
        self._expect(self.step in there, "what was saved is not whole")
        self._expect(len(there) <= KEPT, f"{len(there)} checkpoints pile up")
        self.result.saves += 1

    def refuse(self) -> None:
        """The disk is full at some flush."""
        self._advance()
        before = self._there()
        self._fail(OSError(errno.ENOSPC, "No space left on device"), OSError)
        self._expect(before <= self._there(), f"a full disk cost {sorted(before - self._there())}")
        self.result.refused += 1

    def kill(self) -> None:
        """The process dies at some flush; what it wrote stays as it was then, and a new one takes it up."""
        self._advance()
        before = self._there()
        self._fail(Killed(), Killed)
        self._expect(before <= self._there(), f"a kill cost {sorted(before - self._there())}")
        self.result.kills += 1
        self._note_renamed()
        self.resume()

    def lie(self) -> None:
        """The disk keeps something else than it was given."""
        self._advance()
        before = self._there()
        final = self.folder / f"step-{self.step:09d}"
        real = checkpoint.flush

        def flush(path: Path) -> None:
            real(path)
            if path == self.folder:
                (final / "adapter.safetensors").write_bytes(b"something else")

        self._expect_error(flush, OSError)
        self._expect(before - {self.step} <= self._there(), f"a lying disk cost {sorted(before - self._there())}")
        self.whole.discard(self.step)
        self.damaged.add(self.step)
        self.best[self.step] = self.best_step
        self.result.lies += 1

    def damage(self) -> None:
        """A file of a checkpoint that is there is damaged."""
        here = sorted(self._there())
        if not here:
            return
        step = self.dice.choice(here[-2:])
        path = (
            self.folder / f"step-{step:09d}" / self.dice.choice(["adapter.safetensors", "state.json", "manifest.json"])
        )
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        self.whole.discard(step)
        self.damaged.add(step)
        self.result.damages += 1

    def resume(self) -> None:
        """A new process goes on from the newest whole checkpoint."""
        path = checkpoint.newest(self.folder, lambda event: None)
        found = int(path.name.removeprefix("step-")) if path is not None else 0
        self._expect(found == max(self.whole, default=0), f"step {found} was taken up")
        self.step, self.best_step = found, self.best.get(found, 0)
        self.result.resumes += 1

    # --- how ------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        self.step += self.dice.randint(1, 3)
        if self.dice.random() < 0.3:
            self.best_step = self.step

    def _write(self) -> None:
        real = checkpoint._delete

        def delete(path: Path) -> None:
            step = int(path.name[5:]) if path.name.startswith("step-") else -1
            if step in self.whole and path not in (strange.parent for strange in self.strange):
                newer = self.folder / f"step-{self.step:09d}"
                self._expect(checkpoint.is_whole(newer), f"{path.name} is deleted before {newer.name} is whole")
                self.result.deletions += 1
                self.whole.discard(step)
                self.retired.add(step)
                self._expect(step not in self._needed(), f"{path.name} is deleted and is still needed")
            real(path)

        with mock.patch.object(checkpoint, "_delete", delete):
            checkpoint.save(self.folder, snapshot(self.step, self.best_step))

    def _needed(self) -> set[int]:
        """What must be there once the present step is saved."""
        return {self.step, self.best_step} if self.best_step else {self.step}

    def _fail(self, error: BaseException, kind: type[BaseException]) -> None:
        """Save, with an error at one of the flushes."""
        real, left = checkpoint.flush, self.dice.randint(0, 4)

        def flush(path: Path) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise error
            real(path)

        self._expect_error(flush, kind)

    def _expect_error(self, flush: Callable[[Path], None], kind: type[BaseException]) -> None:
        was_whole = self.step in self.whole
        with mock.patch.object(checkpoint, "flush", flush):
            try:
                self._write()
            except kind:
                return
        self._expect(was_whole, "a save that failed was told as one that succeeded")

    def _there(self) -> set[int]:
        """Checkpoints of ours that are whole, as they lie on the disk."""
        return {int(path.name[5:]) for path in checkpoint.found(self.folder) if checkpoint.is_whole(path)}

    def _note_renamed(self) -> None:
        """A save that was cut after its rename is whole, too: it counts from then on."""
        for step in self._there() - self.whole:
            self.whole.add(step)
            self.damaged.discard(step)
            self.retired.discard(step)
            self.best[step] = self.best_step

    # --- what must hold -------------------------------------------------------------------------------------

    def _expect(self, holds: bool, words: str) -> None:
        if not holds and len(self.result.faults) < 20:
            self.result.faults.append(f"{words} (after {', '.join(self.said)})")

    def _check(self) -> None:
        self._note_renamed()
        there = self._there()
        self._expect(self.whole <= there, f"steps {sorted(self.whole - there)} are gone")
        latest = max(self.whole, default=0)
        best = self.best.get(latest, 0)
        may_miss = best not in self.best or best in self.damaged | self.retired
        self._expect(best in there or may_miss, f"the best, {best}, is gone")
        for path, content in self.strange.items():
            self._expect(path.exists() and path.read_bytes() == content, f"{path.parent.name} of others was touched")
        mine = [path for path in self.folder.iterdir() if (path / checkpoint.MARKER).is_file()]
        partial = [path for path in mine if path.name.startswith(".partial-")]
        self._expect(len(partial) <= 1, f"{len(partial)} half-written checkpoints lie about")


def live_many(count: int, home: Path) -> Result:
    """Many lives, one after the other, in memory where there is a disk in memory."""
    result, dice = Result(), random.Random(8)
    beside = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=beside if beside.is_dir() else home) as room:
        for number in range(count):
            folder = checkpoint.make_folder(Path(room) / f"run-{number}")
            Life(folder, dice, result).live()
            shutil.rmtree(folder)
            result.sequences += 1
    return result


if __name__ == "__main__":
    sys.exit(report.prove(sys.argv[1:], __doc__, 10_000, live_many))
