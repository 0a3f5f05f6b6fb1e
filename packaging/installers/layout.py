"""What is built, from what, and where it lies: versions, dates, folders, and how other programs are run."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from environment import ROOT, say, stop

OUT = ROOT / "out" / "packages"
PACKAGING = ROOT / "packaging"
NAME = "apprentice-studio"
EDITIONS = ("cpu", "cuda")
WINDOWS = os.name == "nt"


@dataclass(frozen=True)
class Build:
    """One edition's build.

    Attributes:
        epoch: Seconds since 1970 of the last commit; every file of the packages bears it.
    """

    edition: str
    version: str
    commit: str
    epoch: int

    @property
    def folder(self) -> Path:
        """Where this edition is put together."""
        return OUT / self.edition

    @property
    def tree(self) -> Path:
        """The installed program, as it will lie on the user's disk."""
        return self.folder / NAME

    @property
    def source(self) -> Path:
        """The tracked files, copied: nothing that lies about in the checkout gets into a package."""
        return self.folder / "source"

    @property
    def wheels(self) -> Path:
        """Every wheel that the worker's environment is installed from."""
        return self.folder / "wheels"

    @property
    def stem(self) -> str:
        """How the names of the finished files begin, such as apprentice-studio-0.1.0-linux-x86_64-cpu."""
        system = "windows" if WINDOWS else "linux"
        return f"{NAME}-{self.version}-{system}-x86_64-{self.edition}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the tools: the same results on every machine, as far as they can."""
        return {
            **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")},
            "SOURCE_DATE_EPOCH": str(self.epoch),
            "PYTHONHASHSEED": "1",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }


def this_build(edition: str) -> Build:
    """What would be built now; a checkout without git has the date of its pyproject.toml."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    version = str(declared["project"]["version"])
    told = subprocess.run(
        ["git", "-C", str(ROOT), "log", "-1", "--format=%H %ct"], capture_output=True, text=True, check=False
    )
    commit, _, seconds = told.stdout.strip().partition(" ")
    epoch = int(seconds) if seconds else int((ROOT / "pyproject.toml").stat().st_mtime)
    return Build(edition, version, commit, int(os.environ.get("SOURCE_DATE_EPOCH", epoch)))


def copy_source(build: Build) -> None:
    """Copy what git knows of the checkout or would take in, in the state that it has now."""
    shutil.rmtree(build.source, ignore_errors=True)
    told = run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], build)
    listed = told.split("\0")
    for name in filter(None, listed):
        if name.startswith(("tests/", "benchmarks/", "docs/screenshots/")) or not (ROOT / name).is_file():
            continue
        (build.source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, build.source / name)


def run(command: list[str], build: Build, folder: Path | None = None, **variables: str) -> str:
    """Run a tool to its end; ends the build with its last words where it fails.

    Returns:
        What it printed on stdout.
    """
    log = OUT / "build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command,
        cwd=folder or ROOT,
        env={**build.environment, **variables},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    with log.open("a", encoding="utf-8") as file:
        file.write("\n$ " + " ".join(command) + "\n" + done.stdout + done.stderr)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        stop(f"{Path(command[0]).name} failed (exit code {done.returncode}).", " ".join(last), f"read {log}.")
    return done.stdout


def require_programs(programs: dict[str, str]) -> None:
    """End with the command that installs what is missing. `programs`: name -> Debian package."""
    missing = [package for name, package in programs.items() if shutil.which(name) is None]
    if missing:
        stop(f"Programs are missing: {', '.join(missing)}.", fix=f"apt-get install {' '.join(missing)}, then again.")


def require_interpreter() -> None:
    """The interpreter that builds is the one that is shipped: it must be one that can be moved."""
    if sys.version_info[:2] != (3, 11):
        say(f"packages are tested with Python 3.11; this is {sys.version_info[0]}.{sys.version_info[1]}.")
    base = Path(sys.base_prefix)
    if not WINDOWS and not (base / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "os.py").exists():
        stop("This Python's standard library does not lie beside it.", str(base), "use another Python 3.11.")
    if base == Path("/usr"):
        stop(
            "The system's own Python cannot be shipped.",
            "Debian's Python looks for packages in folders of its own (dist-packages), mixed with the system's.",
            "run this command with a Python 3.11 of its own folder: pyenv's, or the one of a CI's setup step.",
        )


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_bytes(folder: Path) -> int:
    """Bytes of all files in a folder; links count as nothing."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
