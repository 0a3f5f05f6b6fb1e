"""Where the parts of an installed program lie. packaging/dev.py package lays them out like this:

    apprentice-studio    the window, frozen; _internal/ holds its libraries
    apprentice           the command line, which runs in the worker's environment
    worker/              an interpreter of its own, with torch and the rest, not frozen
    resources/           presets, starter model, icons, help: one copy for window and worker
    package.json         what this is, and what it was built from

In a checkout or a plain wheel there is no such folder, and one interpreter does all.
"""

import os
import sys
from pathlib import Path

import msgspec

DESCRIPTION = "package.json"
WORKER = "worker"
FREEZER = "_PYI_"
"""How the names of PyInstaller's own variables begin; they must not reach other programs."""


class Package(msgspec.Struct, kw_only=True):
    """What an installed program says of itself.

    Attributes:
        built: Date of the sources, such as 2026-11-28.
        glibc: Lowest version of the system's C library, "" on Windows.
    """

    version: str
    edition: str
    built: str
    commit: str
    python: str
    torch: str
    glibc: str = ""


def program_folder() -> Path | None:
    """The folder of the installed program, or None where this is a checkout or a plain wheel."""
    if getattr(sys, "frozen", False):
        return Path(sys.executable).resolve().parent
    prefix = Path(sys.prefix)
    if prefix.name == WORKER and (prefix.parent / DESCRIPTION).is_file():
        return prefix.parent
    return None


def package() -> Package | None:
    """What the installed program says of itself; None where nothing is installed or the description is damaged."""
    folder = program_folder()
    try:
        return msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=Package) if folder else None
    except (OSError, msgspec.DecodeError):
        return None


def worker_python() -> list[str]:
    """Interpreter and options that workers are started with; APPRENTICE_WORKER_PYTHON overrides the interpreter.

    An installed worker runs isolated (-I): neither PYTHONPATH nor packages in the user's folders change what it loads.
    """
    chosen = os.environ.get("APPRENTICE_WORKER_PYTHON")
    if chosen:
        return [chosen, "-P"]
    folder = program_folder()
    if folder is None:
        return [sys.executable, "-P"]
    return [str(folder / WORKER / ("python.exe" if os.name == "nt" else "bin/python3")), "-I", "-u"]


def window_command() -> list[str]:
    """How another process starts the window's program: the frozen one where it is installed."""
    folder = program_folder()
    if folder is None:
        return [sys.executable, "-P", "-m", "studio"]
    return [str(folder / ("apprentice-studio.exe" if os.name == "nt" else "apprentice-studio"))]


def leave_freezer() -> None:
    """Take back what PyInstaller's starter changed in the environment, before another program inherits it.

    Its libraries are loaded by then; a browser, a file manager or a worker must find the system's own.
    """
    for name in [name for name in os.environ if name.startswith(FREEZER)]:
        del os.environ[name]
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is not None:
        os.environ["LD_LIBRARY_PATH"] = before
    elif getattr(sys, "frozen", False):
        os.environ.pop("LD_LIBRARY_PATH", None)
