"""packaging/dev.py: the one command that a newcomer types must be quick, tell the truth and clean up."""

import importlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psutil
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.helpers.project_copy import copy_project
from tests.helpers.shared_data import PROJECT

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 and apt-get are Linux's")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes the scripts of packaging/ importable as dev.py itself sees them."""
    names = ("dev", "environment", "display")
    monkeypatch.syspath_prepend(str(PROJECT / "packaging"))
    yield
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def environment(scripts: None) -> ModuleType:
    return importlib.import_module("environment")


@pytest.fixture
def display(scripts: None) -> ModuleType:
    return importlib.import_module("display")


@pytest.fixture
def dev(scripts: None) -> ModuleType:
    return importlib.import_module("dev")


@pytest.fixture
def project(tmp_path: Path, environment: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with a fake environment whose Python is a shell script."""
    root = tmp_path / "project"
    (root / "packaging").mkdir(parents=True)
    for name in ("pyproject.toml", "setup.py", "packaging/constraints.txt"):
        shutil.copy(PROJECT / name, root / name)
    monkeypatch.setattr(environment, "ROOT", root)
    monkeypatch.setattr(environment, "VENV", root / ".venv")
    monkeypatch.setattr(environment, "CONSTRAINTS", root / "packaging" / "constraints.txt")
    monkeypatch.setattr(environment, "STAMP", root / ".venv" / "installed.sha256")
    monkeypatch.setattr(environment, "INSTALL_LOG", root / ".venv" / "install.log")
    write_fake_python(root, "exit 0")
    return root


def write_fake_python(root: Path, body: str) -> None:
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> {root}/calls\n{body}\n')
    python.chmod(0o755)


def run_dev(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROJECT / "packaging" / "dev.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables})


# --- what is said ---------------------------------------------------------------------------------------------------


def test_an_unknown_command_gets_one_message_and_exit_code_2() -> None:
    done = run_dev("trian")
    assert done.returncode == 2
    assert "no command 'trian'" in done.stderr
    assert "screenshots" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_command_every_command_is_listed_with_its_purpose() -> None:
    done = run_dev()
    assert done.returncode == 2
    for command in ("run", "demo", "test", "check", "bench", "screenshots", "docs"):
        assert f"dev.py {command} " in done.stdout


def test_a_python_that_is_too_old_is_told_so_in_words(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "LOWEST_PYTHON", (99, 0))
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        environment.require_python()
    assert ended.value.code == 2
    assert "Python 3.11 or newer is needed" in capsys.readouterr().err


def test_a_benchmark_that_does_not_exist_is_named_before_anything_is_installed(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "prepare_environment", lambda: pytest.fail("installed too early"))
    with pytest.raises(SystemExit) as ended:
        dev.bench(["no-such-thing"])
    assert ended.value.code == 2
    assert "no benchmark no-such-thing" in capsys.readouterr().err


def test_no_display_means_the_demo_and_a_sentence_that_says_so(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(dev, "has_display", lambda: False)
    monkeypatch.setattr(dev, "prepare_environment", lambda: None)
    monkeypatch.setattr(dev, "_become", lambda command: became.append(command) or 0)
    assert dev.run(["--json"]) == 0
    assert became[0][-2:] == ["demo", "--json"]
    assert "no display here" in capsys.readouterr().err


# --- what is installed ----------------------------------------------------------------------------------------------


def test_everything_is_installed_by_the_constraints_once_and_not_again(project: Path, environment: ModuleType) -> None:
    environment.prepare_environment()
    calls = (project / "calls").read_text().splitlines()
    assert all("--constraint" in call for call in calls)
    assert calls[-1].endswith(f"--editable {project}[test]")
    environment.prepare_environment()
    assert (project / "calls").read_text().splitlines() == calls


@pytest.mark.parametrize(
    ("name", "before", "after", "again"),
    [
        ("packaging/constraints.txt", "psutil==", "psutil>=", True),
        ("pyproject.toml", '"psutil>=7"', '"psutil>=8"', True),
        ("pyproject.toml", 'studio.cli:main"', 'studio.cli:start"', True),
        ("setup.py", "dirs_exist_ok=True", "dirs_exist_ok=False", True),
        ("pyproject.toml", "line-length = 120", "line-length = 100", False),
    ],
)
def test_only_a_change_of_what_decides_the_installation_installs_again(
    project: Path, environment: ModuleType, name: str, before: str, after: str, again: bool
) -> None:
    environment.prepare_environment()
    assert environment.is_installed()
    text = (project / name).read_text(encoding="utf-8")
    assert before in text
    (project / name).write_text(text.replace(before, after), encoding="utf-8")
    assert environment.is_installed() is not again


def test_a_failed_installation_is_not_taken_for_a_finished_one(project: Path, environment: ModuleType) -> None:
    environment.prepare_environment()
    (project / "setup.py").write_text("# changed\n")
    write_fake_python(project, "echo 'ERROR: no matching distribution'; exit 1")
    with pytest.raises(SystemExit):
        environment.prepare_environment()
    assert not environment.is_installed()


def test_an_offline_computer_is_told_so_and_not_shown_a_traceback(
    project: Path, environment: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    write_fake_python(project, "echo 'NewConnectionError: Temporary failure in name resolution'; exit 1")
    with pytest.raises(SystemExit) as ended:
        environment.prepare_environment()
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert "reached no package registry" in message
    assert "What to do:" in message


def test_a_command_with_nothing_to_install_starts_quickly(environment: ModuleType) -> None:
    if not environment.is_installed():
        pytest.skip("these tests do not run from the project's own .venv")
    took = []
    for _ in range(3):
        began = time.perf_counter()
        code = "import environment as e; e.prepare_system(e.TEST_PROGRAMS); e.prepare_environment()"
        subprocess.run([sys.executable, "-c", code], cwd=PROJECT / "packaging", check=True)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.3


def test_the_constraints_pin_the_whole_closure_to_what_is_installed_here(environment: ModuleType) -> None:
    lines = (PROJECT / "packaging" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {
        canonicalize_name(name): version
        for name, _, version in (line.partition("==") for line in lines if line and not line.startswith("#"))
    }
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting = [(Requirement(text), "") for text in declared["dependencies"]]
    waiting += [(Requirement(text), "") for text in declared["optional-dependencies"]["test"]]
    seen: set[tuple[str, str]] = set()
    wrong = []
    while waiting:
        wanted, _extra = waiting.pop()
        name = canonicalize_name(wanted.name)
        for extra in ["", *sorted(wanted.extras)]:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            installed = importlib.metadata.distribution(name)
            if pins.get(name) != installed.version.partition("+")[0]:
                wrong.append(f"{name}: pinned {pins.get(name)}, installed {installed.version}")
            for text in installed.requires or []:
                needed = Requirement(text)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    waiting.append((needed, extra))
    assert wrong == []
    assert len(seen) > 40


# --- system libraries -----------------------------------------------------------------------------------------------


@LINUX
def test_a_missing_library_font_or_program_is_found_without_asking_apt(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_linkable_libraries", lambda: set(environment.QT_LIBRARIES) - {"libEGL.so.1"})
    monkeypatch.setattr(environment, "FONTS", ())
    missing = environment.missing_packages({"no-such-program": "its-package"})
    assert missing == ["libegl1", "fonts-dejavu-core", "its-package"]


@LINUX
def test_what_may_not_be_installed_is_said_as_the_exact_command(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "missing_packages", lambda programs: ["libegl1", "xvfb"])
    monkeypatch.setattr(environment.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(environment.shutil, "which", lambda name: None if name == "sudo" else f"/usr/bin/{name}")
    environment.prepare_system({})
    assert "sudo apt-get install --no-install-recommends libegl1 xvfb" in capsys.readouterr().err


# --- tests and checks -----------------------------------------------------------------------------------------------


def test_a_test_run_without_any_test_is_no_success(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "prepare_system", lambda programs: None)
    monkeypatch.setattr(dev, "prepare_environment", lambda: None)
    monkeypatch.setattr(dev, "venv_python", lambda: Path(sys.executable))
    assert dev.test(["tests/test_dev.py", "-k", "no such test", "-p", "no:cacheprovider"]) != 0


def test_a_failed_check_stops_the_tests_and_every_check_still_runs(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "prepare_system", lambda programs: None)
    monkeypatch.setattr(dev, "prepare_environment", lambda: None)
    for name in ("python", "lint-imports"):
        (tmp_path / name).symlink_to("/bin/false")
    monkeypatch.setattr(dev, "venv_python", lambda: tmp_path / "python")
    monkeypatch.setattr(dev, "_on_virtual_display", lambda *given: pytest.fail("tests ran after a failed check"))
    assert dev.test([]) == 1
    said = capsys.readouterr().err
    for name in ("ruff", "format", "rules", "imports", "types", "docs"):
        assert f"{name}: FAILED" in said


# --- the virtual screen ---------------------------------------------------------------------------------------------


@LINUX
def test_a_window_on_the_virtual_screen_is_real_gets_the_focus_and_hears_a_shortcut(display: ModuleType) -> None:
    code = """
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
application = QApplication([])
window, heard = QWidget(), []
QShortcut(QKeySequence("Ctrl+1"), window, lambda: heard.append(1))
window.show()
assert application.platformName() == "xcb"
assert QTest.qWaitForWindowActive(window, 5000)
QTest.keyClick(window.windowHandle(), Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
print(heard, application.primaryScreen().size().toTuple())
"""
    with display.virtual_display() as variables:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **variables}
        )
    assert done.stdout.strip() == "[1] (1600, 1200)", done.stderr


@LINUX
def test_the_virtual_screen_ends_with_its_block_also_after_an_error(display: ModuleType) -> None:
    def open_and_fail() -> None:
        with display.virtual_display():
            raise ZeroDivisionError

    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(ZeroDivisionError):
        open_and_fail()
    assert set(psutil.Process().children(recursive=True)) <= before


@LINUX
def test_the_virtual_screen_ends_even_when_its_owner_is_killed() -> None:
    code = "import display, sys\nwith display.virtual_display():\n    print('up', flush=True)\n    sys.stdin.read()"
    owner = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=PROJECT / "packaging",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert owner.stdin is not None
    assert owner.stdout is not None
    with owner.stdin, owner.stdout:
        assert owner.stdout.readline() == b"up\n"
        servers = psutil.Process(owner.pid).children(recursive=True)
        assert {"Xvfb", "openbox"} <= {server.name() for server in servers}
        owner.kill()
        owner.wait()
        _, alive = psutil.wait_procs(servers, timeout=10)
    assert alive == []


def test_a_machine_without_xvfb_is_told_what_to_install(display: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("X11 is Linux's")
    monkeypatch.setattr(display.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="Xvfb is not installed"), display.virtual_display():
        pass


# --- the wheel ------------------------------------------------------------------------------------------------------


def test_a_wheel_carries_the_resources_and_both_commands(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    for name in ("setup.py", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, project)
    shutil.copytree(PROJECT / "resources" / "presets", project / "resources" / "presets")
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(tmp_path)]
    done = subprocess.run([*command, str(project)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("apprentice_studio-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entries,) = [name for name in names if name.endswith("entry_points.txt")]
        commands = archive.read(entries).decode()
    assert "studio/resources/presets/quick.toml" in names
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"studio"}
    assert "apprentice = studio.cli:main" in commands
    assert "apprentice-studio = studio.app:main" in commands


# --- continuous integration -----------------------------------------------------------------------------------------


def test_the_integration_run_is_what_a_developer_runs() -> None:
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert "exec python3 packaging/dev.py test\n" in script


def test_the_settings_page_is_what_the_declarations_say() -> None:
    command = [sys.executable, str(PROJECT / "packaging" / "settings_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    assert done.returncode == 0, done.stdout + done.stderr
