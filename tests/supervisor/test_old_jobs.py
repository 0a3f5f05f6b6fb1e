"""Opening a window clears what earlier short jobs left, and nothing that somebody works with."""

import os

import pytest

from studio.cli import data
from studio.contract.run_folder import RunFolder, jobs_folder
from studio.data.worker_lock import write_lock
from studio.supervisor import import_jobs
from studio.supervisor.import_jobs import clear_old_jobs


def make(name: str, age_seconds: float = 0.0) -> RunFolder:
    folder = RunFolder.create(jobs_folder(), name)
    then = folder.path.stat().st_mtime - age_seconds
    os.utime(folder.path, (then, then))
    return folder


def test_what_the_command_line_inspects_outlives_a_window_that_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_jobs, "YOUNG_SECONDS", -1)  # however long it takes
    with data._passing_folder() as folder:
        clear_old_jobs()
        assert folder.parent.is_dir()
    assert not folder.parent.exists()


def test_a_folder_that_was_made_just_now_has_no_lock_yet_and_is_left_alone() -> None:
    young, old = make("job"), make("job", 2 * import_jobs.YOUNG_SECONDS)
    clear_old_jobs()
    assert young.path.is_dir()
    assert not old.path.exists()


def test_a_dead_worker_s_folder_is_cleared_at_once_and_a_living_one_s_is_not() -> None:
    living, dead = make("job"), make("job")
    write_lock(living, os.getpid())
    dead.lock.write_text('{"pid": 1, "started": 1.0}')
    clear_old_jobs()
    assert living.path.is_dir()
    assert not dead.path.exists()
