"""The setup for Windows, by Inno Setup's compiler: on Windows itself, elsewhere under wine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from environment import say, stop

from installers.layout import OUT, PACKAGING, WINDOWS, Build, run

COMPILER = "ISCC.exe"
USUAL = ("Program Files (x86)/Inno Setup 6", "Program Files/Inno Setup 6")


def make_setup(build: Build) -> Path:
    """Compile installer.iss over the tree; APPRENTICE_ISCC names the compiler where it is not in its usual place."""
    say("package: compiling the setup ...")
    for old in OUT.glob(f"{build.stem}*.bin"):  # an earlier build may have had more of them
        old.unlink()
    words = arguments(build.version, build.edition, str(build.tree), str(OUT))
    run([str(find_compiler()), "/Q", *words, str(PACKAGING / "windows" / "installer.iss")], build)
    return OUT / f"{build.stem}.exe"


def arguments(version: str, edition: str, tree: str, out: str) -> list[str]:
    """What the script is told; paths as the compiler's own system writes them."""
    return [f"/DVersion={version}", f"/DEdition={edition}", f"/DTree={tree}", f"/DOut={out}"]


def find_compiler() -> Path:
    """Inno Setup's compiler on this machine."""
    named = os.environ.get("APPRENTICE_ISCC") or shutil.which(COMPILER)
    found = [Path(named)] if named else []
    if WINDOWS:
        drive = os.environ.get("SYSTEMDRIVE", "C:")
        found += [Path(f"{drive}/{folder}/{COMPILER}") for folder in USUAL]
    for path in found:
        if path.is_file():
            return path
    stop(
        "Inno Setup 6 is not on this machine.",
        f"{COMPILER} is neither on the PATH nor named by APPRENTICE_ISCC.",
        "install it, or `npm install innosetup-compiler` and name bin/ISCC.exe in it.",
    )
