"""Each example once an epoch, in the same order, whatever interrupts the run (promise P3).

    python -m tests.faults.once [--n 5] [--json]

A run of a few epochs is interrupted `--n` times in the middle of an epoch, by turns killed between two parts of one
step and stopped by its command, and taken up by a new process each time. Every part of a step that the model really
gets is written down, by the tokens in it. Of a step that was begun twice only the second time counts, as only that one
corrected the weights. Then each example must have been read exactly once in each epoch, and all in the order of a
run that nobody interrupted.
"""

import hashlib
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from studio.contract import commands
from studio.contract import job as jobs
from studio.contract.run_folder import RunFolder
from tests.engine.ground import make_dataset, make_job, make_model, new_run, sums
from tests.faults import forked, report
from tests.faults.kills import VALUES, weights

ROWS = 23
"""Odd, so that the last step of an epoch holds fewer."""
STEPS_PER_EPOCH = 6
EPOCHS = 3

Order = dict[int, list[str]]


class Result(msgspec.Struct, kw_only=True):
    """What was read.

    Attributes:
        interruptions: In the middle of an epoch.
        killed, stopped: Of them.
        begun_twice: Steps whose examples were read a second time, as the first did not count.
        epochs: Completed by the interrupted run.
        examples: In each.
        seen_once: Examples that each epoch read exactly once, over all epochs.
        same_order: Steps that read the same examples in the same order as the undisturbed run's.
    """

    interruptions: int = 0
    killed: int = 0
    stopped: int = 0
    begun_twice: int = 0
    epochs: int = 0
    examples: int = ROWS
    seen_once: int = 0
    same_order: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether all were read once, in order."""
        steps = self.epochs * STEPS_PER_EPOCH
        return not self.faults and self.seen_once == self.epochs * ROWS > 0 and self.same_order == steps


def watch(log: Path, at: int, stops: bool, folder: RunFolder) -> None:
    """In the child: write down what the model gets; interrupt step `at` (0: none) after its first part."""
    from studio.engine import loop

    real_step, real_collate = loop.Run._take_step, loop.collate
    file = log.open("a", buffering=1, encoding="utf-8")
    step, parts = 0, 0

    def take_step(run: Any) -> bool:
        nonlocal step, parts
        step, parts = run.step + 1, 0
        file.write(json.dumps({"begin": step}) + "\n")
        try:
            return real_step(run)
        finally:
            step = 0

    def collate(rows: Any, indices: Any, *rest: Any, **named: Any) -> Any:
        nonlocal parts
        if step:  # not the trial before the first step
            read = [hashlib.sha256(rows.row(index)[0].tobytes()).hexdigest()[:12] for index in indices]
            file.write(json.dumps({"step": step, "read": read}) + "\n")
            parts += 1
            if step == at and parts == 2:
                if stops:
                    commands.append(folder.commands, commands.Stop(save=True))
                else:
                    os.kill(os.getpid(), signal.SIGKILL)
        return real_collate(rows, indices, *rest, **named)

    loop.Run._take_step, loop.collate = take_step, collate  # type: ignore[method-assign, assignment]


def work(folder: RunFolder, log: Path, at: int = 0, stops: bool = False) -> int:
    """One process of a run; its exit code."""

    def do() -> int:
        from studio.worker.__main__ import work_on

        watch(log, at, stops, folder)
        return work_on(folder, None)

    folder.commands.unlink(missing_ok=True)
    return forked.wait(forked.fork(do, folder.log))


def read(log: Path) -> tuple[Order, int]:
    """Examples of each step that counted, in order; and how many steps were begun more than once."""
    order: Order = {}
    begun: Counter[int] = Counter()
    for line in log.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        if "begin" in told:
            order[told["begin"]] = []
            begun[told["begin"]] += 1
        else:
            order[told["step"]] += told["read"]
    return order, sum(count > 1 for count in begun.values())


def interrupt(count: int, home: Path) -> Result:
    """See the module's text."""
    os.environ["OMP_NUM_THREADS"] = "1"
    forked.load_libraries()
    result = Result()
    model, dataset = make_model(home / "model"), make_dataset(home / "data", sums(ROWS))
    epochs = max(EPOCHS, -(-count // (STEPS_PER_EPOCH - 1)))
    values = VALUES | {"max_steps": epochs * STEPS_PER_EPOCH, "evaluations": 0, "held_back_share": 0.0}
    job = make_job(model, dataset, **values)

    def begin() -> RunFolder:
        folder = new_run(home)
        jobs.save(job, folder.job)
        return folder

    whole, disturbed = begin(), begin()
    if work(whole, home / "whole.log"):
        raise AssertionError(whole.log.read_text())
    inside = [step for step in range(1, epochs * STEPS_PER_EPOCH) if step % STEPS_PER_EPOCH]
    for number in range(count):
        at = inside[number * len(inside) // count]
        stops = number % 2 == 1
        code = work(disturbed, home / "disturbed.log", at, stops)
        result.interruptions += 1
        result.stopped += stops
        result.killed += code == -signal.SIGKILL
        if code != (0 if stops else -signal.SIGKILL):
            result.faults.append(f"interrupted at step {at} it ended with {code}: {disturbed.log.read_text()[-300:]}")
    if code := work(disturbed, home / "disturbed.log"):
        result.faults.append(f"the last process ended with {code}: {disturbed.log.read_text()[-300:]}")
    _compare(home, epochs, result)
    if weights(whole.adapter) != weights(disturbed.adapter):
        result.faults.append("the weights differ from those of the undisturbed run")
    return result


def _compare(home: Path, epochs: int, result: Result) -> None:
    wanted, _ = read(home / "whole.log")
    order, result.begun_twice = read(home / "disturbed.log")
    result.same_order = sum(order.get(step) == examples for step, examples in wanted.items())
    everything = {example for examples in wanted.values() for example in examples}
    if len(everything) != ROWS:
        result.faults.append(f"the undisturbed run read {len(everything)} different examples")
    for epoch in range(epochs):
        steps = range(epoch * STEPS_PER_EPOCH + 1, (epoch + 1) * STEPS_PER_EPOCH + 1)
        counts = Counter(example for step in steps for example in order.get(step, []))
        result.epochs += 1
        result.seen_once += sum(counts[example] == 1 for example in everything)
        if any(counts[example] != 1 for example in everything):
            result.faults.append(f"epoch {epoch + 1}: some examples were not read exactly once")


if __name__ == "__main__":
    sys.exit(report.prove(sys.argv[1:], __doc__, 5, interrupt))
