"""The pictures of the window: what is no longer taken does not stay."""

import importlib.util
from pathlib import Path

from tests.helpers.shared_data import PROJECT


def test_earlier_pictures_of_a_size_are_removed_before_new_ones_are_taken(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("screenshots", PROJECT / "packaging" / "screenshots.py")
    assert spec is not None
    assert spec.loader is not None
    screenshots = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(screenshots)
    for name in ("gone-light-100.png", "gone-dark-100.png", "other-light-150.png", "logo.png", "notes-100.txt"):
        (tmp_path / name).touch()
    screenshots.remove_stale(tmp_path, 100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logo.png", "notes-100.txt", "other-light-150.png"]


def test_every_picture_in_the_readme_is_there() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    shown = [part.split(")")[0] for part in readme.split("](")[1:] if part.startswith("docs/screenshots/")]
    assert "docs/screenshots/data-mask-light-100.png" in shown
    assert all((PROJECT / path).is_file() for path in shown)
