"""A folder that is being exported can be told from others until it has its name, whenever it is killed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.contract.private_files import USERS_UMASK, keep_private, share
from studio.contract.run_folder import MARKER
from studio.engine.export_folder import PARTIAL, new_export


def test_an_export_bears_the_marker_until_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marked: list[bool] = []
    rename = Path.rename

    def look(path: Path, target: Path) -> Path:
        marked.append((path / MARKER).is_file())
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", look)
    with new_export(tmp_path / "out") as folder:
        (folder / "a.txt").write_text("x")
    assert marked == [True]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.txt"]


def test_what_was_killed_just_before_it_got_its_name_is_swept_away(tmp_path: Path) -> None:
    left = tmp_path / f"{PARTIAL}999999999-ab"
    left.mkdir()
    (left / MARKER).touch()
    (left / "model.safetensors").write_bytes(bytes(9))
    with new_export(tmp_path / "out") as folder:
        (folder / "a.txt").write_text("x")
    assert not left.exists()


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process of ours that was started by a user whose files the group may read."""
    monkeypatch.setenv(USERS_UMASK, "")  # whatever becomes of it is taken back
    monkeypatch.delenv(USERS_UMASK)
    before = os.umask(0o027)
    keep_private()
    keep_private()  # such as its worker, which begins with our umask
    yield
    os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_what_is_exported_may_be_read_by_whom_the_user_lets_read(private: None, tmp_path: Path) -> None:
    with new_export(tmp_path / "new" / "out") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "a.txt").write_text("x")
    (tmp_path / "own").mkdir()
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in sorted(tmp_path.rglob("*"))}
    assert modes == {"new": "0o750", "out": "0o750", "inner": "0o750", "a.txt": "0o640", "own": "0o700"}
    (tmp_path / "own").chmod(0o2700)  # such as a folder in one of a group
    share([tmp_path / "own"])
    assert oct((tmp_path / "own").stat().st_mode & 0o7777) == "0o2750"
