"""Real data sets and tokenizers that lie beside the project, not in it."""

from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SHARED = PROJECT.parent / "shared" / "data"


def shared_data(name: str) -> Path:
    """A file or folder of ../shared/data; the test is left out, with the reason, where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"../shared/data/{name} is not beside the project")
    return path
