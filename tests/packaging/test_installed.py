"""Where an installed program finds its parts, and that nothing of the freezer or the user's own Python leaks in."""

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from studio.cli import training
from studio.contract import installed
from studio.contract.run_folder import RunFolder, keep_caches, resources_folder
from studio.supervisor import processes

INSIDE = "python.exe" if os.name == "nt" else "bin/python3"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A frozen window in a folder as the packages lay it out."""
    folder = tmp_path / "opt" / "apprentice-studio"
    (folder / "worker").mkdir(parents=True)
    (folder / "apprentice-studio").touch()
    description = installed.Package(
        version="0.1.0", edition="cpu", built="2026-11-28", commit="abc", python="3.11.7", torch="2.13.0+cpu"
    )
    (folder / "package.json").write_bytes(msgspec.json.encode(description))
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(folder / "apprentice-studio"))
    return folder


def test_the_frozen_window_starts_the_worker_beside_it_isolated(program: Path, tmp_path: Path) -> None:
    command = processes.worker_command(RunFolder(tmp_path / "run"))
    assert command == [str(program / "worker" / INSIDE), "-I", "-u", "-m", "studio.worker", str(tmp_path / "run")]


def test_a_link_to_the_window_leads_to_the_same_worker(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin" / "apprentice-studio"
    link.symlink_to(program / "apprentice-studio")
    monkeypatch.setattr(sys, "executable", str(link))
    assert installed.worker_python()[0] == str(program / "worker" / INSIDE)


def test_the_window_s_libraries_are_no_place_where_an_installed_worker_looks(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert "PYTHONPATH" not in processes.worker_environment()


def test_window_and_worker_read_the_same_resources(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resources_folder() == program / "resources"
    monkeypatch.delattr(sys, "frozen")
    monkeypatch.setattr(sys, "prefix", str(program / "worker"))
    assert resources_folder() == program / "resources"


def test_the_command_line_of_an_installed_worker_draws_with_the_frozen_window(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    class Done:
        returncode = 1

    def run(command: list[str], **_: object) -> Done:
        asked.append(command)
        return Done()

    monkeypatch.delattr(sys, "frozen")
    monkeypatch.setattr(sys, "prefix", str(program / "worker"))
    monkeypatch.setattr(training.subprocess, "run", run)
    assert training.draw_plot(RunFolder(tmp_path / "run"), tmp_path / "curve.png") is None
    name = "apprentice-studio.exe" if os.name == "nt" else "apprentice-studio"
    assert asked == [[str(program / name), "--plot", str(tmp_path / "run"), str(tmp_path / "curve.png")]]


def test_a_checkout_has_no_package_and_one_interpreter() -> None:
    assert installed.program_folder() is None
    assert installed.package() is None
    assert installed.worker_python()[:2] == [sys.executable, "-P"]


def test_a_damaged_description_is_no_package(program: Path) -> None:
    found = installed.package()
    assert found is not None
    assert found.edition == "cpu"
    (program / "package.json").write_text("{")
    assert installed.package() is None


def test_a_chosen_interpreter_comes_first(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPRENTICE_WORKER_PYTHON", "/elsewhere/python")
    assert installed.worker_python() == ["/elsewhere/python", "-P"]


def test_what_the_freezer_changed_reaches_no_other_program(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(program / "_internal"))
    monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", "/mine")
    monkeypatch.setenv("_PYI_ARCHIVE_FILE", "x")
    installed.leave_freezer()
    assert os.environ["LD_LIBRARY_PATH"] == "/mine"
    assert "_PYI_ARCHIVE_FILE" not in os.environ
    assert "LD_LIBRARY_PATH_ORIG" not in os.environ


def test_a_library_path_that_only_the_freezer_set_is_gone(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(program / "_internal"))
    monkeypatch.delenv("LD_LIBRARY_PATH_ORIG", raising=False)
    installed.leave_freezer()
    assert "LD_LIBRARY_PATH" not in os.environ


def test_what_torch_compiles_is_kept_among_the_program_s_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setenv("APPRENTICE_HOME", str(tmp_path / "home"))
    keep_caches()
    assert Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).is_relative_to(tmp_path / "home")
    assert not (tmp_path / "home").exists()  # it is only said where


def test_a_plot_is_drawn_without_a_screen(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    kept.pop("QT_QPA_PLATFORM", None)
    command = [sys.executable, "-m", "studio", "--plot", str(tmp_path), str(tmp_path / "curve.png")]
    done = subprocess.run(command, capture_output=True, text=True, env=kept, check=False)
    assert (done.returncode, done.stderr.strip()) == (2, f"{tmp_path} holds no training run.")


@pytest.mark.skipif(sys.platform == "win32", reason="Qt's offscreen platform is Linux's here")
def test_the_time_of_a_start_is_told_and_the_window_closes(tmp_path: Path) -> None:
    variables = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "APPRENTICE_HOME": str(tmp_path / "home")}
    began = time.monotonic()
    command = [sys.executable, "-m", "studio", "--time-start"]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert began < float(done.stdout) < time.monotonic()
