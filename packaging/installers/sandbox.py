"""A fresh Debian without a network, in which the packages are tried: its files are watched, nothing of it stays.

Everything here runs as root inside namespaces of its own (see checking.py): no network device but a lo that is down,
mounts and processes that nobody else sees. The system below is never written to: an overlay takes all changes, and so
tells exactly what was written.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

USER = "maria"
HOME = f"home/{USER}"
DISPLAY = ":7"
# Written by X11 and the system for any program; no work of ours.
OF_THE_SYSTEM = ("tmp/.X11-unix", "tmp/.X7-lock", "run/user", "dev", "proc", "sys")


class Sandbox:
    """One fresh system.

    Attributes:
        root: The system as it is now.
        changed: What was written since it was fresh: the overlay's upper side.
    """

    def __init__(self, lower: Path, place: Path) -> None:
        self.lower, self.root, self.changed = lower, place / "root", place / "changed"
        for folder in (self.root, self.changed, place / "overlay"):
            folder.mkdir(parents=True)
        sides = f"lowerdir={lower},upperdir={self.changed},workdir={place / 'overlay'}"
        _mount("-t", "overlay", "overlay", "-o", sides, str(self.root))
        _mount("-t", "proc", "proc", str(self.root / "proc"))
        _mount("--bind", "/dev", str(self.root / "dev"))
        _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(self.root / "dev" / "shm"))
        for path in (self.root / "usr" / "bin").glob("python3*"):  # openbox brings one: ours must not lean on it
            path.unlink()
        self.run(["useradd", "--create-home", "--shell", "/bin/bash", USER])
        for path in (self.root / HOME).iterdir():  # an empty HOME, without what a new account gets
            path.unlink()

    def command(self, words: list[str], as_root: bool = False) -> list[str]:
        """The command line that runs something in the sandbox, as the user unless said otherwise."""
        environment = ["env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8"]
        if as_root:
            return ["chroot", str(self.root), *environment, "HOME=/", "DEBIAN_FRONTEND=noninteractive", *words]
        own = [f"HOME=/{HOME}", f"USER={USER}", f"LOGNAME={USER}", f"DISPLAY={DISPLAY}"]
        return ["chroot", f"--userspec={USER}:{USER}", str(self.root), *environment, *own, *words]

    def run(self, words: list[str], as_root: bool = True, seconds: float = 600) -> str:
        """Run it to its end; raises RuntimeError with what it said where it fails."""
        done = subprocess.run(
            self.command(words, as_root), capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {(done.stderr or done.stdout)[-800:]}")
        return done.stdout

    def start(self, words: list[str], as_root: bool = False) -> subprocess.Popen[bytes]:
        """Start it beside us; what it says goes to the trial's own log."""
        log = open(self.changed.parent / "said.log", "ab")  # noqa: SIM115 - belongs to the process
        folder = None if as_root else str(self.root / HOME)
        return subprocess.Popen(self.command(words, as_root), stdout=log, stderr=log, cwd=folder)

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """Every changed file with size and time, but for those of the system itself."""
        found: dict[str, tuple[int, int]] = {}
        for folder, names, files in os.walk(self.changed):
            inside = os.path.relpath(folder, self.changed)
            names[:] = [name for name in names if not _of_the_system(os.path.normpath(os.path.join(inside, name)))]
            for name in [*files, *names]:
                path = os.path.normpath(os.path.join(inside, name))
                if _of_the_system(path):
                    continue
                state = os.lstat(os.path.join(folder, name))
                is_folder = name in names and not os.path.islink(os.path.join(folder, name))
                if is_folder and (self.lower / path).is_dir():
                    continue  # it was there before; the overlay has it because of what lies in it
                found[path] = (-1, 0) if is_folder else (state.st_size, state.st_mtime_ns)
        return found


def written_between(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> list[str]:
    """Paths that came, went or changed outside the user's home."""
    differing = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return sorted(path for path in differing if not (path + "/").startswith(HOME + "/"))


def _of_the_system(path: str) -> bool:
    return any(path == own or path.startswith(own + "/") for own in OF_THE_SYSTEM)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True, text=True)
