"""The help covers every page and every setting, offline, with links that lead somewhere."""

import re
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QUrl
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from studio.contract.events import ModelChecked
from studio.contract.exports import EXPORTS
from studio.contract.fields import fields
from studio.contract.settings import TrainSettings
from studio.data.model_library import as_it_is
from studio.supervisor.workplace import Workplace
from studio.ui import help_pages
from studio.ui.help import HelpWindow, topic_of
from studio.ui.pages import PAGES
from studio.ui.pages.models import ModelsPage
from studio.ui.widgets.model_card import ModelCard
from studio.ui.widgets.settings_form import SettingsForm
from tests.helpers.shared_data import PROJECT


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[HelpWindow]:
    parent = QWidget()
    qtbot.addWidget(parent)
    made = HelpWindow(parent)
    made.show()
    yield made
    made.close()


def test_every_page_and_every_setting_has_a_topic(qapp: QApplication) -> None:
    topics = help_pages.topics()
    assert set(PAGES) <= set(topics)
    assert {help_pages.SETTING + field.path for field in fields(TrainSettings)} <= set(topics)
    for topic in topics:
        assert help_pages.text(topic).startswith("# ")


def test_every_link_leads_to_a_topic_and_none_leaves_the_program(qapp: QApplication) -> None:
    topics = help_pages.topics()
    for topic in topics:
        for link in re.findall(r"\]\(([^)]+)\)", help_pages.text(topic)):
            assert link.startswith("help:"), f"{topic}: {link}"
            assert link.removeprefix("help:") in topics, f"{topic}: {link}"


@pytest.mark.parametrize("topic", ["start", "home", "data"])
def test_whatever_can_be_imported_is_named_where_files_are_asked_for(qapp: QApplication, topic: str) -> None:
    text = help_pages.text(topic)
    kinds = ("CSV", "Excel", "JSON", "JSONL", "Parquet", "Arrow", "text", "Markdown", "a ZIP", "a folder")
    assert [kind for kind in kinds if kind not in text] == []


def test_every_form_of_export_is_explained(qapp: QApplication) -> None:
    text = help_pages.text("export")
    assert [form.label for form in EXPORTS.values() if f"**{form.label}**" not in text] == []
    assert "**Combine adapters…**" in text


def test_buttons_are_called_as_the_models_page_calls_them(qtbot: QtBot, workplace: Workplace) -> None:
    page = ModelsPage(workplace)
    qtbot.addWidget(page)
    copy = ModelChecked(
        path="/gone", name="x", architecture="", model_type="", parameters=0, file_bytes=0, context=0, vocabulary=0,
        licence="", has_template=False, usable=False, copied=True,
    )  # fmt: skip
    cards = [ModelCard(model, chosen=False) for model in (copy, as_it_is(copy), replace(copy, copied=False))]
    for card in cards:
        qtbot.addWidget(card)
    shown = {button.text() for widget in (page, *cards) for button in widget.findChildren(QPushButton)}
    told = set(
        re.findall(
            r"\*\*([A-Z][^*]+…|Look again|Check again|Remove from list|Move copy to trash)\*\*",
            help_pages.text("models"),
        )
    )
    assert told <= shown
    assert {page.add_button.text(), "Look again", "Check again", "Remove from list", "Move copy to trash"} <= told


def test_the_manual_tells_of_the_one_connection() -> None:
    words = " ".join((PROJECT / "packaging" / "linux" / "apprentice-studio.1").read_text().split())
    assert "opens no network connection, except for a model that the user asks for by name" in words


def test_a_setting_is_explained_by_its_declaration(qapp: QApplication) -> None:
    text = help_pages.text("setting/learning_rate")
    assert "How big each correction is; too high becomes unstable, too low barely learns." in text
    assert "Default: 0.0002." in text
    assert "--learning-rate" in text
    assert "2305.14314" in text


def test_search_looks_into_the_texts(window: HelpWindow) -> None:
    QTest.keyClicks(window.search, "pickle")
    listed = [window.list.item(row).text() for row in range(window.list.count())]
    assert "Models" in listed
    assert "Home" not in listed
    assert "pickle" in window.view.toPlainText()
    QTest.keyClicks(window.search, " no such word")
    assert window.list.count() == 0


def test_links_go_to_their_topic(window: HelpWindow) -> None:
    window.show_topic("home")
    window.view.anchorClicked.emit(QUrl("help:setting/max_tokens"))
    assert window.topic == "setting/max_tokens"
    assert "Longest text" in window.view.toPlainText()
    window.view.anchorClicked.emit(QUrl("https://example.org/"))
    assert window.topic == "setting/max_tokens"


def test_f1_in_a_setting_is_about_that_setting(qtbot: QtBot) -> None:
    form = SettingsForm()
    qtbot.addWidget(form)
    editor = form.rows["learning_rate"].editor.findChild(QLineEdit)
    assert topic_of(editor, "train") == "setting/learning_rate"
    other = QWidget()
    qtbot.addWidget(other)
    inner = QLineEdit()
    QVBoxLayout(other).addWidget(inner)
    assert topic_of(inner, "data") == "data"
    assert topic_of(None, "home") == "home"
