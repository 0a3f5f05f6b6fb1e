"""What holds for every test: offline, a home folder of its own, and nothing left behind."""

import contextlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from studio.contract.offline import asks_internet
from tests.helpers.leftovers import Leftovers

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

# Here and not in a fixture: test modules import the libraries that read these while they are collected.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
_SESSION_HOME = tempfile.TemporaryDirectory(prefix="apprentice-tests-")
for _name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
    os.environ[_name] = _SESSION_HOME.name
os.environ["APPRENTICE_HOME"] = str(Path(_SESSION_HOME.name) / "home")

_connections: list[str] = []


def _refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    """Python's own report of each socket call; Qt's and X11's sockets do not pass here."""
    if asks_internet(event, arguments):
        _connections.append(f"{event} {arguments[1:]}")
        raise PermissionError(f"The program works offline; this asked for {event} {arguments[1:]}.")


sys.addaudithook(_refuse_network)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the full versions of checks that run small otherwise")


_own_display = contextlib.ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """Processes that test side by side have a screen each: on a common one they would take each other's focus."""
    if not hasattr(config, "workerinput") or not os.environ.get("DISPLAY"):
        return
    spec = importlib.util.spec_from_file_location("display", Path(__file__).parents[1] / "packaging" / "display.py")
    assert spec is not None
    assert spec.loader is not None
    display = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(display)
    os.environ.update(_own_display.enter_context(display.virtual_display()))


def pytest_unconfigure() -> None:
    _own_display.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    with_slow = config.getoption("--slow")
    for item in items:
        if item.get_closest_marker("slow") and not with_slow:
            item.add_marker(pytest.mark.skip(reason="the full version of a check; run with --slow"))
        if item.get_closest_marker("gpu") and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="no CUDA device here"))


def _has_gpu() -> bool:
    if not Path("/dev/nvidiactl").exists():
        return False
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def qapp(qapp: "QApplication") -> "QApplication":
    """The application as `studio/app.py` runs it: garbage is collected on its thread alone."""
    from studio.ui.collector import Collector

    Collector(qapp)
    return qapp


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home folder of the program for each test (runs, data sets, chats)."""
    home = tmp_path / "home"
    monkeypatch.setenv("APPRENTICE_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the test that leaves a thread, timer, window or child process, or that asked for the network."""
    before = Leftovers(with_qt="qapp" in request.fixturenames or "qtbot" in request.fixturenames)
    _connections.clear()
    yield
    found = before.found()
    assert not found, "left behind: " + "; ".join(found)
    assert not _connections, f"asked for the network: {_connections}"
