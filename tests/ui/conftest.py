"""A window on a fresh home, closed again after the test."""

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.supervisor.workplace import Workplace
from studio.ui import theme
from studio.ui.main_window import MainWindow


@pytest.fixture(autouse=True)
def themed(qapp: QApplication) -> None:
    """Every widget test starts with the light theme at ordinary size."""
    theme.apply(qapp, "light", 100)


@pytest.fixture
def workplace(qapp: QApplication) -> Iterator[Workplace]:
    """The state of a window, without one; ended with the test."""
    made = Workplace()
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def window(qtbot: QtBot, workplace: Workplace) -> Iterator[MainWindow]:
    """The whole window, shown."""
    made = MainWindow(workplace)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close_without_asking()
    made.deleteLater()
