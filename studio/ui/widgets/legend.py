"""What colours and lines stand for: a small picture and a few words each; breaks into lines where it is narrow."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.ui import theme, wording
from studio.ui.theme import GRID
from studio.ui.widgets.memory_bar import Piece, color_of
from studio.ui.widgets.plot_panel import Look


class Legend(QWidget):
    """Entries one after the other, in as many lines as they need. What is drawn beside the words is the child's."""

    swatch_width = 12

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: list[tuple[Any, str]] = []
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        theme.changes().theme_changed.connect(self.update)

    @abstractmethod
    def draw_swatch(self, painter: QPainter, key: Any, place: QRect) -> None:
        """Draw what an entry's words are about, `swatch_width` wide and as high as a line."""

    def set_entries(self, entries: Sequence[tuple[Any, str]]) -> None:
        """Explain these: what is handed to `draw_swatch`, and words."""
        self._entries = list(entries)
        self.setAccessibleName(", ".join(self.texts()))
        self._fit()

    def entries(self) -> list[tuple[Any, str]]:
        """What is explained."""
        return list(self._entries)

    def texts(self) -> list[str]:
        """What is said."""
        return [words for _, words in self._entries]

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
        """One entry a line."""
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
        """Pictures and words."""
        painter, height = QPainter(self), self.fontMetrics().height()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for key, words, place in self._places(self.width()):
            self.draw_swatch(painter, key, QRect(place.x(), place.y(), self.swatch_width, height))
            painter.setPen(theme.tokens().color("muted"))
            left = place.x() + self.swatch_width + 6
            shown = self.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, self.width() - left)
            box = QRect(left, place.y(), self.width() - left, height)
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)

    def _places(self, width: int) -> Iterator[tuple[Any, str, QPoint]]:
        metrics, left, top = self.fontMetrics(), 0, 0
        for key, words in self._entries:
            needed = self.swatch_width + 6 + metrics.horizontalAdvance(words)
            if left and left + needed > width:
                left, top = 0, top + metrics.height() + 4
            yield key, words, QPoint(left, top)
            left += needed + 2 * GRID

    def _fit(self) -> None:
        self.setFixedHeight(self.heightForWidth(max(1, self.width())))
        self.update()


class MemoryLegend(Legend):
    """A square for each piece of the memory bar."""

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
        self.set_entries([(one.key, f"{names[one.key]} {wording.memory(one.size)}") for one in pieces if one.size])

    def draw_swatch(self, painter: QPainter, key: Any, place: QRect) -> None:
        """A square in the piece's colour."""
        side = self.swatch_width
        square = QRect(place.x(), place.y() + (place.height() - side) // 2, side, side)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.fillRect(square, color_of(key))
        painter.setPen(theme.tokens().color("border"))
        painter.drawRect(square.adjusted(0, 0, -1, -1))


class PlotLegend(Legend):
    """A piece of each line of a plot, as it is drawn there."""

    swatch_width = 28

    def show_runs(self, names: Sequence[str], with_checkpoints: bool) -> None:
        """Explain the lines of one run, or of several by their names; the ticks at the foot where there are any."""
        if len(names) > 1:
            *before, last = names
            words = [*before, self.tr("{run} (dots: on unseen examples)").format(run=last)]
            entries = [(Look(index, "smooth", True), name) for index, name in enumerate(words)]
        else:
            entries = [
                (Look(0, "smooth"), self.tr("Loss, smoothed")),
                (Look(0, "raw"), self.tr("each step")),
                (Look(0, "tests"), self.tr("on unseen examples (★ best)")),
            ]
            entries += [(Look(0, "checkpoint"), self.tr("saved state (checkpoint)"))] if with_checkpoints else []
        if entries != self.entries():
            self.set_entries(entries)

    def draw_swatch(self, painter: QPainter, key: Look, place: QRect) -> None:
        """The line, and the dot of a test; a checkpoint is a tick."""
        draw_look(painter, key, place)


def draw_look(painter: QPainter, look: Look, place: QRect) -> None:
    """Draw a piece of a line of a plot, as wide as the place is."""
    middle = place.y() + place.height() // 2
    painter.setPen(look.pen())
    if look.kind == "checkpoint":
        painter.drawLine(place.center().x(), middle - 4, place.center().x(), middle + 4)
        return
    painter.drawLine(place.x(), middle, place.right(), middle)
    if look.kind == "tests":
        painter.setBrush(look.color())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(place.x() + 11, middle - 3, 6, 6)
