"""A folder that is being exported can be told from others until it has its name, whenever it is killed."""

from pathlib import Path

import pytest

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
