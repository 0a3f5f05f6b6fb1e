"""Runs that wait for the device, in their order, which can be changed."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QToolButton, QWidget

from studio.data.run_queue import Waiting
from studio.ui import wording
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import ElidedLabel, label
from studio.ui.widgets.section import Section, clear_layout


class WaitingRuns(Section):
    """Hidden while nothing waits.

    Signals:
        move_wanted: (id, by): one place up (-1) or down (1).
        remove_wanted: (id): it is not to run after all.
    """

    move_wanted = Signal(str, int)
    remove_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        hint = self.tr("Each starts by itself when the one before has ended.")
        super().__init__(self.tr("Waiting in line"), hint, parent)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(4)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self.add(self._grid)
        self.hide()

    def show_line(self, line: Sequence[Waiting]) -> None:
        """Show who waits, the head first. The button that had the focus keeps it."""
        focused = self.focusWidget()
        again = (focused.property("run"), focused.property("act")) if isinstance(focused, QToolButton) else None
        clear_layout(self._grid)
        self.setVisible(bool(line))
        for place, one in enumerate(line):
            self._add_row(place, one, last=place + 1 == len(line))
        for button in self.findChildren(QToolButton):
            if (
                again is not None
                and not button.isHidden()
                and (button.property("run"), button.property("act")) == again
            ):
                button.setFocus()

    def _add_row(self, place: int, one: Waiting, last: bool) -> None:
        work = one.work
        words = self.tr("{name} goes on") if one.run else "{name}"
        name = ElidedLabel(words.format(name=work.name))
        about = ElidedLabel(wording.learns(work.model_name, work.dataset_name), "muted")
        line = 2 * place
        self._grid.addWidget(label(wording.number(place + 1), "muted"), line, 0)
        self._grid.addWidget(name, line, 1)
        self._grid.addWidget(about, line + 1, 1)
        up = self._button("chevron-up", self.tr("Start {name} earlier"), one, self._mover(one, -1))
        down = self._button("chevron-down", self.tr("Start {name} later"), one, self._mover(one, 1))
        gone = self._button("close", self.tr("Take {name} out of the line"), one, self._remover(one))
        up.setEnabled(place > 0)
        down.setEnabled(not last)
        for column, button in enumerate((up, down, gone)):
            self._grid.addWidget(button, line, 2 + column, 2, 1)

    def _mover(self, one: Waiting, by: int) -> Callable[[], None]:
        return lambda: self.move_wanted.emit(one.id, by)

    def _remover(self, one: Waiting) -> Callable[[], None]:
        return lambda: self.remove_wanted.emit(one.id)

    def _button(self, icon: str, words: str, one: Waiting, act: Callable[[], None]) -> QToolButton:
        made = buttons.icon_button(icon, words.format(name=one.work.name), act)
        made.setProperty("run", one.id)
        made.setProperty("act", icon)
        return made
