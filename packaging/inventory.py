#!/usr/bin/env python3
"""Parts list (CycloneDX) and licences of everything in a built package; run by the tools' Python, not by hand.

python packaging/inventory.py DESCRIPTION.json TREE

DESCRIPTION.json: version, epoch, worker (its site-packages), window (names that the window's freezing began with),
system (libraries taken from the building machine: name in the package, file, Debian package, its version), python.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import sys
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement

TEXTS = re.compile(r"(licen[cs]e|copying|notice|authors|copyright)[^/]*$", re.IGNORECASE)
COMMON = Path("/usr/share/common-licenses")
# Wheels that name licences by word and do not bring the text.
BY_WORD = {
    "pyside6-essentials": ("LGPL-3", "GPL-3", "GPL-2"),
    "shiboken6": ("LGPL-3", "GPL-3", "GPL-2"),
    "tokenizers": ("Apache-2.0",),
    "nvidia-ml-py": ("BSD",),
}
# Where a wheel's own words say less than its text.
KNOWN = {"pyinstaller": "GPL-2.0-or-later WITH Bootloader-exception", "torch": "BSD-3-Clause"}
CLASSIFIERS = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
WORDS = {"Apache": "Apache-2.0", "Apache 2.0": "Apache-2.0", "Apache 2.0 License": "Apache-2.0", "BSD": "BSD-3-Clause",
         "BSD 2-Clause License": "BSD-2-Clause", "ISC License": "ISC", "New BSD License": "BSD-3-Clause"}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Writes licences/ and sbom.cdx.json into the tree."""
    told = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    tree = Path(arguments[1])
    place = tree / "licences"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    worker = {normal(one.name): one for one in importlib.metadata.distributions(path=[told["worker"]])}
    window = closure(told["window"])
    window["pyinstaller"] = importlib.metadata.distribution("pyinstaller")  # its small starter, not what it needs
    parts = {**window, **worker}
    components = [python_component(told)]
    index = [f"Python {told['python']}  PSF-2.0  (interpreter and standard library)"]
    shutil.copy(told["python_licence"], place / "Python.txt")
    for name, one in sorted(parts.items()):
        if name == "apprentice-studio":
            continue
        licence = licence_of(one)
        where = [part for part, held in (("window", window), ("worker", worker)) if name in held]
        components.append(component_of(one, licence, where))
        index.append(f"{one.name} {one.version}  {licence}  ({' and '.join(where)})")
        if not copy_texts(one, place / f"{name}-{one.version}"):
            index[-1] += "  no licence text in its wheel"
    for package, version, files in grouped(told["system"]):
        components.append(system_component(package, version, files))
        index.append(f"{package} {version}  see {package}.txt  (Debian's build: {', '.join(files)})")
        text = Path("/usr/share/doc") / package / "copyright"
        if text.is_file():
            shutil.copy(text, place / f"{package}.txt")
    write_index(place, index, Path(told["licence"]))
    write_bom(tree / "sbom.cdx.json", told, components)
    return 0


# --- what is there -------------------------------------------------------------------------------------------------


def normal(name: str) -> str:
    """A name as package registries compare them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(wanted: Iterable[str]) -> dict[str, Distribution]:
    """The named distributions of this environment with all that they ask for."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(line) for line in wanted]
    while waiting:
        asked = waiting.pop()
        name = normal(asked.name)
        if name in found or (asked.marker is not None and not asked.marker.evaluate({"extra": ""})):
            continue
        found[name] = importlib.metadata.distribution(asked.name)
        waiting += [Requirement(line) for line in found[name].requires or ()]
    return found


def licence_of(one: Distribution) -> str:
    """An SPDX expression where the wheel gives one, else its own words, in one line."""
    if normal(one.name) in KNOWN:
        return KNOWN[normal(one.name)]
    said = _said(one, "License-Expression") or _said(one, "License")
    first = said.strip().splitlines()[0].strip() if said.strip() else ""
    if first and len(first) < 60:
        return WORDS.get(first, first)
    classified = [line.rpartition(" :: ")[2] for line in one.metadata.get_all("Classifier") or () if "License" in line]
    return " OR ".join(dict.fromkeys(CLASSIFIERS.get(word, word) for word in classified)) or "see its text"


def _said(one: Distribution, name: str) -> str:
    return (one.metadata.get_all(name) or [""])[0]


def copy_texts(one: Distribution, place: Path) -> int:
    """Copies every licence text of a wheel; gives how many there were."""
    copied = 0
    for file in one.files or ():
        path = Path(str(one.locate_file(file)))
        inside = ".dist-info" in str(file) or len(Path(str(file)).parts) <= 2
        if not (inside and path.is_file() and TEXTS.search(path.name)) or path.suffix in (".py", ".pyc", ".so"):
            continue
        target = place / re.sub(r"[^A-Za-z0-9._-]+", "_", "_".join(Path(str(file)).parts[1:]))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        copied += 1
    for word in BY_WORD.get(normal(one.name), ()):
        if (COMMON / word).is_file():
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(COMMON / word, place / f"{word}.txt")
            copied += 1
    return copied


def grouped(system: list[list[str]]) -> Iterator[tuple[str, str, list[str]]]:
    """Libraries of the building machine by the Debian package that they come from."""
    packages: dict[tuple[str, str], list[str]] = {}
    for name, package, version in system:
        packages.setdefault((package, version), []).append(name)
    for (package, version), names in sorted(packages.items()):
        yield package, version, sorted(set(names))


def write_index(place: Path, index: list[str], licence: Path) -> None:
    """README.txt for a person, and `copyright` as Debian wants it."""
    own = licence.read_text(encoding="utf-8")
    (place / "Apprentice-Studio.txt").write_text(own, encoding="utf-8")
    head = (
        "Apprentice Studio is under the Apache License 2.0. It is shipped with the works that this list names, each\n"
        "under its own licence; the texts lie in this folder. Qt and PySide6 are used under the LGPL:\n"
        "their libraries are files of their own (_internal/PySide6) and can be exchanged for others.\n"
    )
    listed = "\n".join(index)
    (place / "README.txt").write_text(f"{head}\n{listed}\n", encoding="utf-8")
    (place / "copyright").write_text(f"{head}\n{listed}\n\n{own}", encoding="utf-8")


# --- the parts list ------------------------------------------------------------------------------------------------


def component_of(one: Distribution, licence: str, where: list[str]) -> Component:
    """A wheel."""
    return Component(
        type=ComponentType.LIBRARY,
        name=one.name,
        version=one.version,
        bom_ref=f"wheel:{normal(one.name)}",
        purl=PackageURL("pypi", None, normal(one.name), one.version),
        licenses=[LicenseFactory().make_from_string(licence)],
        description=_said(one, "Summary"),
        properties=[Property(name="apprentice-studio:part", value=part) for part in where],
    )


def python_component(told: dict[str, Any]) -> Component:
    """The interpreter, in the worker's folder and inside the window."""
    return Component(
        type=ComponentType.PLATFORM,
        name="CPython",
        version=told["python"],
        bom_ref="python",
        licenses=[LicenseFactory().make_from_string("PSF-2.0")],
        purl=PackageURL("generic", None, "cpython", told["python"]),
    )


def system_component(package: str, version: str, files: list[str]) -> Component:
    """A package of the building machine some of whose libraries are shipped."""
    return Component(
        type=ComponentType.LIBRARY,
        name=package,
        version=version,
        bom_ref=f"debian:{package}",
        purl=PackageURL("deb", "debian", package, version, {"arch": "amd64"}) if version else None,
        properties=[Property(name="apprentice-studio:file", value=name) for name in files],
    )


def write_bom(path: Path, told: dict[str, Any], components: list[Component]) -> None:
    """CycloneDX 1.6 as JSON; the same parts give the same bytes."""
    root = Component(
        type=ComponentType.APPLICATION,
        name="apprentice-studio",
        version=told["version"],
        bom_ref="apprentice-studio",
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
    )
    starter = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name="starter",
        version=told["version"],
        bom_ref="starter",
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
        description="The built-in starter model, made by packaging/starter",
    )
    bom = Bom(components=[*components, starter])
    bom.metadata.component = root
    bom.metadata.timestamp = datetime.fromtimestamp(told["epoch"], UTC)
    text = "\n".join(f"{one.bom_ref.value} {one.version}" for one in components)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"apprentice-studio {told['version']} {told['edition']}\n{text}")
    bom.register_dependency(root, [*components, starter])
    path.write_text(JsonV1Dot6(bom).output_as_string(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
