"""The documents: every link leads somewhere, and the walk-through for newcomers names things that exist."""

import re
import sys
from pathlib import Path

import msgspec
import pytest

from studio.contract.fields import fields
from studio.contract.methods import METHODS
from studio.contract.settings import TrainSettings
from tests.helpers.shared_data import PROJECT

PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_shows_real_pictures_of_the_window() -> None:
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (PROJECT / "README.md").read_text(encoding="utf-8"))
    assert len(pictures) >= 3
    for picture in pictures:
        assert (PROJECT / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("studio/contract/settings.py", "weight_decay"),
        ("studio/contract/settings.py", "MIGRATIONS"),
        ("studio/engine/optimiser.py", "def make_optimiser"),
        ("studio/engine/optimiser.py", "BETAS"),
    ],
)
def test_the_walk_through_for_newcomers_names_what_is_there(path: str, name: str) -> None:
    assert name.split()[-1] in (PROJECT / "docs" / "first_change.md").read_text(encoding="utf-8")
    assert name in (PROJECT / path).read_text(encoding="utf-8")


def test_the_page_of_ways_of_tuning_names_what_is_refused_as_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(PROJECT / "packaging")])
    from refusal_rows import refusal_table

    page = (PROJECT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert "\n".join(refusal_table()) in page  # else: python3 packaging/methods.py --page


def test_every_choice_of_a_ways_own_is_among_the_cells_that_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(PROJECT / "packaging")])
    from method_cells import OWN, cells, is_refused, key

    tried = {key(name, values, architecture) for name, values, architecture in cells(full=True)}
    for name, row in METHODS.items():
        settings = msgspec.structs.replace(TrainSettings(), method=row.settings())
        for field in fields(settings):
            if not field.path.startswith("method."):
                continue
            others = {True, False} if field.kind == "bool" else {*field.choices}
            for value in others - {field.default}:
                assert f"{name} {field.path}={value}" in tried, (name, field.path, value)
    short = [cell for cell in cells(full=False) if any(path.startswith("method.") for path in cell[1])]
    assert short  # refusals, which take no time
    assert all(is_refused(*cell) for cell in short)
    assert set(OWN) | {"norms"} == set(METHODS)
