"""Texts of the contract are translated where they are shown: a translator that marks them finds none unmarked."""

import re
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QCoreApplication, QTranslator
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QTableWidget, QWidget
from pytestqt.qtbot import QtBot

from studio.contract.errors import Problem
from studio.contract.exports import EXPORTS
from studio.contract.fields import GROUPS, fields
from studio.contract.presets import PRESETS, load_preset
from studio.contract.sampling import Sampling
from studio.contract.settings import TrainSettings
from studio.ui import help_pages
from studio.ui.main_window import MainWindow
from studio.ui.pages.runs import RunsPage
from studio.ui.widgets.labels import ElidedLabel
from studio.ui.widgets.message import MessageBar
from tests.ui import run_stream
from tests.ui.views import VIEWS


class Marker(QTranslator):
    """Puts ⟦marks⟧ around each text of the contract."""

    def isEmpty(self) -> bool:
        """Qt leaves out a translator that has nothing."""
        return False

    def translate(self, context: str, source: str, disambiguation: str | None = None, n: int = -1) -> str | None:
        """Marked; nothing for the window's own words, which Qt then shows as they are."""
        return f"⟦{source}⟧" if context == "contract" else None


@pytest.fixture
def marked(qapp: QApplication) -> Iterator[None]:
    """All that is made from now on is told by the marker."""
    marker = Marker()
    QCoreApplication.installTranslator(marker)
    yield
    QCoreApplication.removeTranslator(marker)


def _contract_texts() -> set[str]:
    texts = {*GROUPS.values()}
    for field in (*fields(TrainSettings), *fields(Sampling)):
        texts |= {field.title, field.help, field.source, *field.choices.values()}
    for name in (*PRESETS, "sample"):
        texts |= {load_preset(name).label, load_preset(name).help}
    for form in EXPORTS.values():
        texts |= {form.label, form.help, *form.numbers.values()}
    problem = run_stream.PROBLEM
    texts |= {problem.what, problem.why, problem.fix}
    # Words that the window has too: the name of a dataset, switches, the choice of a processor, what a run does now.
    return texts - {load_preset("sample").label, "On", "Off", "Automatic", "Learning"}


def _words(root: QWidget) -> Iterator[str]:
    """Everything that root and what is in it says, to the eye and to a screen reader."""
    for widget in (root, *root.findChildren(QWidget)):
        yield from (widget.accessibleName(), widget.accessibleDescription(), widget.toolTip())
        if isinstance(widget, QLabel | QAbstractButton | ElidedLabel):
            yield widget.text()
        if isinstance(widget, QComboBox):
            yield from (widget.itemText(index) for index in range(widget.count()))
        if isinstance(widget, QTableWidget):
            cells = (
                widget.item(row, column) for row in range(widget.rowCount()) for column in range(widget.columnCount())
            )
            yield from (cell.text() for cell in cells if cell is not None)


def _unmarked(said: str, texts: set[str]) -> list[str]:
    """Texts of the contract in what was said, outside of marks; short names only where nothing else is said."""
    rest = re.sub("⟦[^⟦⟧]*⟧", "", said)
    return [text for text in texts if rest == text or (len(text) > 24 and text in rest)]


@pytest.mark.parametrize("view", [name for name in VIEWS if "data" not in name])
def test_no_view_shows_a_text_of_the_contract_untranslated(
    marked: None, window: MainWindow, qtbot: QtBot, view: str
) -> None:
    page, show = VIEWS[view]
    show(window)
    qtbot.waitUntil(lambda: window.page(page).isVisible())
    texts = _contract_texts()
    found = {said: left for said in _words(window) if (left := _unmarked(said, texts))}
    assert not found


def test_the_views_do_show_marked_texts(marked: None, window: MainWindow, qtbot: QtBot) -> None:
    VIEWS["train, before"][1](window)
    said = "\n".join(_words(window))
    rank = next(field for field in fields(TrainSettings) if field.path == "method.rank")
    for text in (rank.title, rank.term, rank.help, "Balanced", load_preset("sample").help, GROUPS["adapter"], "steps"):
        assert f"⟦{text}⟧" in said
    window.show_problem(run_stream.PROBLEM)
    said = "\n".join(_words(window))
    assert f"⟦{run_stream.PROBLEM.what}⟧" in said


def test_the_lists_of_runs_say_in_the_users_words_why_one_failed(marked: None, window: MainWindow) -> None:
    VIEWS["runs, plot"][1](window)
    page = window.page("runs")
    assert isinstance(page, RunsPage)
    failed = next(run for run in page.list.runs.summaries if run.state == "failed")
    assert page.list.runs.lines(failed)[2] == f"⟦{run_stream.PROBLEM.what}⟧"


def test_the_help_is_made_from_translated_settings(marked: None) -> None:
    texts = _contract_texts()
    for topic, title in help_pages.topics().items():
        if topic.startswith(help_pages.SETTING):
            assert not _unmarked(title, texts)
            assert not any(_unmarked(line, texts) for line in help_pages.text(topic).splitlines())
    lines = [line for line in help_pages.text("train").splitlines() if help_pages.SETTING in line]
    assert lines
    assert not any(_unmarked(line, texts) for line in lines)


def test_a_message_calls_a_setting_by_its_name_not_by_its_path(qtbot: QtBot) -> None:
    bar = MessageBar()
    qtbot.addWidget(bar)
    bar.show_problem(
        Problem(code="train.rank_too_large", where="method.rank", what="It is too large.", fix="Choose 4.")
    )
    assert bar.text().startswith("Adapter size (rank): It is too large.")
    bar.show_problem(Problem(code="memory.cannot_fit", where="memory", what="There is not enough memory."))
    assert bar.text() == "There is not enough memory."
