"""A run that goes on with other settings, as after its memory ran out."""

from pathlib import Path
from typing import Any

import pytest

from studio.contract import events
from studio.contract.errors import StudioError
from studio.contract.job import TrainJob
from studio.contract.run_folder import RunFolder
from studio.engine import checkpoint, train
from tests.engine.ground import Person, make_dataset, make_job, new_run, sums

VALUES: dict[str, Any] = {"max_steps": 0, "epochs": 3.0, "batch_size": 4, "evaluations": 0, "save_every_minutes": 1e-9}


class Killed(BaseException):
    """Stands for the end of the process."""


def killed_at(step: int, job: TrainJob, parent: Path) -> RunFolder:
    """A run that was ended right after its checkpoint of a step."""

    def die(event: events.Event) -> None:
        if isinstance(event, events.CheckpointSaved) and event.step == step:
            raise Killed

    folder = new_run(parent)
    with pytest.raises(Killed):
        train.train(job, folder, (first := Person(die)), first)
    return folder


def go_on(job: TrainJob, folder: RunFolder) -> Person:
    person = Person()
    train.train(job, folder, person, person)
    return person


def steps(person: Person) -> list[events.Step]:
    return person.all(events.Step)


def test_a_smaller_batch_that_gathers_more_goes_on_in_the_same_order_to_the_same_end(
    llama: Path, tmp_path: Path
) -> None:
    rows = make_dataset(tmp_path / "rows", sums(30))
    before = make_job(llama, rows, **VALUES)
    whole = go_on(before, new_run(tmp_path))
    folder = killed_at(5, before, tmp_path)
    after = make_job(llama, rows, **VALUES | {"batch_size": 1, "accumulation": 4, "gradient_checkpointing": "on"})
    person = go_on(after, folder)
    assert person.all(events.Started)[0].first_step == 6
    expected = steps(whole)[5:]
    assert [(one.step, one.epoch, one.tokens) for one in steps(person)] == [
        (one.step, one.epoch, one.tokens) for one in expected
    ]
    assert [one.loss for one in steps(person)] == pytest.approx([one.loss for one in expected], rel=1e-4)


def test_a_compressed_model_goes_on_and_is_tested_anew(llama: Path, tmp_path: Path) -> None:
    """What the whole model could do is no measure for the compressed one."""
    rows = make_dataset(tmp_path / "rows", sums(30), held_back=sums(34)[30:])
    folder = killed_at(5, make_job(llama, rows, **VALUES), tmp_path)
    same = go_on(make_job(llama, rows, **VALUES), folder)
    assert not [one for one in same.all(events.Progress) if "before" in one.stage.casefold()]
    folder = killed_at(5, make_job(llama, rows, **VALUES), tmp_path)
    job = make_job(llama, rows, **VALUES | {"quantisation": "nf4"})
    person = go_on(job, folder)
    assert person.all(events.Started)[0].first_step == 6
    assert person.all(events.Started)[0].quantisation == "nf4"
    newest = checkpoint.load(checkpoint.found(folder.checkpoints)[0])
    oldest = checkpoint.load(killed_checkpoint(tmp_path, llama, rows))
    assert newest.state.quantisation == "nf4"
    assert newest.state.before.loss != oldest.state.before.loss


def killed_checkpoint(tmp_path: Path, llama: Path, rows: Path) -> Path:
    return checkpoint.found(killed_at(1, make_job(llama, rows, **VALUES), tmp_path).checkpoints)[0]


def test_shorter_texts_go_on_as_far_into_the_pass_with_fewer_steps_left(llama: Path, tmp_path: Path) -> None:
    rows = make_dataset(tmp_path / "rows", sums(30))
    whole = go_on(make_job(llama, rows, **VALUES), new_run(tmp_path))
    report = whole.all(events.DataReport)[0]
    shorter = make_job(llama, rows, **VALUES | {"max_tokens": report.longest - 4})
    fewer = go_on(shorter, new_run(tmp_path))
    assert fewer.all(events.DataReport)[0].left_out > 0
    per_pass = steps(whole)[0].total_steps // 3
    folder = killed_at(per_pass + 2, make_job(llama, rows, **VALUES), tmp_path)
    person = go_on(shorter, folder)
    first = steps(person)[0]
    assert first.step == per_pass + 3
    assert first.epoch == pytest.approx(steps(whole)[per_pass + 2].epoch, abs=0.2)
    assert first.total_steps < steps(whole)[0].total_steps
    assert steps(person)[-1].step == first.total_steps
    assert steps(person)[-1].epoch == pytest.approx(3.0)


@pytest.mark.parametrize(
    "changes", [{"batch_size": 8}, {"learning_rate": 1e-4}, {"optimiser": "lion"}, {"max_tokens": 2000}]
)
def test_what_would_make_it_another_run_is_refused(llama: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    rows = make_dataset(tmp_path / "rows", sums(30))
    folder = killed_at(2, make_job(llama, rows, **VALUES), tmp_path)
    with pytest.raises(StudioError, match="cannot be taken up"):
        go_on(make_job(llama, rows, **VALUES | changes), folder)


def test_shorter_texts_of_other_rows_are_refused(llama: Path, tmp_path: Path) -> None:
    rows = make_dataset(tmp_path / "rows", sums(30))
    folder = killed_at(2, make_job(llama, rows, **VALUES), tmp_path)
    other = make_dataset(tmp_path / "other", sums(29))
    with pytest.raises(StudioError, match="cannot be taken up"):
        go_on(make_job(llama, other, **VALUES | {"max_tokens": 60}), folder)
