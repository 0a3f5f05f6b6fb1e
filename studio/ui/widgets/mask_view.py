"""One row as the model sees it: every token, and which of them are learned, by the trainer's own labels."""

import unicodedata
from bisect import bisect_right
from itertools import zip_longest

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QTextCursor
from PySide6.QtWidgets import QSizePolicy, QTextEdit, QToolTip, QVBoxLayout, QWidget

from studio.contract.events import MaskedRow
from studio.ui import theme, wording
from studio.ui.widgets.labels import ElidedLabel, label, plain_tip
from studio.ui.widgets.mask_style import Legend, Marks, chip_format, marks_of, token_format

MOST_TOKENS = 20_000
"""More than this is not painted; the view says so."""

_JOINERS = "\u200c\u200d"


def shown_text(piece: str) -> str:
    """A token's text with everything invisible made visible; line breaks are kept behind a sign."""
    if piece.isprintable():
        return piece
    signs = {"\n": "↵\n", "\r": "␍", "\t": "⇥\t"}
    return "".join(signs.get(char) or (_code(char) if _hidden(char) else char) for char in piece)


def _hidden(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and char not in _JOINERS


def _code(char: str) -> str:
    return f"⟨U+{ord(char):04X}⟩"


def _units(text: str) -> int:
    """Length as QTextCursor counts it: UTF-16 units."""
    return len(text) + sum(ord(char) > 0xFFFF for char in text)


class TokenText(QTextEdit):
    """The tokens as running text. Plain text only; `token_pointed` tells which token mouse or cursor are at."""

    token_pointed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setAcceptRichText(False)
        self.setUndoRedoEnabled(False)
        self.setTabChangesFocus(True)
        self.setMinimumHeight(6 * self.fontMetrics().lineSpacing())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)  # two of them fit a low window
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setAccessibleName(self.tr("The row as the model sees it"))
        self.viewport().setMouseTracking(True)
        self._row: MaskedRow | None = None
        self._marks: Marks = "learned"
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._pointed = -1
        self.cursorPositionChanged.connect(self._on_cursor_moved)
        theme.changes().theme_changed.connect(self._on_theme_changed)

    def show_row(self, row: MaskedRow | None, marks: Marks = "learned") -> None:
        """Paint a row, or nothing; `marks` says what its learned tokens mean."""
        self._row, self._marks = row, marks
        self._paint()
        if row is not None:
            self.setAccessibleDescription(self._spoken(row))

    def _on_theme_changed(self) -> None:
        self._paint()

    def _paint(self) -> None:
        self.blockSignals(True)
        self.clear()
        self._starts, self._ends, self._pointed = [], [], -1
        self.setExtraSelections([])
        if self._row is not None:
            self._insert(self._row)
        self.moveCursor(QTextCursor.MoveOperation.Start)
        self.blockSignals(False)

    def _insert(self, row: MaskedRow) -> None:
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        marks = self._marks
        position, run, run_learned = 0, "", False
        tokens = zip_longest(row.pieces[:MOST_TOKENS], row.control[:MOST_TOKENS], fillvalue=False)
        for (piece, control), learned, token in zip(tokens, row.learned, row.ids):
            text = shown_text(str(piece))
            chip = f"\u00a0{token}\u00a0" if control else ""
            self._starts.append(position)
            position += _units(text + chip)
            self._ends.append(position)
            if (learned != run_learned or control) and run:
                cursor.insertText(run, token_format(run_learned, marks))
                run = ""
            if control:  # its number tells it from a text that is written alike
                cursor.insertText(text, token_format(learned, marks, control=True))
                cursor.insertText(chip, chip_format())
            else:
                run, run_learned = run + text, learned
        cursor.insertText(run, token_format(run_learned, marks))
        cursor.endEditBlock()

    def token_at(self, position: int) -> int:
        """Index of the token at a position of the text, or -1."""
        index = bisect_right(self._starts, position) - 1
        return index if index >= 0 and position < self._ends[index] else -1

    def describe(self, token: int) -> str:
        """A token in words; tokens without text of their own (parts of a character) are named with it."""
        if self._row is None or not 0 <= token < len(self._starts):
            return ""
        first = token
        while first > 0 and not self._row.pieces[first - 1]:
            first -= 1
        text = shown_text(self._row.pieces[token]).strip("\n")
        learned = self._fate_of(token)
        ids = " + ".join(str(number) for number in self._row.ids[first : token + 1])
        return self.tr("Token {number} of {total}: “{text}”, id {ids}, {learned}").format(
            number=token + 1, total=len(self._row.ids), text=text, ids=ids, learned=learned
        )

    def _fate_of(self, token: int) -> str:
        row = self._row
        assert row is not None
        words = {
            "learned": (self.tr("read only"), self.tr("learned")),
            "tested": (self.tr("is asked"), self.tr("would be learned")),
            "none": (self.tr("not used"), self.tr("not used")),
        }[self._marks][row.learned[token]]
        is_control = token < len(row.control) and row.control[token]
        return f"{self.tr('control token')}, {words}" if is_control else words

    def _spoken(self, row: MaskedRow) -> str:
        """Learned passages for a screen reader, which cannot see colours."""
        if self._marks == "none":
            return self.tr("Nothing of this row is learned.")
        passages, run = [], ""
        for piece, learned in zip(row.pieces[:MOST_TOKENS], row.learned):
            if learned:
                run += piece
            elif run:
                passages.append(run)
                run = ""
        passages += [run] if run else []
        told = self.tr("Learned: {passages}") if self._marks == "learned" else self.tr("Would be learned: {passages}")
        return told.format(passages=" … ".join(passages)[:2000])

    def _point(self, token: int) -> None:
        if token == self._pointed:
            return
        self._pointed = token
        if token < 0:
            self.setExtraSelections([])
        else:
            mark = QTextEdit.ExtraSelection()
            mark.cursor = QTextCursor(self.document())  # type: ignore[attr-defined]
            mark.cursor.setPosition(self._starts[token])  # type: ignore[attr-defined]
            mark.cursor.setPosition(self._ends[token], QTextCursor.MoveMode.KeepAnchor)  # type: ignore[attr-defined]
            mark.format.setBackground(QColor(theme.tokens().accent))  # type: ignore[attr-defined]
            mark.format.setForeground(QColor(theme.tokens().accent_text))  # type: ignore[attr-defined]
            self.setExtraSelections([mark])
        self.token_pointed.emit(token)

    def _token_under(self, point: QPoint) -> int:
        document = self.document()
        shift = QPoint(self.horizontalScrollBar().value(), self.verticalScrollBar().value())
        position = document.documentLayout().hitTest((point + shift).toPointF(), Qt.HitTestAccuracy.ExactHit)
        return self.token_at(position) if position >= 0 else -1

    def _on_cursor_moved(self) -> None:
        self._point(self.token_at(self.textCursor().position()))

    # Qt's own names.

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        self._point(self._token_under(event.position().toPoint()))

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            QToolTip.showText(
                event.globalPos(), plain_tip(self.describe(self._token_under(event.pos()))), self.viewport()
            )
            return True
        if event.type() == QEvent.Type.Leave:
            self._point(-1)
        return super().viewportEvent(event)


class MaskView(QWidget):
    """Text, legend, and the token that is pointed at in words; of two answers the worse one below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = TokenText(self)
        self.legend = Legend(self)
        self.worse_title = label(self.tr("The worse answer, of which nothing is learned:"), "muted")
        self.worse = TokenText(self)
        self.worse.setAccessibleName(self.tr("The worse answer as the model sees it"))
        self.worse.token_pointed.connect(self._on_worse_pointed)
        self._hint = self.tr("Point at a token, or move the text cursor, to see its id.")
        self._pointed = ElidedLabel(self._hint, "muted")
        self._more = label("", "warning")
        self._more.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        column.addWidget(self.legend)
        column.addWidget(self.text, 1)
        column.addWidget(self.worse_title)
        column.addWidget(self.worse, 1)
        column.addWidget(self._more)
        column.addWidget(self._pointed)
        self.text.token_pointed.connect(self._on_token_pointed)
        self.show_row(None)

    def show_row(self, row: MaskedRow | None, compared: bool = False) -> None:
        """Show a row of the preview worker.

        Args:
            row: It, or None.
            compared: Its dataset rates or compares answers, which cannot be trained on yet.
        """
        marks = marks_of(row, compared)
        worse = row.rejected if row is not None else None
        self.text.show_row(row, marks)
        self.worse.show_row(worse, "none")
        self.worse.setVisible(worse is not None)
        self.worse_title.setVisible(worse is not None)
        self.legend.show_marks(marks, row is not None and any(row.control))
        self._pointed.set_text(self._hint)
        long = row is not None and len(row.ids) > MOST_TOKENS
        self._more.setVisible(long)
        if row is not None and long:
            self._more.setText(
                self.tr("The first {shown} of {total} tokens are shown.").format(
                    shown=wording.number(MOST_TOKENS), total=wording.number(len(row.ids))
                )
            )

    def _on_token_pointed(self, token: int) -> None:
        self._pointed.set_text(self.text.describe(token) or self._hint)

    def _on_worse_pointed(self, token: int) -> None:
        self._pointed.set_text(self.worse.describe(token) or self._hint)


def learned_share(row: MaskedRow) -> float:
    """Share of the row's tokens that are learned."""
    return sum(row.learned) / len(row.ids) if row.ids else 0.0
