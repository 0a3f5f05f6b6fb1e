"""A copy of the project's code, to break rules in."""

import shutil
from pathlib import Path

from tests.helpers.shared_data import PROJECT


def copy_project(target: Path) -> Path:
    """Copies the code and its configuration, without resources and environment, and returns `target`."""
    target.mkdir(parents=True, exist_ok=True)
    for folder in ("studio", "packaging"):
        shutil.copytree(PROJECT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", target)
    return target


def add_module(project: Path, path: str, source: str) -> None:
    """Writes a module into a copy, with packages on the way where they are missing."""
    file = project / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, encoding="utf-8")
