"""A worker that trains nothing and tells of a very long run: the real wire, record, lock and heartbeat.

    python -m tests.faults.synthetic_run --steps 1000000 --seconds 3600 FOLDER

Steps come evenly; a test every 200th part of the run, a checkpoint every 500th, as a long run has them.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from studio.contract import events
from studio.contract.run_folder import RunFolder
from studio.worker import wire

TESTS, CHECKPOINTS = 200, 500
_AT_ONCE_SECONDS = 0.02


def told_of(number: int, steps: int, seconds: float) -> Iterator[events.Event]:
    """What one step tells."""
    share = number / steps
    loss = 3 * math.exp(-4 * share) + 0.3 + 0.2 * math.sin(number * 1.7) * math.sin(number * 0.013)
    yield events.Step(
        step=number, total_steps=steps, epoch=10 * share, loss=loss, learning_rate=2e-4 * (1 - share),
        grad_norm=1 + 0.5 * math.sin(number * 2.3), tokens=4000, learned_tokens=1500, step_seconds=seconds / steps,
        train_seconds=share * seconds, memory_bytes=6 << 30, eta_seconds=(1 - share) * seconds,
    )  # fmt: skip
    if number % max(1, steps // TESTS) == 0:
        yield events.Evaluated(step=number, loss=loss + 0.1, best=True, rows=58)
        yield events.SampleAnswer(step=number, question="Who keeps the keys?", answer="Marta.", expected="Marta Quill.")
    if number % max(1, steps // CHECKPOINTS) == 0:
        yield events.CheckpointSaved(step=number, path=f"step-{number:09d}", seconds=0.2)


def tell(folder: RunFolder, steps: int, seconds: float, descriptor: int) -> None:
    """The whole run, at an even pace."""
    with wire.Wire(folder, descriptor) as line:
        line.emit(events.Hello(protocol=events.PROTOCOL, pid=0, versions={}))
        started = events.Started(
            total_steps=steps, first_step=1, trainable_parameters=1000, base_parameters=10**6, device="cpu",
            quantisation="none", precision="fp32", gradient_checkpointing=False,
        )  # fmt: skip
        line.emit(started)
        began, done = time.monotonic(), 0
        while done < steps:
            due = min(steps, round((time.monotonic() - began) * steps / seconds))
            for number in range(done + 1, due + 1):
                for event in told_of(number, steps, seconds):
                    line.emit(event)
            done = due
            time.sleep(_AT_ONCE_SECONDS)
        line.emit(events.Finished(adapter="", reason="done", steps=steps, seconds=seconds))


def main() -> None:
    """As the real worker is called, with two options before the folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("folder")
    arguments = parser.parse_args()
    tell(RunFolder(Path(arguments.folder)), arguments.steps, arguments.seconds, wire.take_standard_output())


if __name__ == "__main__":
    sys.exit(main())
