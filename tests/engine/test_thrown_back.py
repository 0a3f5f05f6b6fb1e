"""A run that was stopped and saved, went on, and was thrown away then, is as it was saved."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from studio.contract import events
from studio.contract import job as jobs
from studio.contract.control import Wish
from studio.contract.errors import StudioError
from studio.contract.events import DataReport, Evaluated, Event, Finished, Step
from studio.contract.job import TrainJob
from studio.contract.run_folder import RunFolder
from studio.data.model_card import card_text
from studio.data.run_history import RunSummary, read_events, summarise
from studio.engine import checkpoint, earlier_parts, memory, train
from studio.engine.export_source import open_source
from tests.engine.ground import Person, make_job, new_run

STEPS = 14


def part(job: TrainJob, folder: RunFolder, wish: Callable[[Event], Wish | None] = lambda event: None) -> Finished:
    """One part of a run, recorded as the wire does."""

    def record(event: Event) -> Wish | None:
        with folder.events.open("ab") as file:
            file.write(events.encode(msgspec.structs.replace(event, at=time.time())))
        return wish(event)

    person = Person(record)
    person(events.Hello(protocol=events.PROTOCOL, pid=1, versions={}))
    end = train.train(job, folder, person, person)
    record(end)
    earlier_parts.forget(folder, end)
    return end


def at(step: int, wish: Wish) -> Callable[[Event], Wish | None]:
    return lambda event: wish if isinstance(event, Step) and event.step == step else None


def break_off(job: TrainJob, folder: RunFolder, step: int) -> None:
    """A part that is killed after the test of a step."""

    def die(event: Event) -> None:
        if isinstance(event, Evaluated) and event.step == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        part(job, folder, die)


def steps_of(folder: RunFolder) -> list[int]:
    return [event.step for event in read_events(folder) if isinstance(event, Step)]


def while_loading(wish: Wish) -> Callable[[Event], Wish | None]:
    return lambda event: wish if isinstance(event, DataReport) else None


def saved_in(folder: RunFolder) -> dict[str, bytes]:
    """All adapters and checkpoints that a person or a later part can use."""
    places = [*folder.path.glob("adapter*"), *checkpoint.found(folder.checkpoints)]
    return {f"{place.name}/{name}": found for place in places for name, found in files_of(place).items()}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def seen(folder: RunFolder) -> RunSummary:
    summary = summarise(folder)
    assert summary is not None
    return summary


@pytest.fixture
def job(llama: Path, sums: Path) -> TrainJob:
    return make_job(llama, sums, max_steps=STEPS, evaluations=7, save_every_minutes=1e-9)


@pytest.fixture
def stopped(job: TrainJob, tmp_path: Path) -> RunFolder:
    """Stopped and saved at step 5."""
    folder = new_run(tmp_path)
    jobs.save(job, folder.job)
    part(job, folder, at(5, "stop"))
    return folder


@pytest.fixture(scope="module")
def adapter_at_the_end(llama: Path, sums: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = new_run(tmp_path_factory.mktemp("whole"))
    job = make_job(llama, sums, max_steps=STEPS, evaluations=7, save_every_minutes=1e-9)
    part(job, folder)
    return files_of(folder.adapter)


def test_throwing_a_resumed_part_away_leaves_the_run_as_it_was_saved_and_resumable(
    job: TrainJob, stopped: RunFolder, adapter_at_the_end: dict[str, bytes]
) -> None:
    before, adapter, card = seen(stopped), files_of(stopped.adapter), card_text(stopped, seen(stopped))
    assert before.finished is not None
    for last in (8, 11):  # twice: the second part goes back as far
        end = part(job, stopped, at(last, "discard"))
        assert (end.reason, end.steps, end.verdict) == ("stopped", 5, before.finished.verdict)
        assert end.went_back
    after = seen(stopped)
    assert msgspec.structs.replace(after, finished=None) == msgspec.structs.replace(before, finished=None)
    assert (after.state, after.can_resume, after.has_adapter, after.has_checkpoint) == ("stopped", True, True, True)
    assert files_of(stopped.adapter) == adapter
    assert card_text(stopped, after) == card
    assert checkpoint.found(stopped.checkpoints)[0].name == "step-000000005"
    assert part(job, stopped).steps == STEPS
    assert files_of(stopped.adapter) == adapter_at_the_end
    assert [event.step for event in read_events(stopped) if isinstance(event, Step)] == list(range(1, STEPS + 1))


def test_an_interrupted_part_goes_too_and_a_notice_stays(job: TrainJob, stopped: RunFolder) -> None:
    break_off(job, stopped, 8)
    told = events.Notice(problem=events.Problem(code="run.settings_changed", what="Another size."))
    with stopped.events.open("ab") as file:
        file.write(events.encode(told))
    assert seen(stopped).state == "interrupted"
    end = part(job, stopped, lambda event: "discard" if isinstance(event, DataReport) else None)
    assert end.went_back
    assert (seen(stopped).state, seen(stopped).steps) == ("stopped", 5)
    assert told in list(read_events(stopped))
    assert checkpoint.found(stopped.checkpoints)[0].name == "step-000000005"


def test_a_resumed_part_that_is_stopped_before_its_first_step_loses_nothing(job: TrainJob, stopped: RunFolder) -> None:
    before = seen(stopped).finished
    end = part(job, stopped, lambda event: "stop" if isinstance(event, DataReport) else None)
    assert before is not None
    assert msgspec.structs.replace(end, at=before.at) == before
    assert seen(stopped).state == "stopped"


def test_the_peak_is_the_largest_of_all_parts(job: TrainJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, peaks = new_run(tmp_path), iter((10**15, 10**14))
    monkeypatch.setattr(memory, "peak_bytes", lambda device: next(peaks))
    assert part(job, folder, at(2, "stop")).peak_bytes == 10**15
    assert part(job, folder, at(4, "stop")).peak_bytes == 10**15


def test_of_a_run_that_was_thrown_away_nothing_can_be_used(job: TrainJob, tmp_path: Path) -> None:
    folder = new_run(tmp_path)
    jobs.save(job, folder.job)
    part(job, folder, at(3, "stop"))
    folder.events.unlink()  # as if it had been killed before it could say that it ended
    assert part(job, folder, at(5, "discard")).adapter == ""
    assert (folder.adapter / "adapter_config.json").is_file()
    assert (seen(folder).state, seen(folder).has_adapter) == ("discarded", False)
    with pytest.raises(StudioError, match="thrown away"):
        open_source(folder.path, "adapter")
