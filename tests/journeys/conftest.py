"""The real window with real workers in a fresh home."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.contract.run_folder import starter_folder
from studio.supervisor.workplace import Workplace
from studio.ui import theme
from studio.ui.main_window import MainWindow
from tests.journeys.person import Person
from tests.journeys.stopwatch import Stopwatch


@pytest.fixture(autouse=True)
def needs_starter() -> None:
    if not (starter_folder() / "model.safetensors").is_file():
        pytest.skip("resources/starter holds no weights yet: packaging/starter makes them")


@pytest.fixture(autouse=True)
def threads_of_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers run here as they do for a user, not on the one thread of the suite."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def open_window(qtbot: QtBot, qapp: QApplication) -> MainWindow:
    theme.apply(qapp, "light", 100)
    window = MainWindow(Workplace(qapp))
    window.resize(1280, 800)
    window.show()
    qtbot.waitExposed(window)
    window.workplace.open()
    return window


def close_window(qtbot: QtBot, window: MainWindow) -> None:
    workplace = window.workplace
    window.close_without_asking()
    workplace.close()
    workplace.deleteLater()
    window.deleteLater()


@pytest.fixture
def stopwatch() -> Stopwatch:
    """Runs from before the window: name it first among a test's arguments."""
    return Stopwatch()


@pytest.fixture
def window(qtbot: QtBot, qapp: QApplication, own_home: Path) -> Iterator[MainWindow]:
    made = open_window(qtbot, qapp)
    yield made
    close_window(qtbot, made)


@pytest.fixture
def person(qtbot: QtBot, window: MainWindow) -> Iterator[Person]:
    made = Person(qtbot, window)
    yield made
    made.leave()
