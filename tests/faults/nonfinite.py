"""Numbers that are none, put into a run at many steps (promise P14).

    python -m tests.faults.nonfinite [--n 50] [--json]

By turns the loss becomes infinite or not a number, a gradient does, or a correction makes a weight so. The run must
pause within one step, say so, and never save a weight that is not a number: not in a checkpoint, not in the adapter.
Each pause is answered with Resume; the run must then end by itself.
"""

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import load_file

from studio.contract import events
from studio.contract.run_folder import RunFolder
from studio.engine import loop, train
from tests.engine.ground import Person, make_dataset, make_job, make_model, new_run, sums
from tests.faults import report

KINDS = (
    "infinite loss", "loss that is no number", "infinite gradient", "gradient that is no number",
    "infinite weight", "weight that is no number", "infinite memory of the optimiser",
)  # fmt: skip
WITHIN = ("infinite weight", "weight that is no number", "infinite memory of the optimiser")
"""The step itself was done when these came into being: the run pauses after it, or in the next one."""


class Result(msgspec.Struct, kw_only=True):
    """What became of the run.

    Attributes:
        injections: Numbers that were none.
        paused: Of them, those after which the run paused within one step and said why.
        saved: Checkpoints and adapters that were looked into when they were saved.
        broken: Of them, those that held a number that is none.
        went_back: Times that the run went back to what it had saved.
        ended: Runs that ended by themselves in the end.
    """

    injections: int = 0
    paused: int = 0
    saved: int = 0
    broken: int = 0
    went_back: int = 0
    ended: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether each was noticed and nothing of it saved."""
        return not self.faults and self.injections == self.paused > 0 and not self.broken and self.ended > 0


class Injection:
    """Spoils one number at chosen steps, each once.

    Attributes:
        pending: Steps that the run has taken since an injection that has not been answered by a pause; None: none is.
    """

    def __init__(self, kinds: dict[int, str], result: Result) -> None:
        self._kinds, self._result = dict(kinds), result
        self._real = loop.Run.gradients
        self._hold: str = ""
        self.pending: int | None = None
        self.kind = ""

    def __enter__(self) -> "Injection":
        injection = self

        def gradients(run: Any, indices: Any) -> Any:
            made = injection._real(run, indices)
            kind = injection._kinds.pop(run.step + 1, "")
            if kind:
                injection._spoil(kind, run, made[0])
            return made

        loop.Run.gradients = gradients  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        loop.Run.gradients = self._real  # type: ignore[method-assign]

    def _spoil(self, kind: str, run: Any, losses: Any) -> None:
        self.pending, self.kind = 0, kind
        self._result.injections += 1
        value = math.inf if "infinite" in kind else math.nan
        if "loss" in kind:
            losses.all = losses.own = value
        elif "gradient" in kind:
            run.parameters[-1].grad.view(-1)[0] = value
        else:
            real: Callable[..., Any] = run.optimiser.step

            def step(*given: Any, **named: Any) -> Any:
                run.optimiser.step = real
                done = real(*given, **named)
                with torch.no_grad():
                    if "memory" in kind:
                        run.optimiser.state[run.parameters[0]]["exp_avg"].view(-1)[0] = value
                    else:
                        run.parameters[0].view(-1)[0] = value
                return done

            run.optimiser.step = step


def inject(count: int, home: Path) -> Result:
    """See the module's text: runs of 15 steps with an injection at every third."""
    result = Result()
    model, dataset = make_model(home / "model"), make_dataset(home / "data", sums(40))
    number = 0
    while number < count and not result.faults:
        kinds = {}
        for step in range(3, 16, 3):
            if number < count:
                kinds[step] = KINDS[number % len(KINDS)]
                number += 1
        job = make_job(
            model, dataset, max_steps=17, save_every_minutes=1e-9, evaluations=17, early_stopping=20,
            held_back_share=0.2, max_grad_norm=0.0 if number % 2 else 1.0,
        )  # fmt: skip
        folder = new_run(home)
        with Injection(kinds, result) as injection:
            person = Person(Watch(injection, folder, result), on_pause=["go"] * 100)
            finished = train.train(job, folder, person, person)
        result.ended += finished.reason == "done" and finished.steps == 17
        _look(folder.adapter, result)
    return result


class Watch:
    """Looks at every event: whether a pause came in time, and what was saved."""

    def __init__(self, injection: Injection, folder: RunFolder, result: Result) -> None:
        self._injection, self._folder, self._result = injection, folder, result

    def __call__(self, event: events.Event) -> None:
        injection, result = self._injection, self._result
        match event:
            case events.Step() if injection.pending is not None:
                injection.pending += 1
                if injection.pending > 1 or injection.kind not in WITHIN:
                    result.faults.append(f"{injection.kind}: step {event.step} was done after it, without a pause")
                    injection.pending = None
            case events.Paused() if injection.pending is not None:
                result.paused += event.problem is not None and "not a number" in event.problem.what
                injection.pending = None
            case events.Notice() if event.problem.code == "train.went_back":
                result.went_back += 1
            case events.CheckpointSaved():
                _look(Path(event.path), result)
            case _:
                pass


def _look(folder: Path, result: Result) -> None:
    """Count a saved folder, and whether all of its numbers are numbers."""
    result.saved += 1
    broken = [name for name, tensor in tensors(folder) if not bool(torch.isfinite(tensor).all())]
    result.broken += bool(broken)
    if broken:
        result.faults.append(f"{folder.name} holds {broken[0]}, which is no number")


def tensors(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of floating point in a folder."""
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in load_file(path).items():
            if tensor.is_floating_point():
                yield f"{path.name}: {name}", tensor


if __name__ == "__main__":
    sys.exit(report.prove(sys.argv[1:], __doc__, 50, inject))
