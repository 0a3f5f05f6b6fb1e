"""The last result of `dev.py package --check`, as a table in docs/packaging.md."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import time
from typing import Any

from environment import ROOT

from installers.layout import OUT, Build

PAGE = ROOT / "docs" / "packaging.md"
BEGIN, END = "<!-- check: begin -->", "<!-- check: end -->"


def write(build: Build, told: dict[str, dict[str, Any]]) -> None:
    """Put the table between its marks; the rest of the page is written by hand."""
    page = PAGE.read_text(encoding="utf-8")
    middle = f"{BEGIN}\n{table(build, told)}\n{END}"
    PAGE.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: middle, page, flags=re.DOTALL), encoding="utf-8")


def table(build: Build, told: dict[str, dict[str, Any]]) -> str:
    """Markdown."""
    date = time.strftime("%Y-%m-%d", time.gmtime())
    commit = json.loads((build.tree / "package.json").read_text(encoding="utf-8"))["commit"]  # of what was built
    lines = [f"{date}, version {build.version}, edition {build.edition}, commit {commit[:10]}, {_machine()}:", ""]
    names = list(told)
    lines += ["| | " + " | ".join(f".{name.rpartition('cpu.')[2].rpartition('cuda.')[2]}" for name in names) + " |"]
    lines += ["| --- |" + " ---: |" * len(names)]
    rows = {
        "size of the file": lambda name, one: f"{(OUT / name).stat().st_size / 1e6:,.0f} MB",
        "installed": lambda name, one: f"{one['installed_mb']:,} MB",
        "installing took": lambda name, one: f"{one['install_seconds']} s",
        "first start, until the window answers": lambda name, one: _seconds(one.get("first_start_seconds")),
        "later starts (median of 4)": lambda name, one: _seconds(one.get("start_seconds")),
        "sample run, from the key to the verdict": lambda name, one: _step(one, "sample run"),
        "chat, both answers": lambda name, one: _step(one, "chat"),
        "export of the adapter": lambda name, one: _step(one, "export"),
        "written outside the user's folders": lambda name, one: _count(one["written_outside_home"]),
        "left after removal, but for the user's data": lambda name, one: _count(one["left_after_removal"]),
        "result": lambda name, one: "; ".join(one["problems"]) or "as promised",
    }
    for words, cell in rows.items():
        lines.append(f"| {words} | " + " | ".join(cell(name, told[name]) for name in names) + " |")
    return "\n".join(lines)


def _machine() -> str:
    told = subprocess.run(["nproc"], capture_output=True, text=True).stdout.strip()
    return f"{told} cores ({platform.machine()}), shared with other work"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value} s"


def _step(one: dict[str, Any], name: str) -> str:
    return _seconds(one.get("journey_seconds", {}).get(name))


def _count(paths: list[str]) -> str:
    return "nothing" if not paths else f"{len(paths)} paths"
