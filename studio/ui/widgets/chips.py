"""Suggested questions as buttons: one click asks. As many as can be read whole."""

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from studio.supervisor.held_back import Question
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label, plain_tip

SHOWN = 3
LINES = 2
_PADDING = 4 * GRID
"""Of a button, left and right together."""


def two_lines(text: str, metrics: QFontMetrics, width: int) -> tuple[list[str], bool]:
    """Text broken between words into at most LINES lines of a width in pixels, and whether all of it is there."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and metrics.horizontalAdvance(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    rest = " ".join(lines[LINES - 1 :])
    shown = [*lines[: LINES - 1], rest] if len(lines) >= LINES else lines
    cut = [metrics.elidedText(line, Qt.TextElideMode.ElideRight, width) for line in shown]
    return cut, cut == shown


class Chip(QPushButton):
    """A question on one line or two, shortened only where even one chip alone has no room for it."""

    def __init__(self, question: Question, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.question = question
        self._line = " ".join(question.text.split())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)  # all as high as the highest
        self.setAutoDefault(False)
        self.setAccessibleName(self.tr("Ask: {text}").format(text=self._line))
        self.setToolTip(plain_tip(question.text[:1000]))

    def fits(self, width: int) -> bool:
        """Whether the whole question can be read on a chip of this width."""
        return two_lines(self._line, self.fontMetrics(), width - _PADDING)[1]

    def take_width(self, width: int) -> None:
        """Break the question for a width, before the layout asks how high that is."""
        lines, _ = two_lines(self._line, self.fontMetrics(), width - _PADDING)
        self.setText("\n".join(lines).replace("&", "&&"))

    def sizeHint(self) -> QSize:
        """Chips share the width; the height follows the lines."""
        return QSize(96, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """A few words."""
        return self.sizeHint()


class Chips(QWidget):
    """Up to SHOWN questions at a time, and a button for others. `question_chosen` carries the `Question`."""

    question_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._questions: list[Question] = []
        self._first = 0
        self.chips: list[Chip] = []
        self.title = label(self.tr("Try:"), "muted")
        self.more = buttons.flat(self.tr("More questions"), self._on_more)
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(GRID)
        self._line.addWidget(self.title)
        self._line.addWidget(
            self.more, 0, Qt.AlignmentFlag.AlignVCenter
        )  # without it, its height would bound the row's
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.hide()

    def show_questions(self, questions: list[Question]) -> None:
        """Offer these; hidden where there are none."""
        self._questions, self._first = questions, 0
        self._fill()
        self.setVisible(bool(questions))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width has room for more chips or fewer."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._share_width()

    def changeEvent(self, event: QEvent) -> None:
        """Larger text needs more room."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._share_width()

    def _fill(self) -> None:
        for chip in self.chips:
            self._line.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        count = min(SHOWN, len(self._questions))
        picked = [self._questions[(self._first + step) % len(self._questions)] for step in range(count)]
        self.chips = [Chip(question, self) for question in picked]
        for place, chip in enumerate(self.chips, start=1):
            chip.clicked.connect(self._on_chip_clicked)
            self._line.insertWidget(place, chip, 1)
        self._share_width()

    def _share_width(self) -> None:
        """Show as many chips as can be read whole, one at least."""
        if not self.chips:
            return
        count = len(self.chips)
        while count > 1 and not all(chip.fits(self._width_of(count)) for chip in self.chips[:count]):
            count -= 1
        for place, chip in enumerate(self.chips):
            chip.setVisible(place < count)
            chip.take_width(self._width_of(count))
        self.more.setVisible(len(self._questions) > count)

    def _width_of(self, count: int) -> int:
        taken = self.title.sizeHint().width() + self.more.sizeHint().width() + (count + 1) * GRID
        return max(0, self.width() - taken) // count

    @property
    def offered(self) -> list[Chip]:
        """The chips that are shown."""
        return [chip for chip in self.chips if not chip.isHidden()]

    def _on_chip_clicked(self) -> None:
        chip = self.sender()
        if isinstance(chip, Chip):
            self.question_chosen.emit(chip.question)

    def _on_more(self) -> None:
        self._first = (self._first + len(self.offered)) % len(self._questions)
        self._fill()
