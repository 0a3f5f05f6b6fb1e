"""The finished files for Linux: a .deb, a .tar.zst, and their checksums. Same tree in, same bytes out."""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from pathlib import Path

from environment import say, stop

from installers import desktop_files
from installers.layout import NAME, OUT, Build, run, sha256, size_bytes

MAINTAINER = "Apprentice Studio developers <packages@apprentice-studio.invalid>"
ZSTD_LEVEL = "6"
ABOUT = """\
Fine-tune language models on your own computer, in a window: import of data,
plain settings, live plots, chat with what was learned beside the original.
Nothing leaves the computer; a small model and a sample are built in.
.
Python, PyTorch and everything else it needs are inside, in /opt/apprentice-studio:
nothing is downloaded when it is installed or started."""


def make_deb(build: Build, packages: list[str], glibc: str) -> Path:
    """A package for Debian and Ubuntu. It has no scripts: desktop, MIME and manual are dpkg's own triggers."""
    say("package: making the .deb ...")
    root = build.folder / "deb"
    shutil.rmtree(root, ignore_errors=True)
    (root / "opt").mkdir(parents=True)
    run(["cp", "-al", str(build.tree), str(root / "opt" / NAME)], build)  # links: the tree is large
    shutil.rmtree(root / "opt" / NAME / "share")
    shutil.copytree(build.tree / "share", root / "usr" / "share")
    (root / "usr" / "bin").mkdir()
    for program in (NAME, "apprentice"):
        (root / "usr" / "bin" / program).symlink_to(f"../../opt/{NAME}/{program}")
    about = root / "usr" / "share" / "doc" / NAME
    about.mkdir(parents=True)
    shutil.copy(build.tree / "licences" / "copyright", about / "copyright")
    (root / "DEBIAN").mkdir()
    depends = [f"libc6 (>= {glibc})", *packages]
    control = control_text(build.version, depends, size_bytes(build.tree) // 1024)
    (root / "DEBIAN" / "control").write_text(control, encoding="utf-8")
    _one_date(build, root)
    path = OUT / f"{build.stem}.deb"
    compress = ["-Zzstd", f"-z{ZSTD_LEVEL}", "--threads-max=2"]
    run(["dpkg-deb", "--root-owner-group", *compress, "--build", str(root), str(path)], build)
    shutil.rmtree(root)
    return path


def control_text(version: str, depends: list[str], size_kib: int) -> str:
    """DEBIAN/control."""
    fields = {
        "Package": NAME,
        "Version": version,
        "Architecture": "amd64",
        "Maintainer": MAINTAINER,
        "Installed-Size": str(size_kib),
        "Depends": ", ".join(depends),
        "Recommends": "fonts-dejavu-core | fonts-liberation | fonts-noto-core",
        "Section": "science",
        "Priority": "optional",
        "Description": "teach a language model with your own examples, offline",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + textwrap.indent(ABOUT, " ") + "\n"


def make_tarball(build: Build) -> Path:
    """For other distributions: unpacked anywhere, it runs where it lies."""
    say("package: making the .tar.zst ...")
    _one_date(build, build.tree)
    path = OUT / f"{build.stem}.tar.zst"
    path.unlink(missing_ok=True)
    tar = ["tar", "--sort=name", "--format=gnu", "--owner=0", "--group=0", "--numeric-owner", f"--mtime=@{build.epoch}"]
    with subprocess.Popen([*tar, "-C", str(build.folder), "-cf", "-", NAME], stdout=subprocess.PIPE) as packing:
        pressing = subprocess.run(["zstd", "-q", f"-{ZSTD_LEVEL}", "-T2", "-o", str(path)], stdin=packing.stdout)
    if packing.returncode or pressing.returncode:
        stop(f"{path.name} could not be written.", "tar or zstd failed; see what they printed.")
    return path


def write_sums(build: Build) -> Path:
    """SHA256SUMS over everything that is handed out, of every edition that was built."""
    path = OUT / "SHA256SUMS"
    files = sorted(file for file in OUT.glob(f"{NAME}-{build.version}-*") if file.is_file())
    path.write_text("".join(f"{sha256(file)}  {file.name}\n" for file in files), encoding="utf-8")
    return path


def prepare_share(build: Build) -> None:
    """Desktop files beside the program: the .deb spreads them, whoever unpacks the archive can."""
    desktop_files.write_share(build, build.tree / "share")


def _one_date(build: Build, root: Path) -> None:
    """Every file bears the date of the sources, and may be read by everyone and changed by its owner."""
    for folder, names, files in os.walk(root):
        for name in [*names, *files]:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.path.isdir(path) or os.access(path, os.X_OK) else 0o644)
            os.utime(path, (build.epoch, build.epoch), follow_symlinks=False)
    root.chmod(0o755)
