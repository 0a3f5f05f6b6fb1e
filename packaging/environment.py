"""What this checkout needs before any command: Python, a virtual environment, system libraries. Standard library only.

Everything here is quick when nothing is missing: versions are known by a stamp file, libraries by the linker's own
list, never by asking a package manager. The file must load on an older Python too, to say that it is too old.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CONSTRAINTS = ROOT / "packaging" / "constraints.txt"
STAMP = VENV / "installed.sha256"
INSTALL_LOG = VENV / "install.log"
LOWEST_PYTHON = (3, 11)

# What Qt's X11 plugin loads, by the Debian and Ubuntu package that brings it.
QT_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
FONTS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".fonts")
FONT_PACKAGE = "fonts-dejavu-core"
TEST_PROGRAMS = {"Xvfb": "xvfb", "openbox": "openbox"}

NETWORK_SIGNS = (
    "NewConnectionError",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "Connection refused",
    "Max retries exceeded",
    "ReadTimeoutError",
    "ConnectTimeoutError",
    "ProxyError",
    "SSLError",
)


def stop(what: str, why: str = "", fix: str = "") -> NoReturn:
    """Ends the command with one message and exit code 2; expected failures show no traceback."""
    parts = [what] + ([f"Why: {why}"] if why else []) + ([f"What to do: {fix}"] if fix else [])
    print("dev.py: " + "\n        ".join(parts), file=sys.stderr)
    raise SystemExit(2)


def say(text: str) -> None:
    """One line about what goes on, on stderr, so that a command's own output stays clean."""
    print(f"dev.py: {text}", file=sys.stderr, flush=True)


# --- Python --------------------------------------------------------------------------------------------------------


def require_python() -> None:
    """Goes on with a newer Python of this machine where the one in use is too old."""
    if sys.version_info >= LOWEST_PYTHON:
        return
    for name in ("python3.13", "python3.12", "python3.11", "python3.14"):
        found = shutil.which(name)
        if found:
            os.execv(found, [found, *sys.argv])
    have = ".".join(str(part) for part in sys.version_info[:3])
    stop(
        "Python 3.11 or newer is needed.",
        f"this is Python {have} ({sys.executable}), and no newer one is on the PATH.",
        "install Python 3.11 or newer, then run the same command with it.",
    )


def venv_python() -> Path:
    """The interpreter of the project's own environment."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


# --- the virtual environment ---------------------------------------------------------------------------------------


def wanted_state() -> str:
    """A hash over all that decides what is installed; equal hashes mean nothing to do."""
    import tomllib  # not in the older Pythons that must be able to load this file

    digest = hashlib.sha256(f"{sys.version_info[:2]} {ROOT}".encode())
    for path in (CONSTRAINTS, ROOT / "setup.py"):
        digest.update(path.read_bytes())
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    # Not the tools' sections: another line length is no reason to install again.
    installed_by = [declared["build-system"], declared["project"], declared["tool"]["setuptools"]]
    digest.update(json.dumps(installed_by, sort_keys=True).encode())
    return digest.hexdigest()


def is_installed() -> bool:
    """Whether the environment is complete and made from the files as they stand."""
    return venv_python().exists() and STAMP.exists() and STAMP.read_text().strip() == wanted_state()


def prepare_environment() -> None:
    """Makes `.venv` and installs the project with its pinned versions, when anything about them changed."""
    if is_installed():
        return
    with _only_one_at_a_time():
        if is_installed():  # another dev.py was at it while this one waited
            return
        if not venv_python().exists():
            _make_venv()
        STAMP.unlink(missing_ok=True)
        say("installing the pinned packages into .venv (a few minutes the first time) ...")
        pins = ["--constraint", str(CONSTRAINTS)]
        # setuptools first: the project itself is then built without a second, hidden download of it.
        _pip(["install", *pins, "setuptools"])
        _pip(["install", *pins, "--no-build-isolation", "--editable", f"{ROOT}[test]"])
        STAMP.write_text(wanted_state() + "\n")
        say("installed.")


def _make_venv() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        missing = install_system_packages([f"python{version}-venv"], "Python's venv module")
        if missing:
            stop("Python's venv module is missing.", "the system splits it off Python.", f"run: {missing}")
    say("making .venv ...")
    # A fresh interpreter: ensurepip may have been installed a moment ago.
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if made.returncode:
        reason = (made.stderr or made.stdout).strip().splitlines()
        stop(f"The environment {VENV} could not be made.", reason[-1] if reason else "venv gave no reason.")


def _pip(arguments: list[str]) -> None:
    command = [str(venv_python()), "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments]
    lines: list[str] = []
    with open(INSTALL_LOG, "a", encoding="utf-8") as log:
        log.write("\n$ " + " ".join(command) + "\n")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as pip:
            assert pip.stdout is not None
            for line in pip.stdout:
                log.write(line)
                lines.append(line.rstrip())
                if sys.stderr.isatty() and line.startswith(("Collecting", "Downloading", "Installing")):
                    print(f"\r\033[K{line.rstrip()[:100]}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if pip.returncode == 0:
        return
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-3:]
    if any(sign in line for line in lines for sign in NETWORK_SIGNS):
        stop(
            "The packages could not be installed: pip reached no package registry.",
            "this computer is offline, or a proxy or firewall stands between.",
            f"connect once, or point pip to a local mirror (pip config), and run the command again. Log: {INSTALL_LOG}",
        )
    stop("The packages could not be installed.", " ".join(errors), f"the whole output is in {INSTALL_LOG}")


@contextlib.contextmanager
def _only_one_at_a_time() -> Iterator[None]:
    if os.name == "nt":
        yield
        return
    import fcntl

    with open(ROOT / ".venv.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another dev.py is installing; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- system libraries ----------------------------------------------------------------------------------------------


def prepare_system(programs: dict[str, str] | None = None) -> None:
    """Installs what Qt needs from the system, and `programs` (name -> package), where this is allowed.

    Where it is not, says the exact command and goes on: the libraries may lie where this check does not look.
    """
    if not sys.platform.startswith("linux"):
        return
    missing = missing_packages(programs or {})
    if not missing:
        return
    command = install_system_packages(missing, "system libraries for the window")
    if command:
        say(f"missing from this system: {', '.join(missing)}. To install: {command}")


def missing_packages(programs: dict[str, str]) -> list[str]:
    """Debian packages whose library, font or program is not on this machine, in the table's order."""
    known = _linkable_libraries()
    missing = [] if known is None else [package for name, package in QT_LIBRARIES.items() if name not in known]
    if not any(next(folder.rglob("*.[ot]tf"), None) for folder in FONTS if folder.is_dir()):
        missing.append(FONT_PACKAGE)
    missing += [package for program, package in programs.items() if shutil.which(program) is None]
    return missing


def _linkable_libraries() -> set[str] | None:
    """Names of the shared libraries that the linker knows, or None where it cannot be asked."""
    ldconfig = shutil.which("ldconfig", path=os.environ.get("PATH", "") + ":/sbin:/usr/sbin")
    if ldconfig is None:
        return None
    listed = subprocess.run([ldconfig, "-p"], capture_output=True, text=True)
    return {line.split()[0] for line in listed.stdout.splitlines() if " => " in line} or None


def install_system_packages(packages: list[str], purpose: str) -> str:
    """Installs Debian packages as root or by passwordless sudo.

    Returns:
        "" when all are installed, else the command that a person with the right to do so can run.
    """
    by_hand = f"sudo apt-get update && sudo apt-get install --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        return f"your system's package manager, for what Debian calls: {' '.join(packages)}"
    prefix: list[str] = []
    if os.geteuid() != 0:
        sudo = shutil.which("sudo")
        if sudo is None or subprocess.run([sudo, "-n", "true"], capture_output=True).returncode != 0:
            return by_hand
        prefix = [sudo, "-n"]
    say(f"installing {purpose}: {' '.join(packages)} ...")
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run([*apt, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()
        say("apt-get could not install them: " + (reason[-1] if reason else "no reason given"))
        return by_hand
    return ""
