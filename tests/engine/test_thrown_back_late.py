"""A run is thrown away late, or after parts that went wrong: what was saved before is not lost."""

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from studio.contract import events
from studio.contract.control import Wish
from studio.contract.errors import StudioError
from studio.contract.events import Evaluated, Event, Notice, Progress, Started
from studio.contract.job import TrainJob
from studio.contract.run_folder import RunFolder
from studio.data import adapter_choice, run_record, run_room, starting_over
from studio.data.model_card import card_text
from studio.data.run_history import read_events
from studio.engine import checkpoint, earlier_parts
from tests.engine.ground import new_run
from tests.engine.test_kept_as_saved import damage, kill_in_the_last_tests, refuse
from tests.engine.test_thrown_back import (
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


def in_the_closing_tests(event: Event) -> Wish | None:
    """The last step is taken, the adapter is saved, and what it learned is measured."""
    return "discard" if isinstance(event, Progress) and event.stage == "Saving the adapter" else None


def adapters_in(folder: RunFolder) -> list[str]:
    return sorted(path.name for path in folder.path.glob("*adapter*"))


def test_thrown_away_in_the_closing_tests_it_goes_back(job: TrainJob, stopped: RunFolder) -> None:
    before = saved_in(stopped)
    end = part(job, stopped, in_the_closing_tests)
    assert (end.reason, end.steps, end.went_back) == ("stopped", 5, True)
    assert saved_in(stopped) == before
    assert (seen(stopped).state, steps_of(stopped)) == ("stopped", [1, 2, 3, 4, 5])


@pytest.mark.parametrize("saved", [True, False])
def test_thrown_away_in_the_closing_tests_with_nothing_kept_it_is_gone(
    saved: bool, job: TrainJob, stopped: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earlier_parts, "keep", lambda *_: None)
    if not saved:
        stopped.events.unlink()
    end = part(job, stopped, in_the_closing_tests)
    assert (end.adapter, end.reason, end.verdict, end.best_aside) == ("", "discarded", None, 0)
    assert (seen(stopped).state, seen(stopped).has_adapter) == ("discarded", False)
    assert adapters_in(stopped) == []


def not_kept(folder: RunFolder) -> int:
    told = [event.problem.code for event in read_events(folder) if isinstance(event, Notice)]
    return told.count("train.before_not_kept")


DIED = events.Failed(problem=events.Problem(code="worker.died", what="X."))


def test_what_was_not_kept_is_said_again_and_a_worker_that_died_takes_no_saved_adapter(
    job: TrainJob, stopped: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        patch.setattr(shutil, "copy2", refuse)
        break_off(job, stopped, 8)
    run_record.append(stopped, DIED)
    assert not_kept(stopped) == 1
    end = part(job, stopped, at(9, "discard"))
    assert (end.adapter, end.went_back, not_kept(stopped)) == ("", False, 2)
    summary = seen(stopped)
    assert (summary.state, summary.steps, summary.has_adapter, summary.can_resume) == ("stopped", 5, True, True)
    assert run_room.spare([summary]) == []


def test_a_part_that_failed_after_it_replaced_the_adapter_is_not_told_as_what_was_saved(
    job: TrainJob, stopped: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earlier_parts, "keep", lambda *_: None)
    kill_in_the_last_tests(job, stopped, monkeypatch)
    run_record.append(stopped, DIED)
    part(job, stopped, while_loading("discard"))
    assert seen(stopped).state == "discarded"


def test_an_end_that_was_repeated_tells_the_figures_of_its_own_adapter(job: TrainJob, stopped: RunFolder) -> None:
    before, card = seen(stopped), card_text(stopped, seen(stopped))
    break_off(job, stopped, 8)
    part(job, stopped, while_loading("stop"))
    after = seen(stopped)
    assert msgspec.structs.replace(after, finished=None) == msgspec.structs.replace(before, finished=None)
    assert card_text(stopped, after) == card


@pytest.mark.parametrize("steps_since", [0, 6])
def test_a_run_that_started_over_gets_its_checkpoints_back(steps_since: int, job: TrainJob, stopped: RunFolder) -> None:
    before = saved_in(stopped)
    if steps_since:
        break_off(job, stopped, steps_since)
    starting_over.start_over(stopped)
    assert part(job, stopped, at(3, "discard")).went_back
    assert saved_in(stopped) == before


def test_where_all_checkpoints_are_damaged_those_that_were_kept_are_taken(job: TrainJob, stopped: RunFolder) -> None:
    break_off(job, stopped, 12)
    for path in checkpoint.found(stopped.checkpoints):
        damage(path)
    begun: list[int] = []
    part(job, stopped, lambda event: begun.append(event.first_step) if isinstance(event, Started) else None)
    assert begun == [6]


def test_of_what_was_kept_only_whole_checkpoints_come_back_and_later_ones_go(job: TrainJob, stopped: RunFolder) -> None:
    break_off(job, stopped, 8)
    damage(stopped.path / run_room.BEFORE / "checkpoints" / "step-000000005")
    part(job, stopped, while_loading("discard"))
    assert [path.name for path in checkpoint.found(stopped.checkpoints)] == ["step-000000004"]


def test_every_folder_of_what_is_kept_reaches_the_disk(
    job: TrainJob, stopped: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(checkpoint, "flush", lambda path: flushed.append(path.name))
    earlier_parts.keep(stopped, earlier_parts.look_back(stopped), checkpoint.found(stopped.checkpoints)[0], print)
    kept = [path.name for path in (stopped.path / run_room.BEFORE).rglob("*") if path.is_dir()]
    assert {"adapter", "checkpoints", "step-000000005"} <= set(kept) <= set(flushed)


def test_what_was_kept_goes_when_the_run_is_back(job: TrainJob, stopped: RunFolder) -> None:
    assert part(job, stopped, at(6, "discard")).went_back
    assert not (stopped.path / run_room.BEFORE).exists()


def test_the_other_adapter_that_a_person_chose_stays_chosen(job: TrainJob, stopped: RunFolder) -> None:
    assert adapters_in(stopped) == ["adapter", "adapter-best"]
    break_off(job, stopped, 6)
    adapter_choice.use(stopped, "best")
    before = saved_in(stopped)
    part(job, stopped, while_loading("discard"))
    assert adapters_in(stopped) == ["adapter", "adapter-last"]
    assert {name for name in before if name.startswith("adapter")} <= saved_in(stopped).keys()


def test_the_best_adapter_of_a_part_that_was_thrown_away_goes(job: TrainJob, tmp_path: Path) -> None:
    folder = new_run(tmp_path)
    part(job, folder, lambda event: "stop" if isinstance(event, Evaluated) and event.step == 4 else None)
    assert adapters_in(folder) == ["adapter"]
    end = part(job, folder, lambda event: at(9, "stop")(event) or in_the_closing_tests(event))
    assert (end.steps, end.went_back) == (4, True)
    assert adapters_in(folder) == ["adapter"]


def test_what_was_kept_and_is_half_deleted_takes_nothing_along(
    job: TrainJob, stopped: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved_in(stopped)

    def half(folder: Path) -> None:
        if folder.name == run_room.BEFORE:
            shutil.rmtree(folder / "adapter")
            shutil.rmtree(folder / "checkpoints")
            raise PermissionError(13, "In use by another program")
        delete(folder)

    delete = checkpoint.discard
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "discard", half)
        assert part(job, stopped, at(6, "discard")).went_back
    assert part(job, stopped, at(8, "discard")).went_back
    assert saved_in(stopped) == before


def test_a_run_that_started_over_does_not_take_up_what_it_left(job: TrainJob, stopped: RunFolder) -> None:
    starting_over.start_over(stopped)
    break_off(job, stopped, 4)
    for path in checkpoint.found(stopped.checkpoints):
        damage(path)
    with pytest.raises(StudioError) as refused:
        part(job, stopped)
    assert refused.value.problem.code == "checkpoint.none_whole"
