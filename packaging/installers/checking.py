"""`dev.py package --check`: the built packages in a fresh Debian 12, without a network, used by keys alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from environment import say, stop

from installers import layout, report
from installers.layout import OUT, PACKAGING, Build

RELEASE = "bookworm"
# A desktop's usual libraries, the X server, and the hand on the keys.
DESKTOP = (
    "xvfb",
    "xauth",
    "xdotool",
    "openbox",
    "imagemagick",
    "fonts-dejavu-core",
    "libgl1",
    "libegl1",
    "libfontconfig1",
    "libdbus-1-3",
    "libglib2.0-0",
    "libxkbcommon-x11-0",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-image0",
    "libxcb-keysyms1",
    "libxcb-render-util0",
    "libxcb-shape0",
    "libxcb-glx0",
    "desktop-file-utils",
    "shared-mime-info",
    "hicolor-icon-theme",
    "xdg-utils",
    "man-db",
    "zstd",
)


def check(build: Build, root: Path | None) -> int:
    """Try what lies in out/packages; writes the result into docs/packaging.md."""
    if os.geteuid() != 0:
        stop("The check makes a system of its own and needs root for it.", fix="run it as root, or with sudo.")
    layout.require_programs({"debootstrap": "debootstrap", "unshare": "util-linux"})
    if not list(OUT.glob(f"{build.stem}.deb")):
        stop(f"There are no packages of the edition {build.edition}.", fix="run `dev.py package` first.")
    lower = root or OUT / "check" / "system"
    if not (lower / "usr" / "bin" / "xdotool").exists():
        prepare_system(build, lower)
    result = OUT / "check" / "result.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="apprentice-check-", dir=OUT / "check"))
    alone = ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]
    trial = [sys.executable, "-m", "installers.trial", str(lower), str(place), str(_only(build, place)), str(result)]
    try:
        code = subprocess.run([*alone, *trial], cwd=PACKAGING, env=build.environment).returncode
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if result.is_file():
        report.write(build, json.loads(result.read_text(encoding="utf-8")))
    say(f"check: {'all as promised' if code == 0 else 'NOT as promised'}; {result}, pictures beside it")
    return code


def _only(build: Build, place: Path) -> Path:
    """A folder with this build's packages alone."""
    folder = place / "packages"
    folder.mkdir()
    for suffix in (".deb", ".tar.zst"):
        (folder / f"{build.stem}{suffix}").symlink_to(OUT / f"{build.stem}{suffix}")
    return folder


def prepare_system(build: Build, lower: Path) -> None:
    """Debian with what a desktop has; this needs the network, once."""
    say(f"check: making a fresh {RELEASE} in {lower} (a few minutes, once) ...")
    shutil.rmtree(lower, ignore_errors=True)
    bootstrap(build, lower, DESKTOP)


def bootstrap(build: Build, root: Path, packages: tuple[str, ...], *options: str) -> None:
    """A minimal Debian with some packages."""
    root.parent.mkdir(parents=True, exist_ok=True)
    layout.run(["debootstrap", "--variant=minbase", *options, RELEASE, str(root), *_mirror()], build)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(Path("/etc") / name, root / "etc" / name)
    for path in Path("/etc/apt/apt.conf.d").iterdir():
        shutil.copy(path, root / "etc" / "apt" / "apt.conf.d" / path.name)
    for words in (["update"], ["install", "--yes", "--no-install-recommends", *packages], ["clean"]):
        layout.run(["chroot", str(root), "apt-get", *words], build, DEBIAN_FRONTEND="noninteractive")


def _mirror() -> list[str]:
    """The mirror that this machine itself is set up with; debootstrap's own where none is found."""
    for path in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("URIs:"):
                return [line.split()[1]]
    return []
