"""A run is thrown away late, or after parts that went wrong: what was saved before is not lost."""

import pytest

from studio.contract.control import Wish
from studio.contract.events import Event, Progress
from studio.contract.job import TrainJob
from studio.contract.run_folder import RunFolder
from studio.engine import earlier_parts
from tests.engine.test_thrown_back import job, part, saved_in, seen, steps_of, stopped

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
