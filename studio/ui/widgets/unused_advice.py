"""Beside the start: that the suggested learning speed is not used, one click that uses it, and the way back."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from studio.contract.advice import Advice
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.changed_line import ChangedLine
from studio.ui.widgets.labels import IconLabel, label
from studio.ui.widgets.section import clear_layout, row
from studio.ui.widgets.setting_editors import format_number


class UnusedAdvice(QWidget):
    """Hidden where there is nothing to say.

    Signals:
        use_wanted: All suggestions are to be taken over.
    """

    use_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words = label("", wrap=True)
        self.use = buttons.secondary(self.tr("Use these"), self.use_wanted.emit)
        self.use.setAccessibleName(self.tr("Use the suggested values"))
        self.line = QWidget()
        inside = row(IconLabel("warning", "warning"), self.words, self.use)
        inside.setStretch(1, 1)
        inside.setContentsMargins(0, 0, 0, 0)
        self.line.setLayout(inside)
        self._changed = QVBoxLayout()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(GRID // 2)
        outer.addWidget(self.line)
        outer.addLayout(self._changed)
        self.hide()

    def show_unused(self, rate: Advice | None) -> None:
        """Say that this learning speed is suggested and not used; None: there is nothing to say."""
        clear_layout(self._changed)
        self.setVisible(rate is not None)
        self.line.setVisible(rate is not None)
        if rate is None:
            return
        words = self.tr("The suggested values are not used: at a learning speed of {now} it may learn next to nothing.")
        if rate.value < rate.now:
            words = self.tr("The suggested values are not used: at a learning speed of {now} it may become unstable.")
        words += " " + self.tr("Suggested: {suggested}.")
        self.words.setText(words.format(now=format_number(rate.now), suggested=format_number(rate.value)))
        self.use.setAccessibleDescription(self.words.text())

    def show_changed(self, sets: dict[str, Any], undo: Callable[[], object]) -> None:
        """Say what was changed just now, until the next change.

        Args:
            sets: Dotted path -> value.
            undo: Puts back what was before.
        """
        self.show_unused(None)
        line = ChangedLine(sets, undo)
        self._changed.addWidget(line)
        self.show()
        line.show()  # a layout would show it only later
