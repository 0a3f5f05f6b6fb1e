"""How learned, tested and unused tokens look, and the legend that says so in words."""

from typing import Literal

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QTextCharFormat, QTextLayout
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from studio.contract.events import MaskedRow
from studio.ui import theme
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import Folding, held, row

Marks = Literal["learned", "tested", "none"]
"""What a row's labels mean: they are learned; they would be, but the row is kept aside; nothing comes of them."""


def marks_of(row: MaskedRow | None, compared: bool = False) -> Marks:
    """How a row is marked.

    Args:
        row: It.
        compared: Its dataset rates or compares answers, which cannot be trained on yet.
    """
    if row is None:
        return "learned"
    if row.excluded or row.fate in ("left_out", "nothing_to_learn"):
        return "none"
    return "tested" if row.held_back or compared else "learned"


def token_format(learned: bool, marks: Marks, control: bool = False) -> QTextCharFormat:
    """The look of a token."""
    colors = theme.tokens()
    form = QTextCharFormat()
    form.setForeground(QColor(colors.muted))
    if control:
        form.setFontFamilies(["monospace"])
        form.setFontStyleHint(QFont.StyleHint.Monospace)
    if learned and marks != "none":
        form.setForeground(QColor(colors.learned))
        form.setUnderlineColor(QColor(colors.learned))
    if learned and marks == "learned":
        form.setBackground(QColor(colors.learned_soft))
        form.setUnderlineStyle(QTextCharFormat.UnderlineStyle.SingleUnderline)
        form.setFontWeight(QFont.Weight.Medium)
    elif learned and marks == "tested":
        form.setUnderlineStyle(QTextCharFormat.UnderlineStyle.DashUnderline)
    return form


def chip_format() -> QTextCharFormat:
    """The look of a control token's number."""
    colors = theme.tokens()
    form = QTextCharFormat()
    form.setFontPointSize(theme.mono_font().pointSizeF() * 0.8)
    form.setForeground(QColor(colors.text))
    form.setBackground(QColor(colors.line))
    return form


class Legend(QWidget):
    """What the colours mean, in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._marks: Marks = "learned"
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        self._mark = _Marked(self)
        self._learned, self._chip = QLabel(self), QLabel(self)
        for made in (self._learned, self._chip):
            made.setTextFormat(Qt.TextFormat.RichText)  # our own words only
        self._read = label("", "muted")
        words = held(row(self._mark, self._learned, 1, spacing=0))
        outer.addWidget(
            Folding(held(row(words, self._read, spacing=2 * theme.GRID)), self._chip, spacing=2 * theme.GRID)
        )
        outer.addStretch(1)
        theme.changes().theme_changed.connect(self._on_theme_changed)
        self.show_marks("learned", False)

    def show_marks(self, marks: Marks, with_control: bool) -> None:
        """Explain the marks of the row that is shown."""
        self._marks = marks
        self._chip.setVisible(with_control)
        words = {
            "learned": self.tr("Grey: read only"),
            "tested": self.tr("Grey: is asked"),
            "none": self.tr("Nothing of this row is learned."),
        }
        self._read.setText(words[marks])
        for made in (self._mark, self._learned):
            made.setVisible(marks != "none")
        self._on_theme_changed()

    def _on_theme_changed(self) -> None:
        colors = theme.tokens()
        if self._marks == "tested":
            mark, rest = self.tr("Dashed underline"), self.tr("would be learned")
        else:
            mark, rest = self.tr("Green and underlined"), self.tr("learned")
        self._mark.show_marked(mark, token_format(True, self._marks))
        self._learned.setText(f": {rest}")
        chip = f'<span style="background-color:{colors.line}">&nbsp;12&nbsp;</span>'
        self._chip.setText(f"{chip}: {self.tr('number of a control token')}")


class _Marked(QLabel):
    """A word that looks as the tokens do of which it tells; rich text knows no dashed line."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._form = QTextCharFormat()

    def show_marked(self, word: str, form: QTextCharFormat) -> None:
        """Show a word in the look of a token."""
        self._form = form
        self.setText(word)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        layout = QTextLayout(self.text(), self.font())
        part = QTextLayout.FormatRange()
        part.start, part.length, part.format = 0, len(self.text()), self._form  # type: ignore[attr-defined]
        layout.setFormats([part])
        layout.beginLayout()
        line = layout.createLine()
        layout.endLayout()
        painter = QPainter(self)
        layout.draw(painter, QPointF(0, (self.height() - line.height()) / 2))
        painter.end()
