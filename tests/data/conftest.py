"""Each test of this room has a home of its own: a choice of columns is remembered there for the next file."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def fresh_home(own_home: Path) -> Path:
    return own_home
