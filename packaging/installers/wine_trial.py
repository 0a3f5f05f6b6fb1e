"""`dev.py package --check-setup`: installer.iss compiled and its setup run under wine: install, upgrade, uninstall.

What this proves and what not: Inno Setup's own compiler and its real setup program run, and what they leave on the
drive and in the registry is looked at. The tree that they carry is a staged one: our own sources and resources are
real, the two programs (window, interpreter) are stand-ins, because a Windows Python cannot be had on Linux. Wine is
32-bit, so the lines that refuse 32-bit systems are left out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from environment import ROOT, say, stop

from installers import checking, layout, windows_setup
from installers.layout import OUT, PACKAGING, Build

USER = "maria"
PREFIX = f"home/{USER}/.wine"
PACKAGES = ("wine", "wine32", "xvfb", "xauth")
NPM = "innosetup-compiler@6.3.1"
STAND_IN = "usr/lib/i386-linux-gnu/wine/i386-windows/notepad.exe"
LOCAL = f"drive_c/users/{USER}/AppData/Local"
INSTALLED = f"{LOCAL}/Programs/Apprentice Studio"
DATA = f"{LOCAL}/apprentice-studio"
MENU = f"drive_c/users/{USER}/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Apprentice Studio.lnk"
OLDER, NEWER = "0.0.9", "0.1.0"
SLICE_BYTES = 2_000_000
"""Of the setup of the edition cuda in this trial: the staged tree is small."""
QUIET = ("/VERYSILENT", "/SUPPRESSMSGBOXES", "/NORESTART")


def check_setup(build: Build, root: Path | None) -> int:
    """Run all of it; writes the result beside the pictures of the other check."""
    layout.require_programs({"debootstrap": "debootstrap", "unshare": "util-linux", "npm": "npm"})
    lower = root or OUT / "check" / "wine"
    if not os.path.lexists(lower / "usr" / "bin" / "wine"):  # a link that leads out of the root
        prepare_wine(build, lower)
    compiler = fetch_compiler(build, lower)
    trial = Trial(lower)
    with trial.mounted():
        found = list(steps(build, trial, compiler))
    failed = [words for words, is_so in found if not is_so]
    for words, is_so in found:
        say(f"check-setup: {'ok  ' if is_so else 'FAIL'} {words}")
    result = OUT / "check" / "setup.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    told = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "version": build.version, "steps": found}
    result.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 1 if failed else 0


class Trial:
    """A 32-bit Debian with wine in it, run as an ordinary user in a namespace without network."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.prefix = root / PREFIX

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """A fresh Windows drive; what wine needs of the system is mounted meanwhile."""
        shutil.rmtree(self.prefix, ignore_errors=True)
        for folder in ("proc", "dev"):
            subprocess.run(["mount", "--bind", f"/{folder}", str(self.root / folder)], check=True)
        try:
            self.wine("wineboot", "-i")
            self.wine("winecfg", "-v", "win10")
            yield
        finally:
            self.wine("wineserver", "-k")
            for folder in ("dev", "proc"):
                subprocess.run(["umount", "--lazy", str(self.root / folder)], check=True)

    def wine(self, *words: str) -> int:
        """Run a command to its end; gives its exit code."""
        environment = ["env", "-i", f"HOME=/home/{USER}", f"USER={USER}", "PATH=/usr/bin:/bin", "LANG=C.UTF-8"]
        environment += [f"WINEPREFIX=/{PREFIX}", "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml="]
        alone = ["unshare", "--net", "chroot", f"--userspec={USER}:{USER}", str(self.root), *environment]
        # The X server stays until the last process is gone: an uninstaller goes on as a copy of itself.
        wait = ["sh", "-c", '"$@"; code=$?; wineserver -w; exit $code', "sh"]
        command = [*alone, "xvfb-run", "-a", *wait, *words]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=900)
        with (OUT / "build.log").open("a", encoding="utf-8") as log:
            log.write("\n$ " + " ".join(command) + "\n" + done.stdout + done.stderr)
        return done.returncode

    def registry(self) -> str:
        """The user's registry as wine keeps it."""
        return (self.prefix / "user.reg").read_text(encoding="utf-8", errors="replace")


def steps(build: Build, trial: Trial, compiler: str) -> Iterator[tuple[str, bool]]:
    """What is done, in order, and whether it came out as promised."""
    place, data = trial.prefix / INSTALLED, trial.prefix / DATA
    for version in (OLDER, NEWER):
        stage(trial.root, version)
        yield f"the script compiles (version {version})", compile_setup(trial, compiler, version) == 0
    yield "the older version installs silently, without rights", install(trial, OLDER) == 0
    files = _names(place)
    yield "every file of the tree stands in the user's own folder", _names(trial.root / "stage" / OLDER) <= files
    yield "the start menu has it", (trial.prefix / MENU).is_file()
    registry = trial.registry()
    yield (
        "jobs, update notes and datasets are known to belong to it",
        all(
            f"[Software\\\\Classes\\\\{name}" in registry
            for name in (
                ".apprentice-job",
                ".apprentice-update",
                ".jsonl\\\\OpenWithProgids",
                "ApprenticeStudio.Dataset",
            )
        ),
    )
    yield "nothing was written into the folders of the whole machine", not _machine_wide(trial)
    write_data(data)
    yield "the newer version installs over it", install(trial, NEWER) == 0
    yield "what only the older one had is gone", not (place / "worker" / "Lib" / "site-packages" / "old.py").exists()
    described = json.loads((place / "package.json").read_text(encoding="utf-8"))
    yield "the newer one stands there", described["version"] == NEWER
    registry = trial.registry()
    yield (
        "one program is listed, the newer",
        registry.count('"DisplayName"="Apprentice Studio"') == 1 and (f'"DisplayVersion"="{NEWER}"' in registry),
    )
    yield "runs and models are untouched", _names(data) == DATA_FILES
    yield "it uninstalls silently", uninstall(trial) == 0
    yield "nothing of the program is left", not place.exists() and not (trial.prefix / MENU).exists()
    yield "its file types are gone", "ApprenticeStudio" not in trial.registry()
    yield "runs and models are kept", _names(data) == DATA_FILES
    yield (
        "with /REMOVEDATA=yes they go, too",
        (install(trial, NEWER) == 0 and uninstall(trial, "/REMOVEDATA=yes") == 0 and not data.exists()),
    )
    yield from spanning(trial, compiler)
    (data / "papers").mkdir(parents=True)
    (data / "papers" / "mine.txt").write_text("not the program's")
    yield (
        "a folder of that name without our mark is never deleted",
        (
            install(trial, NEWER) == 0
            and uninstall(trial, "/REMOVEDATA=yes") == 0
            and (data / "papers" / "mine.txt").is_file()
        ),
    )


def spanning(trial: Trial, compiler: str) -> Iterator[tuple[str, bool]]:
    """The edition cuda comes in several files; here they are small ones."""
    place, out = trial.prefix / INSTALLED, trial.root / "stage" / "out"
    for old in out.glob("*.bin"):
        old.unlink()
    compiled = compile_setup(trial, compiler, NEWER, "cuda", f"/DSlice={SLICE_BYTES}") == 0
    slices = [path.stat().st_size for path in out.glob("*-cuda-*.bin")]
    yield "the edition cuda comes in several files", compiled and len(slices) > 1 and max(slices) <= SLICE_BYTES
    yield "it installs from them", install(trial, NEWER, "cuda") == 0
    yield "every file of its tree stands there", _names(trial.root / "stage" / NEWER) <= _names(place)
    yield "it uninstalls, too", uninstall(trial) == 0 and not place.exists()


DATA_FILES = {"runs/.apprentice-studio", "runs/run-1/adapter.safetensors", "models/.apprentice-studio", "models.json"}


def write_data(data: Path) -> None:
    """What a user has after some work."""
    for name in DATA_FILES:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("mine")
    subprocess.run(["chown", "-R", "--reference", str(data.parent), str(data)], check=True)


def stage(root: Path, version: str) -> None:
    """A tree as it is laid out on Windows, with stand-ins for what only Windows can build."""
    tree = root / "stage" / version
    shutil.rmtree(tree, ignore_errors=True)
    packages = tree / "worker" / "Lib" / "site-packages"
    packages.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "studio", packages / "studio", ignore=ignore)
    shutil.copytree(ROOT / "resources", tree / "resources")
    (tree / "licences").mkdir()
    shutil.copy(ROOT / "LICENSE", tree / "licences" / "Apprentice-Studio.txt")
    shutil.copy(PACKAGING / "windows" / "apprentice.cmd", tree / "apprentice.cmd")
    (tree / "_internal").mkdir()
    (tree / "_internal" / "base_library.zip").write_bytes(b"")
    for name in ("apprentice-studio.exe", "worker/python.exe"):
        shutil.copy(root / STAND_IN, tree / name)
    shutil.copy(next((root / "opt" / "inno").rglob("SetupClassicIcon.ico")), tree / "apprentice-studio.ico")
    (tree / "package.json").write_text(json.dumps({"version": version, "edition": "cpu"}), encoding="utf-8")
    if version == OLDER:
        (packages / "old.py").write_text("removed = True\n", encoding="utf-8")
    (root / "stage" / "out").mkdir(exist_ok=True)
    shutil.copy(PACKAGING / "windows" / "installer.iss", root / "stage" / "installer.iss")
    subprocess.run(["chown", "-R", f"{_user_id(root)}", str(root / "stage")], check=True)


def compile_setup(trial: Trial, compiler: str, version: str, edition: str = "cpu", *more: str) -> int:
    """Inno Setup's compiler over the staged tree."""
    words = windows_setup.arguments(version, edition, f"Z:\\stage\\{version}", "Z:\\stage\\out")
    trial_words = ("/DAnyArchitecture", "/DFast", *more)
    return trial.wine("wine", compiler, "/Q", *words, *trial_words, "Z:\\stage\\installer.iss")


def install(trial: Trial, version: str, edition: str = "cpu") -> int:
    """The setup, silently."""
    return trial.wine("wine", f"Z:\\stage\\out\\apprentice-studio-{version}-windows-x86_64-{edition}.exe", *QUIET)


def uninstall(trial: Trial, *words: str) -> int:
    """The installed uninstaller, silently."""
    return trial.wine("wine", str(Path(f"/{PREFIX}") / INSTALLED / "unins000.exe"), *QUIET, *words)


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _machine_wide(trial: Trial) -> list[Path]:
    drive = trial.prefix / "drive_c"
    places = ("Program Files", "ProgramData", "windows")
    return [path for place in places for path in (drive / place).rglob("*pprentice*")]


def _user_id(root: Path) -> int:
    for line in (root / "etc" / "passwd").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{USER}:"):
            return int(line.split(":")[2])
    stop(f"There is no user {USER} in {root}.")


def fetch_compiler(build: Build, root: Path) -> str:
    """Inno Setup's compiler from its npm package; gives its path as wine sees it."""
    place = root / "opt" / "inno"
    if not list(place.rglob("ISCC.exe")):
        place.mkdir(parents=True, exist_ok=True)
        packed = layout.run(["npm", "pack", "--silent", NPM], build, place).split()[-1]
        layout.run(["tar", "-xzf", packed], build, place)
    found = next(place.rglob("ISCC.exe")).relative_to(root)
    return "Z:\\" + str(found).replace("/", "\\")


def prepare_wine(build: Build, root: Path) -> None:
    """A 32-bit Debian with wine: beside a 64-bit system wine32 may not install, in a root of its own it does."""
    say(f"check-setup: making a 32-bit {checking.RELEASE} with wine in {root} (some minutes, once) ...")
    shutil.rmtree(root, ignore_errors=True)
    checking.bootstrap(build, root, PACKAGES, "--arch=i386")
    layout.run(["chroot", str(root), "useradd", "--create-home", USER], build)
