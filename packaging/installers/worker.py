"""The worker's environment: the moved interpreter with every pinned wheel, less what nobody runs."""

from __future__ import annotations

import shutil
from pathlib import Path

from environment import say

from installers import parts, wheelhouse
from installers.interpreter import LIBRARY, copy_interpreter
from installers.layout import WINDOWS, Build, run


def build_worker(build: Build) -> Path:
    """Make the folder `worker` of the tree; gives its interpreter."""
    say("package: copying the interpreter ...")
    place = build.tree / "worker"
    python = copy_interpreter(build, place)
    wheelhouse.install(build, python)
    packages = site_packages(build)
    # One copy of the program's own files, for window and worker alike.
    shutil.rmtree(build.tree / "resources", ignore_errors=True)
    shutil.move(packages / "studio" / "resources", build.tree / "resources")
    _prune(build, packages)
    _compile(build, python)
    return python


def site_packages(build: Build) -> Path:
    """Where the worker's libraries lie."""
    return build.tree / "worker" / ("Lib" if WINDOWS else f"lib/{LIBRARY}") / "site-packages"


def _prune(build: Build, packages: Path) -> None:
    for pattern in (*parts.UNUSED_IN_WHEELS, *parts.UNUSED_IN_EDITION[build.edition]):
        for path in sorted(packages.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    # What pip writes to start programs names the folder of this machine; nothing in it is started.
    for path in (build.tree / "worker" / ("Scripts" if WINDOWS else "bin")).glob("*"):
        if not path.name.startswith("python"):
            path.unlink()


def _compile(build: Build, python: Path) -> None:
    """Byte code for all of it: the user may not write there. By hash, so that no file's date decides."""
    say("package: compiling the worker's libraries ...")
    place = build.tree / "worker"
    for path in [*place.rglob("__pycache__")]:
        shutil.rmtree(path)
    mode = ["--invalidation-mode", "unchecked-hash", "-q", "-j", "0", "-s", str(build.tree), "-p", build.tree.name]
    library = place / ("Lib" if WINDOWS else "lib")
    # Templates of other languages lie among the sources of some wheels: compileall says so, and goes on.
    code = "import compileall, sys; sys.argv[0] = 'compileall'; compileall.main()"
    run([str(python), "-I", "-c", code, *mode, str(library)], build)
