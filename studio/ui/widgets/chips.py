"""Suggested questions as buttons: one click asks."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from studio.supervisor.held_back import Question
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label, plain_tip

SHOWN = 3


class Chip(QPushButton):
    """A question on one line, shortened to the room there is."""

    def __init__(self, question: Question, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.question = question
        self._line = " ".join(question.text.split())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAutoDefault(False)
        self.setAccessibleName(self.tr("Ask: {text}").format(text=self._line))
        self.setToolTip(plain_tip(question.text[:1000]))

    def sizeHint(self) -> QSize:
        """Room for the whole question, up to a point."""
        whole = self.fontMetrics().horizontalAdvance(self._line) + 4 * GRID
        return QSize(min(whole, 360), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """A few words."""
        return QSize(96, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten anew."""
        super().resizeEvent(event)
        room = max(0, self.width() - 4 * GRID)
        shown = self.fontMetrics().elidedText(self._line, Qt.TextElideMode.ElideRight, room)
        self.setText(shown.replace("&", "&&"))


class Chips(QWidget):
    """Up to SHOWN questions at a time, and a button for others. `question_chosen` carries the `Question`."""

    question_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._questions: list[Question] = []
        self._first = 0
        self.chips: list[Chip] = []
        self.title = label(self.tr("Try:"), "muted")
        self.more = buttons.icon_button("refresh", self.tr("Other questions"), self._on_more)
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(GRID)
        self._line.addWidget(self.title)
        self._line.addWidget(self.more)
        self.hide()

    def show_questions(self, questions: list[Question]) -> None:
        """Offer these; hidden where there are none."""
        self._questions, self._first = questions, 0
        self._fill()
        self.setVisible(bool(questions))
        self.more.setVisible(len(questions) > SHOWN)

    def _fill(self) -> None:
        for chip in self.chips:
            self._line.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        count = min(SHOWN, len(self._questions))
        picked = [self._questions[(self._first + step) % len(self._questions)] for step in range(count)]
        self.chips = [Chip(question) for question in picked]
        for place, chip in enumerate(self.chips, start=1):
            chip.clicked.connect(self._on_chip_clicked)
            self._line.insertWidget(place, chip, 1)

    def _on_chip_clicked(self) -> None:
        chip = self.sender()
        if isinstance(chip, Chip):
            self.question_chosen.emit(chip.question)

    def _on_more(self) -> None:
        self._first = (self._first + SHOWN) % len(self._questions)
        self._fill()
