"""Where another folder mends a fault of an export, the page offers to choose one: the faults themselves say so."""

import ast
import re

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from studio.contract.errors import Problem
from studio.supervisor.workplace import Workplace
from studio.ui.pages.export import OF_THE_PLACE, ExportPage
from tests.helpers.shared_data import PROJECT

ANOTHER_PLACE = re.compile(r"another (folder|disk)|folder (nearer|elsewhere)")


def codes_of_another_place() -> set[str]:
    """Codes of faults whose own words advise another folder or disk, wherever an export's worker makes them."""
    found = set()
    for path in (*(PROJECT / "studio" / "engine").rglob("*.py"), *(PROJECT / "studio" / "worker").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call | ast.Tuple):
                continue
            parts = [*node.args, *(word.value for word in node.keywords)] if isinstance(node, ast.Call) else node.elts
            words = [one.value for part in parts for one in ast.walk(part) if isinstance(one, ast.Constant)]
            code = str(words[0]) if words and isinstance(parts[0], ast.Constant) else ""
            told = " ".join(word for word in words[1:] if isinstance(word, str))
            if re.match(r"(export|disk)\.", code) and ANOTHER_PLACE.search(told):
                found.add(code)
    return found


def test_no_fault_that_advises_another_folder_is_without_the_button_for_it() -> None:
    assert codes_of_another_place() == set(OF_THE_PLACE)


@pytest.mark.parametrize(
    ("code", "offers"),
    [
        ("export.gguf_unsupported", []),
        ("export.gguf_tokenizer", []),
        ("export.misfit", []),
        ("export.disk_full", ["Choose folder…"]),
        ("export.damaged", ["Choose folder…"]),
    ],
)
def test_another_folder_is_offered_only_where_it_helps(
    qtbot: QtBot, workplace: Workplace, code: str, offers: list[str]
) -> None:
    page = ExportPage(workplace)
    qtbot.addWidget(page)
    page.show()
    page.job.failed.emit(Problem(code=code, what="It cannot be.", why="So it is.", fix="Do otherwise."))
    assert "It cannot be." in page.message.text()
    shown = [button.text() for button in page.message.findChildren(QPushButton)]
    assert [text for text in shown if "folder" in text] == offers
