"""Inside the namespaces: each package installed in a fresh system, used by a person, taken away again.

Started by checking.py as `python -m installers.trial LOWER PLACE PACKAGES RESULT`, with packaging/ as its folder.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from environment import say

from installers.journey import Desk, go
from installers.layout import NAME
from installers.sandbox import HOME, USER, Sandbox, written_between

STARTS = 5
PLACE = "/srv"
PACKAGE = f"{PLACE}/package.deb"


def main(arguments: list[str]) -> int:
    """Tries every Linux package of a folder; writes RESULT, and gives 1 where something was not as promised."""
    lower, place, packages, result = (Path(word) for word in arguments)
    _require_no_network()
    told = {}
    for package in sorted([*packages.glob("*.deb"), *packages.glob("*.tar.zst")]):
        say(f"check: {package.name}")
        folder = place / package.suffix.strip(".")
        sandbox = Sandbox(lower, folder)
        told[package.name] = try_package(sandbox, package, result.parent / package.suffix.strip("."))
    result.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    failed = {name: one["problems"] for name, one in told.items() if one["problems"]}
    for name, problems in failed.items():
        say(f"check: {name}: {'; '.join(problems)}")
    return 1 if failed or not told else 0


def _require_no_network() -> None:
    """Nothing but a loopback that is down; else the trial would prove nothing."""
    names = [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    if names not in ([], ["lo"]) or routes:
        raise SystemExit(
            f"there is a network here ({', '.join(names)}): the trial must run in a namespace without one."
        )


def try_package(sandbox: Sandbox, package: Path, pictures: Path) -> dict[str, Any]:
    """One package from installing to taking away."""
    is_deb = package.suffix == ".deb"
    problems: list[str] = []
    fresh = sandbox.snapshot()
    began = time.monotonic()
    program = _install_deb(sandbox, package) if is_deb else _unpack(sandbox, package)
    told: dict[str, Any] = {"install_seconds": round(time.monotonic() - began, 1), "program": program}
    folder = Path(program).parent if not is_deb else Path("/opt") / NAME
    told["installed_mb"] = round(_size_mb(sandbox.root / str(folder).lstrip("/")))
    if is_deb:
        problems += _look_at_desktop(sandbox)
    before = sandbox.snapshot()
    try:
        told |= _use(sandbox, program, str(folder), pictures)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        problems.append(str(error))
    written = written_between(before, sandbox.snapshot())
    told["written_outside_home"] = written
    problems += [f"written outside the user's folders: {path}" for path in written]
    if is_deb:
        sandbox.run(["dpkg", "--purge", NAME])
    else:
        sandbox.run(["rm", "-r", str(folder)], as_root=False)
    left = [path for path in written_between(fresh, sandbox.snapshot()) if not _of_dpkg(path)]
    told["left_after_removal"] = left
    problems += [f"left after removal: {path}" for path in left]
    kept = sandbox.root / HOME / ".local" / "share" / NAME / "runs"
    if not list(kept.glob("*/events.jsonl")):
        problems.append("the user's runs are gone after removal")
    said = (sandbox.changed.parent / "said.log").read_text(encoding="utf-8", errors="replace")
    told["tracebacks"] = said.count("Traceback (most recent call last)")
    problems += ["a traceback was printed"] * bool(told["tracebacks"])
    return {**told, "problems": problems}


def _install_deb(sandbox: Sandbox, package: Path) -> str:
    shutil.copy(package, sandbox.root / PACKAGE.lstrip("/"))
    sandbox.run(["dpkg", "--install", PACKAGE])
    (sandbox.root / PACKAGE.lstrip("/")).unlink()
    return f"/usr/bin/{NAME}"


def _unpack(sandbox: Sandbox, package: Path) -> str:
    """As the user, in the user's own folder: no right of an administrator is needed."""
    place = sandbox.root / HOME / "Programs"
    sandbox.run(["mkdir", f"/{HOME}/Programs"], as_root=False)
    with package.open("rb") as file:
        command = sandbox.command(["tar", "--zstd", "-x", "-C", f"/{HOME}/Programs", "-f", "-"])
        subprocess.run(command, stdin=file, check=True)
    return "/" + str((place / NAME / NAME).relative_to(sandbox.root))


def _look_at_desktop(sandbox: Sandbox) -> list[str]:
    """The desktop knows the program: entry, kinds of files, manual."""
    problems = []
    entry = f"/usr/share/applications/{NAME}.desktop"
    for words, wanted in (
        (["desktop-file-validate", entry], ""),
        (["desktop-file-validate", entry.replace(".desktop", "-job.desktop")], ""),
        (["cat", "/usr/share/applications/mimeinfo.cache"], f"{NAME}.desktop"),
        (["cat", "/usr/share/mime/globs2"], "application/vnd.apprentice-studio.job:*.apprentice-job"),
        (["cat", "/usr/share/mime/globs2"], "application/vnd.apprentice-studio.dataset+jsonl:*.jsonl"),
        (["man", "--warnings", "-l", "/usr/share/man/man1/apprentice.1.gz"], "apprentice train"),
        (["whatis", "apprentice-studio"], "fine-tune"),
    ):
        try:
            told = sandbox.run(words)
        except RuntimeError as error:
            problems.append(str(error))
            continue
        if (wanted and wanted not in told) or (not wanted and told.strip()):
            problems.append(f"{' '.join(words)} said {told.strip()[:200]!r}")
    return problems


def _use(sandbox: Sandbox, program: str, folder: str, pictures: Path) -> dict[str, Any]:
    told: dict[str, Any] = {}
    command_line = "/usr/bin/apprentice" if program.startswith("/usr/bin/") else f"{folder}/apprentice"
    told["command_line"] = sandbox.run([command_line, "--version"], as_root=False).strip()
    desk = Desk(sandbox, pictures)
    try:
        starts = [_start_seconds(sandbox, program) for _ in range(STARTS)]
        told["first_start_seconds"] = round(starts[0], 2)
        told["start_seconds"] = round(statistics.median(starts[1:]), 2)
        desk.open(program)
        told["journey_seconds"] = {name: round(value, 1) for name, value in go(desk).items()}
    finally:
        desk.close()
    picture = f"/{HOME}/curve.png"
    run = next((sandbox.root / HOME / ".local" / "share" / NAME / "runs").iterdir()).name
    sandbox.run([program, "--plot", f"/{HOME}/.local/share/{NAME}/runs/{run}", picture], as_root=False)
    told["plot_bytes"] = (sandbox.root / picture.lstrip("/")).stat().st_size
    return told


def _start_seconds(sandbox: Sandbox, program: str) -> float:
    """From the start of the process until the window is painted and answers; the clock is the system's."""
    began = time.monotonic()
    told = sandbox.run([program, "--time-start"], as_root=False, seconds=120)
    return float(told.split()[-1]) - began


def _size_mb(folder: Path) -> float:
    told = subprocess.run(["du", "-s", "--block-size=1", str(folder)], capture_output=True, text=True, check=True)
    return int(told.stdout.split()[0]) / 1e6


def _of_dpkg(path: str) -> bool:
    """What dpkg and its triggers keep of their own: logs, lists, caches, and the time of folders."""
    share = ("usr/share/mime", "usr/share/icons/hicolor", "usr/share/applications")
    folders = ("usr", "usr/share", "usr/bin", "opt", "tmp", "srv", "var", "var/lib", f"home/{USER}")
    return path.startswith(("var/lib/dpkg", "var/log", "var/cache", *share)) or path in folders


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
