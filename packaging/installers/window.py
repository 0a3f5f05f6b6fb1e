"""The window, frozen by PyInstaller: one folder with its libraries beside it, and no torch in it."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

from environment import say, stop

from installers import desktop_files, parts
from installers.layout import NAME, WINDOWS, Build, run
from installers.wheelhouse import tools_python

ROOMS = ("studio.ui", "studio.supervisor", "studio.data", "studio.contract")
# Qt's parts that are no part of the window.
QT_UNUSED = ("PySide6.QtQml", "PySide6.QtQuick", "PySide6.QtNetwork", "PySide6.QtTest", "PySide6.QtDesigner")
# Plugins for screens without a desktop, for GTK's theme (half of GTK would come with it), and for being a compositor.
PLUGINS_UNUSED = (
    "platforms/libqeglfs*",
    "platforms/libqlinuxfb*",
    "platforms/libqvnc*",
    "platforms/libqvkkhr*",
    "platforms/libqminimal*",
    "egldeviceintegrations",
    "generic",
    "platformthemes/libqgtk3*",
    "wayland-graphics-integration-server",
    "networkinformation",
    "tls",
    "qmltooling",
    "sqldrivers",
)
LIBRARIES_UNUSED = ("libQt6Egl*", "libQt6EGL*", "libQt6Network*")
# Of the libraries that are the building machine's own only these are shipped: what Python's modules load, and the small
# ones of X11 that many desktops lack. All else every desktop has, in versions that fit its drivers and settings.
SHIPPED = re.compile(
    r"lib(python3|ssl|crypto|ffi|sqlite3|bz2|lzma|uuid|xcb-(cursor|icccm|image|keysyms|render-util|util|xkb|xinput|xinerama)|"
    r"xkbcommon|xkbcommon-x11)[.]so"
)


def build_window(build: Build) -> list[tuple[str, Path]]:
    """Freeze the window into the tree.

    Returns:
        Each library that was taken from this machine and not from a wheel: its name in the package, its file here.
    """
    say("package: freezing the window ...")
    work = build.folder / "freezing"
    shutil.rmtree(work, ignore_errors=True)
    command = [str(tools_python()), "-m", "PyInstaller", "--noconfirm", "--onedir", "--windowed", "--name", NAME]
    command += ["--distpath", str(work / "dist"), "--workpath", str(work), "--specpath", str(work)]
    command += ["--paths", str(build.source), "--noupx", "--log-level", "WARN"]
    if WINDOWS:
        desktop_files.write_ico(build, build.tree / f"{NAME}.ico")
        command += ["--icon", str(build.tree / f"{NAME}.ico")]
    for room in ROOMS:
        command += ["--collect-submodules", room]
    for module in (*parts.NEVER_IN_WINDOW, *QT_UNUSED):
        command += ["--exclude-module", module]
    run([*command, str(build.source / "studio" / "__main__.py")], build)
    frozen = work / "dist" / NAME
    _require_no_trainer(frozen)
    shipped = _from_system(work)
    if not WINDOWS:
        shipped = _trim(frozen / "_internal", shipped)
    for path in frozen.iterdir():
        target = build.tree / path.name
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        shutil.move(path, target)
    return shipped


def _trim(internal: Path, system: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Take away what PyInstaller brought and nobody needs; gives what is left of the machine's own libraries."""
    qt = internal / "PySide6" / "Qt"
    for pattern in PLUGINS_UNUSED:
        _delete(qt / "plugins", pattern)
    for pattern in LIBRARIES_UNUSED:
        _delete(qt / "lib", pattern)
    for pattern in parts.UNUSED_IN_WHEELS:
        _delete(internal, pattern)
    kept = []
    for name, source in system:
        if SHIPPED.match(Path(name).name):
            kept.append((name, source))
        else:
            (internal / name).unlink(missing_ok=True)
    for path in internal.rglob("*"):
        if path.is_symlink() and not path.exists():
            path.unlink()
    return kept


def _delete(folder: Path, pattern: str) -> None:
    for path in sorted(folder.glob(pattern)):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _require_no_trainer(frozen: Path) -> None:
    names = {path.name.split(".")[0] for path in (frozen / "_internal").iterdir()}
    found = sorted(names & set(parts.NEVER_IN_WINDOW))
    if found:
        stop("The frozen window holds what only the worker may hold.", ", ".join(found), "see NEVER_IN_WINDOW.")


def _from_system(work: Path) -> list[tuple[str, Path]]:
    """What PyInstaller wrote down of the binaries that it collected."""
    if WINDOWS:
        return []
    collected = ast.literal_eval(next(work.rglob("COLLECT-00.toc")).read_text(encoding="utf-8"))
    system = []
    for name, source, kind in next(entry for entry in collected if isinstance(entry, list)):
        if kind == "BINARY" and source.startswith(("/usr/lib", "/lib")):
            system.append((name, Path(source)))
    return system
