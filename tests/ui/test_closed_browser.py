"""Formatted foreign text loads nothing and follows nothing, whatever it names."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QImage, QTextCursor, QTextDocument
from pytestqt.qtbot import QtBot

from studio.supervisor.chats import Reply
from studio.ui.widgets.closed_browser import LONGEST_FORMATTED, ForeignMarkdown
from studio.ui.widgets.reply_view import ReplyView


@pytest.fixture
def view(qtbot: QtBot) -> ForeignMarkdown:
    made = ForeignMarkdown()
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def picture(tmp_path: Path, qtbot: QtBot) -> Path:
    """A real picture on this computer, which must not be read."""
    path = tmp_path / "secret.png"
    image = QImage(300, 200, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    image.save(str(path))
    return path


@pytest.mark.parametrize("form", ["file://{path}", "{path}", "//srv/share/{name}", "http://127.0.0.1:9/{name}",
                                  "data:image/png;base64,iVBORw0KGgo=", "qrc:/{name}"])  # fmt: skip
def test_no_address_gives_anything(view: ForeignMarkdown, picture: Path, form: str) -> None:
    address = form.format(path=picture, name=picture.name)
    found = view.document().resource(QTextDocument.ResourceType.ImageResource.value, QUrl(address))
    assert (found.width(), found.height(), found.pixelColor(0, 0).alpha()) == (1, 1, 0)
    assert not bytes(view.document().resource(QTextDocument.ResourceType.StyleSheetResource.value, QUrl(address + "x")))


@pytest.mark.parametrize("form", ["file://{path}", "{path}", "FILE://{path}", "../{name}", "{name}"])
def test_a_picture_of_this_computer_is_not_shown_even_where_the_text_is_html(
    view: ForeignMarkdown, picture: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(picture.parent)
    address = form.format(path=picture, name=picture.name)
    view.document().setHtml(f'<img src="{address}">')  # the view must hold even if a text got that far
    assert view.document().size().height() < 150


def test_html_in_a_reply_is_text_and_pictures_are_words(view: ForeignMarkdown, picture: Path) -> None:
    view.show_text(f"**bold** <img src='{picture}'> <b>no</b> ![cat](file://{picture})\n\n<script>x</script>")
    shown = view.toPlainText()
    assert "bold" in shown
    assert "**" not in shown
    assert "<b>no</b>" in shown
    assert "<img" in shown
    assert "![cat]" in shown
    assert "\ufffc" not in shown  # Qt's sign for a picture in a text


def test_a_link_is_told_and_not_opened(view: ForeignMarkdown, qtbot: QtBot) -> None:
    view.show_text("[click](http://example.invalid/x)")
    with qtbot.waitSignal(view.link_clicked) as told:
        view.anchorClicked.emit(QUrl("http://example.invalid/x"))
    assert told.args == ["http://example.invalid/x"]
    assert not view.openLinks()
    assert "click" in view.toPlainText()


def test_a_very_long_reply_is_shown_as_it_stands(view: ForeignMarkdown) -> None:
    view.show_text("**a** " * (LONGEST_FORMATTED // 6 + 1))
    assert view.toPlainText().startswith("**a**")


def test_a_reply_is_plain_until_formatting_is_asked_for(qtbot: QtBot) -> None:
    text = "# Title\n\n- [a](http://example.invalid/) <i>b</i>"
    reply = ReplyView(Reply(side="", name="Starter", text=text, tokens=3, ended="end_token"), "")
    qtbot.addWidget(reply)
    reply.show()
    assert reply.text.isVisible()
    assert reply.text.toPlainText() == text
    reply.form.click()
    assert reply.formatted is not None
    assert reply.formatted.isVisible()
    assert not reply.text.isVisible()
    assert "#" not in reply.formatted.toPlainText()
    assert "<i>b</i>" in reply.formatted.toPlainText()
    reply.formatted.anchorClicked.emit(QUrl("http://example.invalid/"))
    assert "http://example.invalid/ and was not opened" in reply.link.text()
    reply.form.click()
    assert reply.text.isVisible()
    assert reply.text.textCursor().position() == QTextCursor(reply.text.document()).position()
