"""What several files here need."""

from collections.abc import Iterator

import pytest

from tests.packaging import notes
from tests.packaging.notes import key, note_file

__all__ = ["key", "note_file", "scripts"]


@pytest.fixture
def scripts() -> Iterator[None]:
    """Makes the scripts of packaging/ importable as dev.py itself sees them."""
    yield from notes.scripts()
