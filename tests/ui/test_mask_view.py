"""The mask view paints the worker's labels, and nothing else."""

import msgspec
import pytest
from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from studio.contract.events import MaskedRow
from studio.ui import theme
from studio.ui.widgets import mask_view
from studio.ui.widgets.mask_view import MaskView, TokenText, learned_share, shown_text

PIECES = ("<s>", "user\n", "Hi 😀", " <b>you</b>", "", "é", "answer", "</s>")
LEARNED = (False, False, False, False, True, True, True, True)


def row(pieces: tuple[str, ...] = PIECES, learned: tuple[bool, ...] = LEARNED) -> MaskedRow:
    return MaskedRow(row=3, pieces=pieces, ids=tuple(range(100, 100 + len(pieces))), learned=learned, fate="kept")


@pytest.fixture
def text(qtbot: QtBot) -> TokenText:
    made = TokenText()
    qtbot.addWidget(made)
    made.show_row(row())
    return made


def format_at(text: TokenText, position: int) -> QTextCharFormat:
    cursor = QTextCursor(text.document())
    cursor.setPosition(position + 1)
    return cursor.charFormat()


def test_learned_tokens_are_coloured_and_underlined_and_others_are_not(text: TokenText) -> None:
    shown = text.toPlainText()
    learned, read = format_at(text, shown.index("answer") + 1), format_at(text, shown.index("you") + 1)
    assert learned.underlineStyle() == QTextCharFormat.UnderlineStyle.SingleUnderline
    assert learned.background().color() == QColor(theme.tokens().learned_soft)
    assert read.underlineStyle() == QTextCharFormat.UnderlineStyle.NoUnderline
    assert read.foreground().color() == QColor(theme.tokens().muted)


def test_markup_in_a_row_stays_text(text: TokenText) -> None:
    assert "<b>you</b>" in text.toPlainText()


def test_line_breaks_are_seen_and_kept(text: TokenText) -> None:
    assert "user↵\nHi" in text.toPlainText()


def test_every_token_is_found_where_it_is_painted(text: TokenText) -> None:
    position = 0
    for index, piece in enumerate(PIECES):
        units = len(shown_text(piece).encode("utf-16-le")) // 2
        for step in range(units):
            assert text.token_at(position + step) == index
        position += units
    assert text.token_at(position) == -1


def test_a_token_is_described_with_its_id_and_whether_it_is_learned(text: TokenText) -> None:
    assert text.describe(6) == "Token 7 of 8: “answer”, id 106, learned"
    assert text.describe(0) == "Token 1 of 8: “<s>”, id 100, read only"


def test_parts_of_a_character_are_named_with_it(text: TokenText) -> None:
    assert "id 104 + 105" in text.describe(5)


def test_moving_the_text_cursor_tells_the_token(qtbot: QtBot) -> None:
    view = MaskView()
    qtbot.addWidget(view)
    view.show_row(row())
    cursor = view.text.textCursor()
    cursor.setPosition(view.text.toPlainText().index("answer") + 1)
    with qtbot.waitSignal(view.text.token_pointed) as told:
        view.text.setTextCursor(cursor)
    # A character outside the basic plane counts twice for Qt.
    assert told.args in ([6], [5])
    assert "learned" in view._pointed.text()


@pytest.mark.parametrize(
    ("hidden", "shown"), [("\u202e", "⟨U+202E⟩"), ("\x00", "⟨U+0000⟩"), ("\t", "⇥\t"), ("\r", "␍")]
)
def test_invisible_characters_are_made_visible(hidden: str, shown: str) -> None:
    assert shown_text(f"a{hidden}b") == f"a{shown}b"


def test_the_legend_says_in_words_what_the_colours_mean(qtbot: QtBot) -> None:
    view = MaskView()
    qtbot.addWidget(view)
    words = " ".join(found.text() for found in view.findChildren(QLabel))
    assert "Green and underlined" in words
    assert "read only" in words


def test_a_screen_reader_is_told_what_is_learned(text: TokenText) -> None:
    assert text.accessibleDescription() == "Learned: éanswer</s>"


def test_a_change_of_theme_repaints(text: TokenText, qapp: QApplication) -> None:
    theme.apply(qapp, "dark")
    learned = format_at(text, text.toPlainText().index("answer") + 1)
    assert learned.background().color() == QColor(theme.DARK.learned_soft)


def test_a_huge_row_is_cut_and_says_so(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_view, "MOST_TOKENS", 4)
    view = MaskView()
    qtbot.addWidget(view)
    view.show_row(row())
    assert view._more.text() == "The first 4 of 8 tokens are shown."
    assert "answer" not in view.text.toPlainText()


def test_the_share_of_learned_tokens_is_counted_from_the_labels() -> None:
    assert learned_share(row()) == 0.5
    assert learned_share(row((), ())) == 0.0


def test_a_row_that_is_held_back_is_marked_otherwise_and_nothing_of_it_is_called_learned(qtbot: QtBot) -> None:
    view = MaskView()
    qtbot.addWidget(view)
    view.show_row(msgspec.structs.replace(row(), held_back=True))
    marked = format_at(view.text, view.text.toPlainText().index("answer") + 1)
    assert marked.underlineStyle() == QTextCharFormat.UnderlineStyle.DashUnderline
    assert marked.background().color() != QColor(theme.tokens().learned_soft)
    words = " ".join(found.text() for found in view.findChildren(QLabel) if not found.isHidden())
    assert "Dashed underline : would be learned" in words
    assert "is asked" in words
    assert "Green" not in words
    assert view.text.describe(6).endswith("would be learned")
    assert view.text.accessibleDescription().startswith("Would be learned:")


@pytest.mark.parametrize("change", [{"fate": "left_out"}, {"fate": "nothing_to_learn"}, {"excluded": True}])
def test_nothing_of_a_row_that_is_left_out_is_marked(qtbot: QtBot, change: dict[str, object]) -> None:
    view = MaskView()
    qtbot.addWidget(view)
    view.show_row(msgspec.structs.replace(row(), **change))
    marked = format_at(view.text, view.text.toPlainText().index("answer") + 1)
    assert marked.underlineStyle() == QTextCharFormat.UnderlineStyle.NoUnderline
    words = " ".join(found.text() for found in view.findChildren(QLabel) if not found.isHidden())
    assert "Nothing of this row is learned." in words
    assert "Green" not in words
    assert view.text.accessibleDescription() == "Nothing of this row is learned."


def test_a_control_token_bears_its_number_and_a_typed_one_does_not(qtbot: QtBot) -> None:
    view = MaskView()
    qtbot.addWidget(view)
    pieces = ("Type ", "<|end|>", " now", "<|end|>")
    shown = MaskedRow(
        row=0, pieces=pieces, ids=(5, 7, 8, 2), learned=(False,) * 4, fate="kept", control=(False, False, False, True)
    )
    view.show_row(shown)
    text = view.text.toPlainText()
    assert text == "Type <|end|> now<|end|> 2 "
    number = text.index(" 2 ") + 1
    assert format_at(view.text, number).background().color() == QColor(theme.tokens().line)
    assert format_at(view.text, text.index("<|end|>") + 1).background().color() != QColor(theme.tokens().line)
    assert view.text.token_at(number) == 3
    assert "control token" in view.text.describe(3)
    assert "control token" not in view.text.describe(1)


def test_of_two_answers_the_worse_one_stands_below(qtbot: QtBot) -> None:
    view = MaskView()
    qtbot.addWidget(view)
    view.show_row(row())
    assert view.worse.isHidden()
    worse = row(("Hi", " nobody knows"), (False, False))
    view.show_row(msgspec.structs.replace(row(), rejected=worse), compared=True)
    assert not view.worse.isHidden()
    assert view.worse.toPlainText() == "Hi nobody knows"
    marked = format_at(view.text, view.text.toPlainText().index("answer") + 1)
    assert marked.underlineStyle() == QTextCharFormat.UnderlineStyle.DashUnderline
