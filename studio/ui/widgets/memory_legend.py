"""What the colours of the memory bar stand for; breaks into lines where it is narrow."""

from collections.abc import Iterator, Sequence

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.ui import theme, wording
from studio.ui.theme import GRID
from studio.ui.widgets.memory_bar import Piece, color_of

_SWATCH = 12


class MemoryLegend(QWidget):
    """A square and a few words for each piece that is there."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pieces: list[tuple[str, str]] = []
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        theme.changes().theme_changed.connect(self.update)

    def show_pieces(self, pieces: Sequence[Piece]) -> None:
        """Explain these; empty ones are left out."""
        names = {
            "model": self.tr("model"),
            "adapter": self.tr("add-on"),
            "work": self.tr("texts being read"),
            "program": self.tr("program"),
            "others": self.tr("other programs"),
            "free": self.tr("free"),
        }
        self._pieces = [(one.key, f"{names[one.key]} {wording.memory(one.size)}") for one in pieces if one.size]
        self.setAccessibleName(", ".join(self.texts()))
        self._fit()

    def texts(self) -> list[str]:
        """What is said."""
        return [words for _, words in self._pieces]

    def heightForWidth(self, width: int) -> int:
        """As many lines as the words need."""
        last = max((place.y() for *_, place in self._places(width)), default=0)
        return last + self.fontMetrics().height() + 2

    def hasHeightForWidth(self) -> bool:
        """Its height follows from its width."""
        return True

    def sizeHint(self) -> QSize:
        """For the width that it has."""
        width = self.width() or 400
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        """One piece a line."""
        return QSize(160, self.heightForWidth(max(160, self.width())))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width may need other lines."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Larger text, too."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Squares and words."""
        painter, height, tokens = QPainter(self), self.fontMetrics().height(), theme.tokens()
        for key, words, place in self._places(self.width()):
            square = QRect(place.x(), place.y() + (height - _SWATCH) // 2, _SWATCH, _SWATCH)
            painter.fillRect(square, color_of(key))
            painter.setPen(tokens.color("border"))
            painter.drawRect(square.adjusted(0, 0, -1, -1))
            painter.setPen(tokens.color("muted"))
            box = QRect(place.x() + _SWATCH + 6, place.y(), self.width(), height)
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)

    def _places(self, width: int) -> Iterator[tuple[str, str, QPoint]]:
        metrics, left, top = self.fontMetrics(), 0, 0
        for key, words in self._pieces:
            needed = _SWATCH + 6 + metrics.horizontalAdvance(words)
            if left and left + needed > width:
                left, top = 0, top + metrics.height() + 4
            yield key, words, QPoint(left, top)
            left += needed + 2 * GRID

    def _fit(self) -> None:
        self.setFixedHeight(self.heightForWidth(max(1, self.width())))
        self.update()
