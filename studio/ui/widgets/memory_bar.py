"""Memory as a stacked bar: what a run takes, what other programs hold, what stays free."""

from typing import NamedTuple

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.contract.memory_plan import Estimate, Machine, PartName
from studio.ui import theme, wording

_HEIGHT = 18
GROUPS: tuple[tuple[str, tuple[PartName, ...]], ...] = (
    ("model", ("weights",)),
    ("adapter", ("adapter", "gradients", "optimiser", "best")),
    ("work", ("activations", "loss", "dequantisation")),
    ("program", ("runtime", "overhead")),
)
"""What is drawn as one piece; colours are those of runs, in this order."""


class Piece(NamedTuple):
    """A part of the bar: `key` of GROUPS, "others" or "free"."""

    key: str
    size: int


def pieces_of(estimate: Estimate, machine: Machine) -> list[Piece]:
    """The bar from left to right; what is measured beside the formula counts to the program, and is never negative."""
    sizes = {part.name: part.bytes for part in estimate.parts}
    found = [Piece(key, max(0, sum(sizes.get(name, 0) for name in names))) for key, names in GROUPS]
    others = machine.total_bytes - machine.free_bytes
    left = machine.free_bytes - estimate.total
    return [*found, Piece("others", max(0, others)), Piece("free", max(0, left))]


def color_of(key: str) -> QColor:
    """In the theme of now."""
    tokens = theme.tokens()
    keys = [name for name, _ in GROUPS]
    if key in keys:
        return QColor(tokens.runs[keys.index(key)])
    return tokens.color("border" if key == "others" else "raised")


class MemoryBar(QWidget):
    """Drawn to scale; where a run needs more than there is, a mark shows the end of the memory."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._pieces: list[Piece] = []
        self._total = 1
        theme.changes().theme_changed.connect(self.update)

    def show_estimate(self, estimate: Estimate, machine: Machine) -> None:
        """Draw another estimate."""
        self._pieces, self._total = pieces_of(estimate, machine), max(1, machine.total_bytes)
        words = self.tr("{needed} of {free} free memory").format(
            needed=wording.memory(estimate.total), free=wording.memory(machine.free_bytes)
        )
        self.setAccessibleName(self.tr("Memory of the run: {words}").format(words=words))
        self.update()

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(240, _HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Pieces side by side, the rest empty."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        tokens = theme.tokens()
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.fillRect(frame, tokens.color("raised"))
        scale = frame.width() / max(self._total, sum(piece.size for piece in self._pieces))
        left = frame.left()
        for piece in self._pieces:
            width = piece.size * scale
            if piece.key != "free":
                painter.fillRect(QRectF(left, frame.top(), width, frame.height()), color_of(piece.key))
            left += width
        end = frame.left() + self._total * scale
        if end < frame.right() - 1:  # beyond the end of the memory
            beyond = QRectF(end, frame.top(), frame.right() - end, frame.height())
            painter.fillRect(beyond, tokens.color("error_soft"))
            painter.fillRect(beyond, QBrush(tokens.color("error"), Qt.BrushStyle.BDiagPattern))
            painter.fillRect(QRectF(end - 1, frame.top(), 3, frame.height()), tokens.color("error"))
        painter.setPen(QPen(tokens.color("border"), 1))
        painter.drawRect(frame)
