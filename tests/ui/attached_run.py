"""A run that another window started: its folder, a living process in its lock, and its events written line by line.

The window takes it up through the same files as after a crash; nothing of the window is replaced.
"""

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil

from studio.contract import commands, events, job
from studio.contract.run_folder import RunFolder, runs_folder
from studio.data.run_history import Lock


class AttachedRun:
    """Use as a context manager; the process ends with it."""

    def __init__(self, name: str = "run-7") -> None:
        self.folder = RunFolder.create(runs_folder(), "run")
        self._last = 100
        self.work = job.TrainJob(
            name=name, model="/models/m", model_name="Some model", dataset="/data/d", dataset_name="Some data"
        )
        job.save(self.work, self.folder.job)
        self._process = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, start_new_session=True
        )
        lock = Lock(pid=self._process.pid, started=psutil.Process(self._process.pid).create_time())
        self.folder.lock.write_bytes(msgspec.json.encode(lock))
        self.say(events.Hello(protocol=events.PROTOCOL, pid=self._process.pid, versions={}))

    def __enter__(self) -> "AttachedRun":
        return self

    def __exit__(self, *_: object) -> None:
        self.die()

    def say(self, *told: events.Event) -> None:
        """Append events as the worker does."""
        with self.folder.events.open("ab", buffering=0) as file:
            for event in told:
                file.write(events.encode(msgspec.structs.replace(event, at=time.time())))

    def step(self, number: int, total: int = 100, loss: float = 1.5, eta: float | None = 200.0) -> None:
        """Append one step."""
        self._last = number
        self.say(
            events.Step(
                step=number, total_steps=total, epoch=0.5, loss=loss, learning_rate=1e-4, grad_norm=1.0, tokens=100,
                learned_tokens=50, step_seconds=0.1, train_seconds=number * 0.1, memory_bytes=3 << 30, eta_seconds=eta,
            )
        )  # fmt: skip

    def start(self, total: int = 100) -> None:
        """Append what comes before step 1."""
        self.say(
            events.Started(
                total_steps=total, first_step=1, trainable_parameters=1000, base_parameters=100_000, device="cpu",
                quantisation="none", precision="fp32", gradient_checkpointing=False,
            )
        )  # fmt: skip

    def finish(
        self, reason: str = "done", adapter: str = "", steps: int | None = None, went_back: bool = False
    ) -> None:
        """Append the end, by default after the step that was told last."""
        told = {"reason": reason, "steps": self._last if steps is None else steps, "went_back": went_back}
        self.say(events.Finished(adapter=adapter, seconds=10.0, **told))  # type: ignore[arg-type]

    def commands(self) -> list[commands.AnyCommand]:
        """What the window has asked for."""
        path: Path = self.folder.commands
        return [commands.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    def die(self) -> None:
        """End the process without a word."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()
