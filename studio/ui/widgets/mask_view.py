"""One row as the model sees it: every token, and which of them are learned, by the trainer's own labels."""

import unicodedata
from bisect import bisect_right

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import QColor, QFont, QHelpEvent, QMouseEvent, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QTextEdit, QToolTip, QVBoxLayout, QWidget

from studio.contract.events import MaskedRow
from studio.ui import theme, wording
from studio.ui.widgets.labels import ElidedLabel, label, plain_tip

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
        self.setMinimumHeight(8 * self.fontMetrics().lineSpacing())
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setAccessibleName(self.tr("The row as the model sees it"))
        self.viewport().setMouseTracking(True)
        self._row: MaskedRow | None = None
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._pointed = -1
        self.cursorPositionChanged.connect(self._on_cursor_moved)
        theme.changes().theme_changed.connect(self._on_theme_changed)

    def show_row(self, row: MaskedRow | None) -> None:
        """Paint a row, or nothing."""
        self._row = row
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
        position, run, run_learned = 0, "", False
        for piece, learned in zip(row.pieces[:MOST_TOKENS], row.learned):
            text = shown_text(piece)
            self._starts.append(position)
            position += _units(text)
            self._ends.append(position)
            if learned != run_learned and run:
                cursor.insertText(run, _format(run_learned))
                run = ""
            run, run_learned = run + text, learned
        cursor.insertText(run, _format(run_learned))
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
        learned = self.tr("learned") if self._row.learned[token] else self.tr("read only")
        ids = " + ".join(str(number) for number in self._row.ids[first : token + 1])
        return self.tr("Token {number} of {total}: “{text}”, id {ids}, {learned}").format(
            number=token + 1, total=len(self._row.ids), text=text, ids=ids, learned=learned
        )

    def _spoken(self, row: MaskedRow) -> str:
        """Learned passages for a screen reader, which cannot see colours."""
        passages, run = [], ""
        for piece, learned in zip(row.pieces[:MOST_TOKENS], row.learned):
            if learned:
                run += piece
            elif run:
                passages.append(run)
                run = ""
        passages += [run] if run else []
        return self.tr("Learned: {passages}").format(passages=" … ".join(passages)[:2000])

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


def _format(learned: bool) -> QTextCharFormat:
    colors = theme.tokens()
    form = QTextCharFormat()
    if learned:
        form.setForeground(QColor(colors.learned))
        form.setBackground(QColor(colors.learned_soft))
        form.setUnderlineStyle(QTextCharFormat.UnderlineStyle.SingleUnderline)
        form.setUnderlineColor(QColor(colors.learned))
        form.setFontWeight(QFont.Weight.Medium)
    else:
        form.setForeground(QColor(colors.muted))
    return form


class Legend(QWidget):
    """What the colours mean, in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.GRID * 2)
        self._learned = QLabel(self)
        self._learned.setTextFormat(Qt.TextFormat.RichText)  # our own words only
        self._read = label(self.tr("Grey: read only"), "muted")
        row.addWidget(self._learned)
        row.addWidget(self._read)
        row.addStretch(1)
        theme.changes().theme_changed.connect(self._on_theme_changed)
        self._on_theme_changed()

    def _on_theme_changed(self) -> None:
        colors = theme.tokens()
        mark = self.tr("Green and underlined")
        rest = self.tr("learned")
        self._learned.setText(
            f'<span style="color:{colors.learned};background-color:{colors.learned_soft};'
            f'text-decoration:underline;font-weight:500">{mark}</span>: {rest}'
        )


class MaskView(QWidget):
    """Text, legend, and the token that is pointed at in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = TokenText(self)
        self._hint = self.tr("Point at a token, or move the text cursor, to see its id.")
        self._pointed = ElidedLabel(self._hint, "muted")
        self._more = label("", "warning")
        self._more.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        column.addWidget(Legend(self))
        column.addWidget(self.text, 1)
        column.addWidget(self._more)
        column.addWidget(self._pointed)
        self.text.token_pointed.connect(self._on_token_pointed)

    def show_row(self, row: MaskedRow | None) -> None:
        """Show a row of the preview worker."""
        self.text.show_row(row)
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


def learned_share(row: MaskedRow) -> float:
    """Share of the row's tokens that are learned."""
    return sum(row.learned) / len(row.ids) if row.ids else 0.0
