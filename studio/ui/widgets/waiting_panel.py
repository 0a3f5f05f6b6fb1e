"""A card about settings that stays where it is, at its height, while something is wrong with them."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGraphicsOpacityEffect, QLabel, QWidget

from studio.ui.widgets import buttons
from studio.ui.widgets.labels import set_role
from studio.ui.widgets.section import Section

_FAINT = 0.35


class WaitingPanel(Section):
    """Below its heading something is said in a label, which says meanwhile what is waited for.

    Signals:
        problem_wanted: The user wants to see what is wrong.

    Attributes:
        waiting: Whether it waits.
        to_problem: The button that leads to the problem; the card puts it among its own.
    """

    problem_wanted = Signal()

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(title, parent=parent)
        self.waiting = self._has_figures = False
        self.to_problem = buttons.flat(self.tr("Show the problem"), self.problem_wanted.emit)
        self.to_problem.setAccessibleName(self.tr("{card} Show the problem it waits for").format(card=title))
        self.to_problem.hide()

    def wait_for(self, said: QLabel, setting: str, figures: tuple[QWidget, ...] = ()) -> None:
        """Say that all of this waits.

        Args:
            said: Where it is said; it keeps its height.
            setting: Plain name of what is wrong.
            figures: What is still shown as it was before, faint; hidden where nothing was shown yet.
        """
        if not self.waiting:
            said.setMinimumHeight(said.height() if said.isVisible() else 0)
            said.setAlignment(Qt.AlignmentFlag.AlignTop)  # beside its icon, however much height is kept
            for figure in figures:
                effect = QGraphicsOpacityEffect(figure)
                effect.setOpacity(_FAINT)
                figure.setGraphicsEffect(effect)
        for figure in figures:
            figure.setVisible(self._has_figures)
        self.waiting = True
        set_role(said, "muted")
        said.setText(self.tr("Waits until “{name}” is put right.").format(name=setting))
        self.to_problem.show()

    def forget(self) -> None:
        """What is shown was about another model or other examples: it is not shown while this waits."""
        self._has_figures = False

    def go_on(self, said: QLabel, figures: tuple[QWidget, ...] = ()) -> None:
        """It waits no longer: what was asked for is shown."""
        self._has_figures = True
        if not self.waiting:
            return
        self.waiting = False
        said.setMinimumHeight(0)
        set_role(said, "")
        for figure in figures:
            figure.setGraphicsEffect(None)  # type: ignore[arg-type]  # Qt takes it off
            figure.show()
        self.to_problem.hide()
