"""The command line in a child process that a test asks, command by command; and the good things beside the bad ones."""

import json
import os
import selectors
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from tests.faults.disk_faults import build_shim
from tests.helpers.shared_data import PROJECT
from tests.helpers.tiny_models import tiny_model

PATIENCE_SECONDS = 60.0


class Hung(Exception):
    """The child did not answer, or died."""


class Answer(msgspec.Struct, frozen=True):
    """How a command ended; see `measured_doors`."""

    code: int
    out: str
    err: str
    seconds: float
    extra_bytes: int
    connected: list[str]

    @property
    def problem(self) -> dict[str, str]:
        """The error of a command with --json; empty where it said none."""
        told = json.loads(self.out) if self.out.startswith("{") else {}
        found = told.get("error") or next(iter(told.get("problems") or ()), {})
        return dict(found)

    @property
    def problems(self) -> int:
        """How many are told with --json: each is one message for people."""
        told = json.loads(self.out) if self.out.startswith("{") else {}
        return max(1, len(told.get("problems") or ()))


class Doors:
    """The child; a new one takes over where it was ended.

    Args:
        home: The program's home folder.
        shim: Library of the failing disk, or None.
    """

    def __init__(self, home: Path, shim: Path | None = None) -> None:
        self.home = home
        self.environment = {"PYTHONPATH": str(PROJECT), "APPRENTICE_HOME": str(home), "OMP_NUM_THREADS": "1"}
        if shim:
            self.environment["LD_PRELOAD"] = str(shim)
        self._child: subprocess.Popen[str] | None = None

    def ask(self, argv: list[str], **env: str) -> Answer:
        """Run one command.

        Raises:
            Hung: It does not end, or the child died of it.
        """
        child = self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps({"argv": argv, "env": env}) + "\n")
        child.stdin.flush()
        with selectors.DefaultSelector() as ready:
            ready.register(child.stdout, selectors.EVENT_READ)
            if not ready.select(PATIENCE_SECONDS):
                self.end()
                raise Hung(f"no end: {argv}")
        line = child.stdout.readline()
        if not line:
            self.end()
            raise Hung(f"died: {argv}")
        return msgspec.json.decode(line, type=Answer)

    def end(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _running(self) -> subprocess.Popen[str]:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.faults.measured_doors"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=PROJECT,
                env=os.environ | self.environment,
            )
        return self._child


class Ground(msgspec.Struct):
    """What is good: a model, rows, and a run of one step with its adapter."""

    doors: Doors
    model: Path
    rows: Path
    run: str

    @property
    def adapter(self) -> Path:
        """Of the run."""
        return self.doors.home / "runs" / self.run / "adapter"


def one_step(model: Path, rows: Path) -> list[str]:
    """A run as short as it can be."""
    told = ["--model", str(model), "--data", str(rows), "--device", "cpu", "--max-steps", "1", "--evaluations", "0"]
    return ["train", *told, "--method", "lora", "--rank", "2", "--replay-share", "0", "--json"]


def make_ground(folder: Path) -> Ground:
    """Make the good things, and a child that has its libraries in memory.

    Raises:
        AssertionError: The good things are not good.
    """
    shim = build_shim(folder) if sys.platform == "linux" and shutil.which("gcc") else None
    doors = Doors(folder / "home", shim)
    model, rows = tiny_model(folder / "tiny"), folder / "rows.jsonl"
    qa = [{"question": f"What is {n} plus one?", "answer": f"It is {n + 1}."} for n in range(20)]
    rows.write_text("".join(json.dumps(row) + "\n" for row in qa))
    trained = doors.ask(one_step(model, rows))
    assert trained.code == 0, trained
    ground = Ground(doors, model, rows, json.loads(trained.out)["run"])
    warm = ["chat", "--model", str(model), "--adapter", str(ground.adapter), "--prompt", "hi", "--max-new-tokens", "1"]
    assert doors.ask([*warm, "--device", "cpu", "--json"]).code == 0
    return ground
