"""What a saved run was is kept while it goes on, whatever happens to its parts."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from studio.contract.errors import StudioError
from studio.contract.events import Notice
from studio.contract.job import TrainJob
from studio.contract.run_folder import RunFolder
from studio.data import run_room, starting_over
from studio.data.run_history import read_events
from studio.engine import best_weights, checkpoint, earlier_parts
from tests.engine.test_thrown_back import (
    STEPS,
    at,
    break_off,
    job,
    part,
    saved_in,
    seen,
    steps_of,
    stopped,
    while_loading,
)  # fmt: skip

__all__ = ["job", "stopped"]


def refuse(*_: object, **__: object) -> NoReturn:
    raise OSError(28, "No space left on device")


def die(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def kill_in_the_last_tests(job: TrainJob, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(best_weights, "save_aside", die)
        with pytest.raises(KeyboardInterrupt):
            part(job, folder, at(9, "stop"))


def damage(path: Path) -> None:
    """As a power cut would: other bytes in a file of its own."""
    whole = (path / "adapter.safetensors").read_bytes()
    (path / "adapter.safetensors").unlink()
    (path / "adapter.safetensors").write_bytes(whole[:-1])


@pytest.mark.parametrize("links", [True, False])
def test_killed_in_the_last_tests_it_is_still_put_back(
    links: bool, job: TrainJob, stopped: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved_in(stopped)
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    kill_in_the_last_tests(job, stopped, monkeypatch)
    assert saved_in(stopped) != before
    assert part(job, stopped, while_loading("discard")).went_back
    assert saved_in(stopped) == before
    assert steps_of(stopped) == [1, 2, 3, 4, 5]


def test_an_adapter_that_is_told_is_the_one_that_lies_there(
    job: TrainJob, stopped: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = {name: found for name, found in saved_in(stopped).items() if name.startswith("adapter")}
    kill_in_the_last_tests(job, stopped, monkeypatch)
    end = part(job, stopped, while_loading("stop"))
    assert (end.steps, end.went_back) == (5, False)
    assert {name: found for name, found in saved_in(stopped).items() if name.startswith("adapter")} == adapter
    assert checkpoint.found(stopped.checkpoints)[0].name == "step-000000009"  # nothing was thrown away


def test_a_part_that_started_over_goes_with_its_checkpoints(job: TrainJob, stopped: RunFolder) -> None:
    break_off(job, stopped, 6)
    starting_over.start_over(stopped)
    end = part(job, stopped, at(3, "discard"))
    assert (end.steps, end.went_back, steps_of(stopped)) == (5, True, [1, 2, 3, 4, 5])
    assert checkpoint.found(stopped.checkpoints)[0].name == "step-000000005"
    assert part(job, stopped).steps == STEPS
    assert steps_of(stopped) == list(range(1, STEPS + 1))


def test_a_part_from_below_the_saved_step_goes_too(job: TrainJob, stopped: RunFolder) -> None:
    damage(stopped.checkpoints / "step-000000005")
    assert part(job, stopped, at(5, "discard")).went_back
    assert steps_of(stopped) == [1, 2, 3, 4, 5]
    assert checkpoint.found(stopped.checkpoints)[0].name == "step-000000004"


def test_an_end_that_was_repeated_hides_no_part_that_is_thrown_away_later(job: TrainJob, stopped: RunFolder) -> None:
    before = saved_in(stopped)
    break_off(job, stopped, 8)
    assert not part(job, stopped, while_loading("stop")).went_back
    assert steps_of(stopped) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert part(job, stopped, while_loading("discard")).went_back
    assert steps_of(stopped) == [1, 2, 3, 4, 5]
    assert saved_in(stopped) == before


def test_putting_back_that_breaks_off_is_done_the_next_time(
    job: TrainJob, stopped: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved_in(stopped)
    with monkeypatch.context() as patch:
        patch.setattr(earlier_parts, "_put_back", refuse)
        with pytest.raises(StudioError, match="could not be put back"):
            part(job, stopped, at(9, "discard"))
    assert seen(stopped).state == "interrupted"
    assert checkpoint.found(stopped.checkpoints)[0].name > "step-000000005"  # it can go on from there, too
    assert part(job, stopped, while_loading("discard")).went_back
    assert saved_in(stopped) == before


def test_what_could_not_be_kept_is_told_and_not_claimed(
    job: TrainJob, stopped: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        patch.setattr(shutil, "copy2", refuse)
        end = part(job, stopped, at(8, "discard"))
    assert (end.adapter, end.went_back) == ("", False)
    codes = [event.problem.code for event in read_events(stopped) if isinstance(event, Notice) and event.problem]
    assert "train.before_not_kept" in codes
    summary = seen(stopped)  # as of earlier builds: what was saved before can be used
    assert (summary.state, summary.steps, summary.has_adapter, summary.can_resume) == ("stopped", 5, True, True)
    assert run_room.spare([summary]) == []


def test_what_was_kept_goes_when_the_run_is_saved_anew(job: TrainJob, stopped: RunFolder) -> None:
    size = run_room.size_of(stopped.path)
    part(job, stopped, while_loading("stop"))
    assert (stopped.path / run_room.BEFORE).is_dir()
    assert run_room.size_of(stopped.path) - size < 100_000  # links take no room, and are not counted twice
    part(job, stopped, at(8, "stop"))
    assert not (stopped.path / run_room.BEFORE).exists()
