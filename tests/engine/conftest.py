"""A tiny model and a dataset, made once for all of the engine's tests."""

from pathlib import Path

import pytest

from tests.engine import ground


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random tiny Llama."""
    return ground.make_model(tmp_path_factory.mktemp("llama") / "model")


@pytest.fixture(scope="session")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 60 short rows."""
    return ground.make_dataset(tmp_path_factory.mktemp("sums"), ground.sums(60))
