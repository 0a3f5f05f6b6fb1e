"""The licence that a model folder names."""

import re
from pathlib import Path

from studio.data.own_files import is_own


def licence(path: Path) -> str:
    """The licence that the README's front matter or a LICENSE file names, or ""."""
    readme = _start_of(path / "README.md")
    front = re.match(r"---\s*\n(.*?)\n---", readme, re.DOTALL)
    if front:
        named = dict(
            re.findall(r"^(license|license_name):[ \t]*['\"]?([^'\"\n]+?)['\"]?[ \t]*$", front[1], re.MULTILINE)
        )
        told = named.get("license", "")
        return str(named.get("license_name", told) if told == "other" else told)
    text = next((t for name in ("LICENSE", "LICENSE.txt", "LICENSE.md") if (t := _start_of(path / name))), "")
    for words, name in (("Apache License", "apache-2.0"), ("MIT License", "mit"), ("BSD 3-Clause", "bsd-3-clause")):
        if words in text:
            return name
    return next((line.strip()[:80] for line in text.splitlines() if line.strip()), "")


def _start_of(path: Path) -> str:
    if not is_own(path):  # asked first: opening a pipe would wait for ever
        return ""
    try:
        with path.open("rb") as file:
            return file.read(65_536).decode("utf-8", errors="replace")
    except OSError:
        return ""
