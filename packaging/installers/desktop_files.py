"""What a Linux desktop wants to know of a program: entry, icons, kinds of files, manual pages, licences."""

from __future__ import annotations

import gzip
import shutil
import struct
import tempfile
import time
from pathlib import Path

from installers.layout import NAME, Build, run
from installers.wheelhouse import tools_python

ICON_SIZES = (16, 24, 32, 48, 64, 128, 256, 512)
LINUX = "packaging/linux"

RENDER = """
import sys
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer
application = QGuiApplication(["render", "-platform", "offscreen"])
renderer = QSvgRenderer(sys.argv[1])
for size, path in zip(sys.argv[2::2], sys.argv[3::2]):
    image = QImage(int(size), int(size), QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter)
    painter.end()
    if not image.save(path):
        raise SystemExit(f"{path} cannot be written")
"""


def write_share(build: Build, share: Path) -> None:
    """Fill a folder as it lies under /usr/share."""
    source = build.source / LINUX
    for entry in (f"{NAME}.desktop", f"{NAME}-job.desktop"):
        _copy(source / entry, share / "applications" / entry)
    _copy(source / f"{NAME}.xml", share / "mime" / "packages" / f"{NAME}.xml")
    write_icons(build, share / "icons" / "hicolor")
    date = time.strftime("%Y-%m-%d", time.gmtime(build.epoch))
    page = (source / f"{NAME}.1").read_text(encoding="utf-8").replace("@DATE@", date)
    _write_page(share / "man" / "man1" / f"{NAME}.1.gz", page.replace("@VERSION@", build.version))
    python = str(build.tree / "worker" / "bin" / "python3")
    told = run([python, "-I", str(build.source / "packaging" / "man_page.py"), date], build)
    _write_page(share / "man" / "man1" / "apprentice.1.gz", told)


def write_icons(build: Build, hicolor: Path) -> None:
    """The program's icon, drawn and in every usual size."""
    drawn = build.source / "resources" / "icons" / "apprentice.svg"
    _copy(drawn, hicolor / "scalable" / "apps" / f"{NAME}.svg")
    wanted = []
    for size in ICON_SIZES:
        place = hicolor / f"{size}x{size}" / "apps" / f"{NAME}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        wanted += [str(size), str(place)]
    run([str(tools_python()), "-c", RENDER, str(drawn), *wanted], build)


def write_ico(build: Build, path: Path) -> None:
    """The icon as Windows wants it: a directory of pictures, PNG inside."""
    sizes = [size for size in ICON_SIZES if size <= 256]
    drawn = build.source / "resources" / "icons" / "apprentice.svg"
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / f"{size}.png" for size in sizes]
        words = [word for size, place in zip(sizes, places, strict=True) for word in (str(size), str(place))]
        run([str(tools_python()), "-c", RENDER, str(drawn), *words], build)
        pictures = [place.read_bytes() for place in places]
    head, offset = struct.pack("<HHH", 0, 1, len(sizes)), 6 + 16 * len(sizes)
    for size, picture in zip(sizes, pictures, strict=True):
        head += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(picture), offset)
        offset += len(picture)
    path.write_bytes(head + b"".join(pictures))


def _write_page(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
