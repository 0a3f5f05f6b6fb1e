"""What a page shows while it has nothing: one sentence, one thing to do."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import IconLabel, label


class EmptyState(QWidget):
    """Sentence and primary action in the middle; `link` is a second, quieter action.

    Attributes:
        action_wanted, link_wanted: The button was clicked.
    """

    action_wanted = Signal()
    link_wanted = Signal()

    def __init__(
        self, sentence: str, action: str = "", hint: str = "", icon: str = "", link: str = "", action_icon: str = ""
    ) -> None:
        super().__init__()
        outer = QVBoxLayout(self)
        outer.setSpacing(GRID + 4)
        outer.addStretch(2)
        middle = Qt.AlignmentFlag.AlignHCenter
        if icon:
            outer.addWidget(IconLabel(icon, "muted", 48), 0, middle)
        self.sentence = label(sentence, "title", wrap=True)
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        outer.addWidget(self.sentence)
        self.hint = label(hint, "muted", wrap=True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.hint.setVisible(bool(hint))
        outer.addWidget(self.hint)
        self.action = buttons.primary(action, self.action_wanted.emit, action_icon)
        self.action.setVisible(bool(action))
        outer.addWidget(self.action, 0, middle)
        self.link = buttons.flat(link, self.link_wanted.emit)
        self.link.setVisible(bool(link))
        outer.addWidget(self.link, 0, middle)
        outer.addStretch(3)

    def set_sentence(self, text: str, hint: str = "") -> None:
        """Say something else."""
        self.sentence.setText(text)
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
