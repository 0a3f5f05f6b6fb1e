"""A run that is taken up again ends as if it had never been interrupted."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from studio.contract import events
from studio.contract import job as jobs
from studio.contract.errors import StudioError
from studio.contract.job import TrainJob
from studio.contract.run_folder import RunFolder
from studio.contract.taking_up import NONE_WHOLE
from studio.data import starting_over
from studio.engine import checkpoint, loop, train
from tests.engine.ground import Person, make_job, new_run
from tests.helpers.shared_data import PROJECT

# Everything that draws random numbers or remembers something between steps.
VALUES: dict[str, Any] = {
    "max_steps": 14,
    "batch_size": 2,
    "accumulation": 2,
    "method__dropout": 0.1,
    "neftune_alpha": 0.1,
    "evaluations": 4,
    "early_stopping": 3,
    "save_every_minutes": 1e-9,
}


class Killed(BaseException):
    """Stands for the end of the process: nothing in the engine may catch it."""


def whole_run(job: TrainJob, parent: Path) -> tuple[RunFolder, Person]:
    folder, person = new_run(parent), Person()
    train.train(job, folder, person, person)
    return folder, person


def told(person: Person, after: int = 0) -> list[Any]:
    """What must be equal: losses, rates, norms of steps, and the tests."""
    steps = [(s.step, s.loss, s.grad_norm, s.learning_rate, s.epoch) for s in person.all(events.Step)]
    tests = [(e.step, e.loss, e.best) for e in person.all(events.Evaluated)]
    return [s for s in steps if s[0] > after] + [e for e in tests if e[0] > after]


def weights(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(folder.adapter / "adapter_model.safetensors")


def same_weights(one: RunFolder, other: RunFolder) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def uninterrupted(llama: Path, sums: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Person]:
    return whole_run(make_job(llama, sums, **VALUES), tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("step", [1, 6, 13])
def test_a_run_that_died_after_any_step_ends_bit_for_bit_the_same(
    llama: Path, sums: Path, tmp_path: Path, uninterrupted: tuple[RunFolder, Person], step: int
) -> None:
    job, folder = make_job(llama, sums, **VALUES), new_run(tmp_path)

    def die(event: events.Event) -> None:
        if isinstance(event, events.CheckpointSaved) and event.step == step:
            raise Killed

    with pytest.raises(Killed):
        train.train(job, folder, (first := Person(die)), first)
    second = Person()
    finished = train.train(job, folder, second, second)
    assert second.all(events.Started)[0].first_step == step + 1
    assert told(second) == told(uninterrupted[1], step)
    assert same_weights(folder, uninterrupted[0])
    assert finished.seconds > sum(s.step_seconds for s in second.all(events.Step))


@pytest.mark.parametrize(
    "more",
    [
        {"optimiser": "adamw_8bit", "method__rank": 32},
        {"quantisation": "nf4"},
        {"optimiser": "adafactor", "method__rate_ratio": 4.0},
        {"optimiser": "lion"},
        {"optimiser": "schedule_free", "schedule": "constant"},
    ],
)
def test_other_optimisers_and_4_bit_models_are_taken_up_exactly_too(
    llama: Path, sums: Path, tmp_path: Path, more: dict[str, Any]
) -> None:
    job = make_job(llama, sums, **VALUES | {"max_steps": 6} | more)
    whole, folder = whole_run(job, tmp_path), new_run(tmp_path)

    def die(event: events.Event) -> None:
        if isinstance(event, events.CheckpointSaved) and event.step == 3:
            raise Killed

    with pytest.raises(Killed):
        train.train(job, folder, (first := Person(die)), first)
    second = Person()
    train.train(job, folder, second, second)
    assert told(second) == told(whole[1], 3)
    assert same_weights(folder, whole[0])


def test_a_step_that_was_not_saved_is_done_again(
    llama: Path, sums: Path, tmp_path: Path, uninterrupted: tuple[RunFolder, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, folder = make_job(llama, sums, **VALUES), new_run(tmp_path)
    real = loop.Run._is_save_due
    monkeypatch.setattr(loop.Run, "_is_save_due", lambda self: real(self) and self.step <= 4)

    def die(event: events.Event) -> None:
        if isinstance(event, events.Step) and event.step == 9:
            raise Killed

    with pytest.raises(Killed):
        train.train(job, folder, (first := Person(die)), first)
    monkeypatch.undo()
    second = Person()
    train.train(job, folder, second, second)
    assert told(second) == told(uninterrupted[1], 4)
    assert same_weights(folder, uninterrupted[0])


def test_a_stopped_run_can_be_gone_on_with(
    llama: Path, sums: Path, tmp_path: Path, uninterrupted: tuple[RunFolder, Person]
) -> None:
    job, folder = make_job(llama, sums, **VALUES | {"save_every_minutes": 0.0}), new_run(tmp_path)
    first = Person(lambda event: "stop" if isinstance(event, events.Step) and event.step == 5 else None)
    assert train.train(job, folder, first, first).reason == "stopped"
    second = Person()
    assert train.train(job, folder, second, second).reason in ("done", "early")
    assert told(second) == told(uninterrupted[1], 5)
    assert same_weights(folder, uninterrupted[0])


def test_a_damaged_checkpoint_is_left_out_and_the_one_before_gives_the_same_end(
    llama: Path, sums: Path, tmp_path: Path, uninterrupted: tuple[RunFolder, Person]
) -> None:
    job, folder = make_job(llama, sums, **VALUES), new_run(tmp_path)

    def die(event: events.Event) -> None:
        if isinstance(event, events.CheckpointSaved) and event.step == 7:
            raise Killed

    with pytest.raises(Killed):
        train.train(job, folder, (first := Person(die)), first)
    newest = checkpoint.found(folder.checkpoints)[0] / "adapter.safetensors"
    raw = bytearray(newest.read_bytes())
    raw[len(raw) // 2] ^= 1
    newest.write_bytes(raw)
    second = Person()
    train.train(job, folder, second, second)
    assert "checkpoint.damaged" in [n.problem.code for n in second.all(events.Notice)]
    assert told(second) == told(uninterrupted[1], 6)
    assert same_weights(folder, uninterrupted[0])


def test_a_run_whose_checkpoints_are_all_damaged_never_starts_over_by_itself(
    llama: Path, sums: Path, tmp_path: Path, uninterrupted: tuple[RunFolder, Person]
) -> None:
    job, folder = make_job(llama, sums, **VALUES), new_run(tmp_path)

    def die(event: events.Event) -> None:
        if isinstance(event, events.CheckpointSaved) and event.step == 7:
            raise Killed

    with pytest.raises(Killed):
        train.train(job, folder, (first := Person(die)), first)
    for path in checkpoint.found(folder.checkpoints):
        (path / "adapter.safetensors").write_bytes(b"")
    second = Person()
    with pytest.raises(StudioError) as caught:
        train.train(job, folder, second, second)
    problem = caught.value.problem
    assert problem.code == NONE_WHOLE
    assert problem.what == "No whole checkpoint is left: starting over loses 7 steps."
    assert "--start-over" in problem.fix
    assert second.all(events.Notice) == []  # nothing claims to go on from an earlier one
    assert second.all(events.Started) == []

    starting_over.start_over(folder)
    train.train(job, folder, (third := Person()), third)
    assert told(third) == told(uninterrupted[1], 0)
    assert same_weights(folder, uninterrupted[0])
    assert len(checkpoint.found(folder.path / starting_over.ASIDE)) > 1


def test_a_checkpoint_of_other_settings_is_refused(llama: Path, sums: Path, tmp_path: Path) -> None:
    folder = new_run(tmp_path)
    first = Person(lambda event: "stop" if isinstance(event, events.Step) else None)
    train.train(make_job(llama, sums), folder, first, first)
    with pytest.raises(StudioError, match="cannot be taken up"):
        train.train(make_job(llama, sums, seed=5), folder, (second := Person()), second)


RUNNER = """
import sys
from pathlib import Path
from studio.contract import events, job
from studio.contract.control import Going
from studio.contract.run_folder import RunFolder
from studio.engine import train

folder = RunFolder(Path(sys.argv[1]))
def emit(event):
    sys.stdout.buffer.write(events.encode(event))
    sys.stdout.buffer.flush()
emit(train.train(job.load(folder.job), folder, emit, Going()))
"""


@pytest.mark.parametrize("moment", ["step", "saving"])
def test_a_killed_process_is_taken_up_and_ends_bit_for_bit_the_same(
    llama: Path, sums: Path, tmp_path: Path, uninterrupted: tuple[RunFolder, Person], moment: str
) -> None:
    folder = new_run(tmp_path)
    jobs.save(make_job(llama, sums, **VALUES), folder.job)
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-c", RUNNER, str(folder.path)]
    seen = 0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd=PROJECT
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = events.decode(line)
            # A step's event comes right before its checkpoint is written, so "saving" kills in the middle of that.
            wanted = events.Step if moment == "saving" else events.CheckpointSaved
            seen += isinstance(event, wanted)
            if seen == 6:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    person = Person()
    train.train(jobs.load(folder.job), folder, person, person)
    first = person.all(events.Started)[0].first_step
    assert 5 <= first <= 9
    assert told(person) == told(uninterrupted[1], first - 1)
    assert same_weights(folder, uninterrupted[0])
