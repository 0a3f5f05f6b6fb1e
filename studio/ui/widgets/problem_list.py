"""Problems of a dataset or a model, one card each: what, why, what to do, where."""

from collections.abc import Sequence

from PySide6.QtWidgets import QWidget

from studio.contract.errors import Problem
from studio.ui.widgets.labels import label
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.section import ScrollColumn


class ProblemList(ScrollColumn):
    """Cards below each other; one sentence where there is nothing to tell."""

    def __init__(self, none: str, parent: QWidget | None = None) -> None:
        super().__init__(margin=8)
        self.setParent(parent)
        self._none = none
        self.cards: list[MessageBar] = []
        self.show_problems(())

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Show these instead of what was there."""
        while (item := self.body.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.cards = []
        if not problems:
            self.body.addWidget(label(self._none, "muted", wrap=True))
        for problem in problems:
            card = MessageBar(closable=False)
            card.show_problem(problem, kind="warning")
            self.cards.append(card)
            self.body.addWidget(card)
        self.body.addStretch(1)
