"""`dev.py package --windows-wheels`: the wheels that a Windows machine builds from, collected on any machine.

Run by the tools' Python (python -m installers.windows_wheels EDITION), which has the library `packaging`. pip alone
cannot follow the dependencies: `--platform` chooses files, but conditions such as sys_platform == "win32" it reads for
the machine that it runs on. So each wheel is fetched by itself, and what it needs is read from it for Windows.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from environment import CONSTRAINTS, NETWORK_SIGNS, ROOT, say, stop
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from installers import layout, parts
from installers.wheelhouse import PIP, TOOL_PINS, TOOLS_WANTED, special_pins

SUMS = "SHA256SUMS"
TARGET = ("--only-binary=:all:", "--platform=win_amd64", "--implementation=cp", "--python-version=3.11", "--abi=cp311")
MARKERS = {
    "implementation_name": "cpython",
    "os_name": "nt",
    "platform_machine": "AMD64",
    "platform_python_implementation": "CPython",
    "platform_system": "Windows",
    "python_full_version": "3.11.9",
    "python_version": "3.11",
    "sys_platform": "win32",
}


def main(arguments: list[str]) -> int:
    """Collect the wheels of window, worker and tools of an edition; exit code 1 where some are not to be had."""
    edition = arguments[0]
    place = layout.OUT / f"windows-wheels-{edition}"
    pyproject = ROOT / "pyproject.toml"
    wanted = [line for part in ("window", "worker") for line in parts.requirements(part, edition, pyproject)]
    wheels, problems = collect([*wanted, *TOOLS_WANTED], pins([CONSTRAINTS, TOOL_PINS, special_pins(edition)]), place)
    write_sums(wheels, place)
    size = sum(path.stat().st_size for path in wheels.values())
    say(f"windows-wheels: {len(wheels)} wheels, {size / 1e6:,.1f} MB, in {place}; their sums in {SUMS}")
    if "torch" in wheels:
        say(f"windows-wheels: torch is {torch_build(wheels['torch'])}")
    for problem in problems:
        say(f"windows-wheels: MISSING {problem}")
    return 1 if problems else 0


def pins(files: list[Path]) -> dict[str, Requirement]:
    """Name -> pin that holds on Windows; a later file goes before an earlier one."""
    lines = [line.partition("#")[0].strip() for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    found = [Requirement(line) for line in lines if line]
    return {canonicalize_name(one.name): one for one in found if holds(one)}


def collect(wanted: list[str], pinned: dict[str, Requirement], place: Path) -> tuple[dict[str, Path], list[str]]:
    """Fetch what is wanted and what that needs on Windows, each by its pin; other wheels in the folder are deleted.

    Returns:
        Name -> wheel, and a sentence for each that is not to be had.
    """
    place.mkdir(parents=True, exist_ok=True)
    wheels: dict[str, Path] = {}
    problems: dict[str, str] = {}
    waiting, seen = [Requirement(line) for line in wanted], set()
    while waiting:
        one = waiting.pop(0)
        name = canonicalize_name(one.name)
        if (name, *sorted(one.extras)) in seen or not holds(one):
            continue
        seen.add((name, *sorted(one.extras)))
        if name not in wheels and name not in problems:
            wheel = fetch(pinned[name], place) if name in pinned else None
            if wheel is not None:
                wheels[name] = wheel
            elif name in pinned:
                problems[name] = f"{pinned[name].name}{pinned[name].specifier} has no wheel for Windows here"
            else:
                problems[name] = f"{name} is needed on Windows and has no pin"
        if name in wheels:
            waiting += needs(wheels[name], one.extras)
    for path in place.glob("*.whl"):
        if path not in wheels.values():
            path.unlink()
    return wheels, [problems[name] for name in sorted(problems)]


def holds(one: Requirement, extra: str = "") -> bool:
    """Whether a requirement is one on Windows."""
    return one.marker is None or one.marker.evaluate({**MARKERS, "extra": extra})


def fetch(pin: Requirement, place: Path) -> Path | None:
    """One wheel, without what it needs; None where there is none. What lies in the folder is not fetched again."""
    options = ["--no-deps", *TARGET, "--dest", str(place), "--find-links", str(place)]
    wanted = f"{pin.name}{pin.specifier}"
    command = [sys.executable, *PIP, "download", "-vv", "--progress-bar", "off", *options, wanted]
    # Constraints of this machine's own have no say: with one, pip calls a missing wheel a conflict.
    environment = {**os.environ, "PIP_CONSTRAINT": os.devnull}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
    told = (done.stdout + done.stderr).splitlines()
    # Only -vv says why a place gave nothing: without it, one that cannot be reached looks like one without the wheel.
    unreached = [line.strip() for line in told if any(sign in line for sign in NETWORK_SIGNS)]
    if done.returncode and (unreached or not any("No matching distribution" in line for line in told)):
        why = unreached or [line for line in told if line.startswith("ERROR")]
        stop(f"pip could not fetch {wanted}.", " ".join(why[-3:])[:500], "look to the network, and try again.")
    for path in sorted(place.glob("*.whl")):
        name, version, _, tags = parse_wheel_filename(path.name)
        fits = any(tag.platform in ("any", "win_amd64") for tag in tags)
        if fits and name == canonicalize_name(pin.name) and pin.specifier.contains(version, prereleases=True):
            return path
    return None


def needs(wheel: Path, extras: set[str]) -> list[Requirement]:
    """What a wheel asks for on Windows, with some of its extras."""
    with zipfile.ZipFile(wheel) as content:
        (metadata,) = [name for name in content.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        told = HeaderParser().parsestr(content.read(metadata).decode("utf-8"))
    asked = [Requirement(line) for line in told.get_all("Requires-Dist", [])]
    found = [one for one in asked if any(holds(one, extra) for extra in ("", *extras))]
    for one in found:
        one.marker = None  # it is answered
    return found


def torch_build(wheel: Path) -> str:
    """Version and CUDA of a wheel of torch, as it says itself: the file's name does not tell the CPU's build."""
    with zipfile.ZipFile(wheel) as content:
        text = content.read("torch/version.py").decode("utf-8")
    found = (re.search(rf"^{key}\b.*?= *['\"]?([^'\"\s]+)", text, re.MULTILINE) for key in ("__version__", "cuda"))
    version, cuda = (one[1] if one else "?" for one in found)
    return f"{version}, without CUDA" if cuda == "None" else f"{version}, with CUDA {cuda}"


def write_sums(wheels: dict[str, Path], place: Path) -> None:
    """SHA256SUMS of the folder; `sha256sum --check` reads it on the other machine, too."""
    lines = [f"{layout.sha256(path)}  {path.name}\n" for path in sorted(wheels.values())]
    (place / SUMS).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
