"""The help covers every page and every setting, offline, with links that lead somewhere."""

import re
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from studio.contract.fields import fields
from studio.contract.settings import TrainSettings
from studio.ui import help_pages
from studio.ui.help import HelpWindow, topic_of
from studio.ui.pages import PAGES
from studio.ui.widgets.settings_form import SettingsForm


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
