"""What the program writes is nobody else's to read; what it deletes is its own, and never reached through a link."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.contract.errors import StudioError
from studio.contract.run_folder import MARKER, RunFolder, datasets_folder, make_folder, runs_folder
from studio.data import dataset, new_folder, run_history, run_room
from studio.engine import checkpoint
from studio.supervisor import import_jobs
from studio.worker import wire
from tests.faults.doors import Ground, make_ground
from tests.faults.test_datasets import fingerprint

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and modes are those of POSIX")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = make_ground(tmp_path_factory.mktemp("ground"))
    yield made
    made.doors.end()


def test_files_are_the_users_alone_and_so_are_folders(ground: Ground) -> None:
    before = os.umask(0o022)
    try:
        ground.doors.ask(["data", "import", str(ground.rows), "--to", "faq", "--json"])
        ground.doors.ask(["data", "doctor", "faq", "--json"])
        ground.doors.ask(["runs", "label", ground.run, "--tag", "x", "--json"])
    finally:
        os.umask(before)
    home = ground.doors.home
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in [home, *home.rglob("*")]}
    assert len(modes) > 20
    open_files = {str(path): oct(mode) for path, mode in modes.items() if mode & 0o077}
    assert open_files == {}


def foreign(tmp_path: Path) -> Path:
    """A folder of someone else's, with a file in it."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "holiday.jpg").write_bytes(b"holiday")
    return folder


DELETERS: dict[str, tuple[Callable[[], Path], Callable[[Path], object]]] = {
    "dataset": (datasets_folder, dataset.delete),
    "run": (runs_folder, lambda path: run_history.delete_for_good(RunFolder(path))),
    "short job": (runs_folder, import_jobs.delete_ours),
    "checkpoint": (runs_folder, checkpoint._delete),
    "place of a new dataset": (datasets_folder, new_folder.check_destination),
}


@pytest.mark.parametrize("name", DELETERS)
@pytest.mark.parametrize("marked", [False, True])
def test_a_folder_without_the_marker_or_behind_a_link_is_never_deleted(
    tmp_path: Path, own_home: Path, name: str, marked: bool
) -> None:
    parent, delete = DELETERS[name]
    target = foreign(tmp_path)
    if marked:  # a marker does not help where a link leads to it
        (target / MARKER).touch()
        place = parent() / "a"
        place.symlink_to(target, target_is_directory=True)
    else:
        place = parent() / "a"
        target.rename(place)
        target = place
    before = fingerprint(target)
    with contextlib.suppress(StudioError):
        delete(place)
    assert fingerprint(target) == before
    assert os.path.lexists(place)


@pytest.mark.parametrize("name", ["dataset", "run", "short job", "checkpoint"])
def test_a_folder_of_ours_is_deleted_and_what_its_links_lead_to_stays(
    tmp_path: Path, own_home: Path, name: str
) -> None:
    parent, delete = DELETERS[name]
    target = foreign(tmp_path)
    ours = make_folder(parent() / "a")
    (ours / "link").symlink_to(target, target_is_directory=True)
    delete(ours)
    assert not ours.exists()
    assert (target / "holiday.jpg").read_bytes() == b"holiday"


def test_cleaning_up_never_follows_a_link(tmp_path: Path, own_home: Path) -> None:
    target = foreign(tmp_path)
    (target / MARKER).touch()
    run = RunFolder.create(runs_folder(), "run")
    run.checkpoints.symlink_to(target, target_is_directory=True)
    assert run_room.clean([run_room.Spare(run.path, 1)]) == 0
    assert (target / "holiday.jpg").exists()


def test_a_log_that_grows_without_end_is_cut_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGEST_LOG_BYTES", 10_000)
    monkeypatch.setattr(wire, "KEPT_LOG_BYTES", 1_000)
    log = tmp_path / "worker.log"
    with log.open("ab", buffering=0) as writer:  # as the worker's standard error is opened
        writer.write(b"old\n" * 5_000)
        wire.cap_log(log)
        writer.write(b"new\n")
        wire.cap_log(log)
    text = log.read_bytes()
    assert text.startswith(b"(The beginning of this log was left out")
    assert text.endswith(b"old\nnew\n")
    assert len(text) < 1_200
