"""What the built program asks of the system: the C library's version, and libraries that it does not bring."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from environment import QT_LIBRARIES, stop

# Every Linux with a desktop has them, and PyInstaller leaves them out on purpose. Debian's names.
DESKTOP_LIBRARIES = {
    **QT_LIBRARIES,
    "libX11.so.6": "libx11-6",
    "libxcb.so.1": "libxcb1",
    "libXext.so.6": "libxext6",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libzstd.so.1": "libzstd1",
    "libXi.so.6": "libxi6",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libGLX.so.0": "libglx0",
    "libOpenGL.so.0": "libopengl0",
    "libdrm.so.2": "libdrm2",
    "libgbm.so.1": "libgbm1",
    "libz.so.1": "zlib1g",
    "libstdc++.so.6": "libstdc++6",
    "libgcc_s.so.1": "libgcc-s1",
    "libgomp.so.1": "libgomp1",
}
C_LIBRARY = re.compile(r"^(ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libutil|libresolv|libmvec)\.so\.\d+$")
# Plugins of Qt for other desktops, and drivers: loaded where they are, not missed where they are not.
OPTIONAL = re.compile(
    r"^(libcuda|libnvidia|libwayland|libgtk-3|libgdk|libpango|libatk|libcairo|libgdk_pixbuf|libgio|"
    r"libgobject|libgmodule|libgthread|libharfbuzz|libinput|libudev|libmtdev|libevdev|libts|libnuma)"
)


def elf_files(folder: Path) -> list[Path]:
    """Programs and shared libraries for Linux; links are left out."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.stat().st_size < 64:
            continue
        with path.open("rb") as file:
            if file.read(4) == b"\x7fELF":
                found.append(path)
    return found


def glibc_version(files: list[Path]) -> str:
    """The highest version of glibc whose symbols any of the files wants, such as 2.34."""
    highest = (2, 17)
    for path in files:
        told = subprocess.run(["objdump", "-T", str(path)], capture_output=True, text=True, errors="replace").stdout
        wanted = [(int(a), int(b)) for a, b in re.findall(r"\*UND\*.*?\(?GLIBC_(\d+)\.(\d+)", told)]
        highest = max([highest, *wanted])
    return ".".join(map(str, highest))


def system_packages(files: list[Path], patchelf: str) -> list[str]:
    """Debian packages of the libraries that the files load and the tree does not bring."""
    brought = {path.name for path in files} | {_soname(path, patchelf) for path in files}
    missing: dict[str, str] = {}
    for path in files:
        told = subprocess.run([patchelf, "--print-needed", str(path)], capture_output=True, text=True).stdout
        for name in told.split():
            if name not in brought and not C_LIBRARY.match(name) and not OPTIONAL.match(name):
                missing.setdefault(name, path.name)
    unknown = [f"{name} (for {user})" for name, user in missing.items() if name not in DESKTOP_LIBRARIES]
    if unknown:
        stop("The packages need libraries that nobody is told of.", ", ".join(unknown), "see installers/needs.py.")
    return sorted({DESKTOP_LIBRARIES[name] for name in missing})


def _soname(path: Path, patchelf: str) -> str:
    return subprocess.run([patchelf, "--print-soname", str(path)], capture_output=True, text=True).stdout.strip()
