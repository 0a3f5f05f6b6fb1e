"""A screen for proofs that open the real window."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def screen() -> Iterator[None]:
    """The screen there is, or a virtual one.

    Raises:
        RuntimeError: There is none, and no virtual one can be had.
    """
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        yield
        return
    spec = importlib.util.spec_from_file_location("display", ROOT / "packaging" / "display.py")
    assert spec is not None
    assert spec.loader is not None
    display = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(display)
    with display.virtual_display() as variables:
        os.environ.update(variables)
        yield
