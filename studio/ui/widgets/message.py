"""A message above the content: what happened, why, what to do, and the button that does it. Never a modal box."""

from collections.abc import Callable, Sequence
from typing import Literal

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from studio.contract.errors import Problem
from studio.contract.plain_text import redact
from studio.ui import theme, wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import IconLabel, label, set_role

Kind = Literal["error", "warning", "success", "info"]
Action = tuple[str, Callable[[], object]]

_ICONS = {"error": "error", "warning": "warning", "success": "check", "info": "info"}


class MessageBar(QFrame):
    """Hidden while it has nothing to say. All text is plain text.

    Attributes:
        dismissed: The user closed it.
        changed: It says something else now, or nothing.
    """

    dismissed = Signal()
    changed = Signal()

    def __init__(self, parent: QWidget | None = None, closable: bool = True, advises: bool = True) -> None:
        """Args:
        parent: Qt's.
        closable: Whether the user can close it.
        advises: The first of its actions is what a person should do, and looks so.
        """
        super().__init__(parent)
        self._advises = advises
        self._problem: Problem | None = None
        self._icon = IconLabel("info")
        self._what = label("", "strong", wrap=True, selectable=True)
        self._why = label("", wrap=True, selectable=True)
        self._fix = label("", wrap=True, selectable=True)
        self._details = QPlainTextEdit()
        self._details.setReadOnly(True)
        self._details.setMaximumHeight(160)
        self._details.setAccessibleName(self.tr("Technical details"))
        self._details.hide()
        self._offered: list[QPushButton] = []
        self._actions = QHBoxLayout()
        self._actions.setSpacing(GRID)
        self._more = buttons.flat(self.tr("Details"), self._toggle_details)
        self._copy = buttons.flat(self.tr("Copy report"), self._copy_report)
        self._close = buttons.icon_button("close", self.tr("Close this message"), self.dismiss, "Esc")
        self._close.setVisible(closable)
        texts = QVBoxLayout()
        texts.setSpacing(4)
        for widget in (self._what, self._why, self._fix, self._details):
            texts.addWidget(widget)
        texts.addLayout(self._actions)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(GRID + 4, GRID, GRID, GRID)
        outer.setSpacing(GRID + 4)
        outer.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        outer.addLayout(texts, 1)
        outer.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        self._fill_actions(())
        self.hide()

    @property
    def problem(self) -> Problem | None:
        """What is shown, where it is a problem."""
        return self._problem

    def text(self) -> str:
        """All that is shown, one line a part."""
        return "\n".join(part.text() for part in (self._what, self._why, self._fix) if part.text())

    def show_problem(self, problem: Problem, actions: Sequence[Action] = (), kind: Kind = "error") -> None:
        """Say what happened, why and what to do.

        Args:
            problem: Shown as it stands.
            actions: (text, callback) for each button; a click also closes the message.
            kind: Decides colour and icon.
        """
        said = wording.told_problem(problem)
        what = f"{said.where}: {said.what}" if said.where and "\n" not in said.where else said.what
        self.show_text(kind, what, said.why, said.fix, actions)
        self._problem = problem
        self._details.setPlainText(problem.details)
        self._more.setVisible(bool(problem.details))
        self._copy.setVisible(bool(problem.details))

    def show_text(self, kind: Kind, what: str, why: str = "", fix: str = "", actions: Sequence[Action] = ()) -> None:
        """The same without a `Problem`: a result, a hint."""
        self._problem = None
        token = "accent" if kind == "info" else kind
        self._icon.set_icon(_ICONS[kind], token)
        set_role(self, kind, "kind")
        for part, text in ((self._what, what), (self._why, why), (self._fix, fix)):
            part.setText(text)
            part.setVisible(bool(text))
        self._details.clear()
        self._details.hide()
        self._more.hide()
        self._copy.hide()
        self._fill_actions(actions)
        self.setAccessibleName(what)
        self.setAccessibleDescription(" ".join(text for text in (why, fix) if text))
        self.show()
        self.changed.emit()

    def enable_actions(self, enabled: bool) -> None:
        """Whether what is offered can be done just now."""
        for button in self._offered:
            button.setEnabled(enabled)

    def clear(self) -> None:
        """Hide without telling anyone."""
        self._problem = None
        self.hide()
        self.changed.emit()

    def dismiss(self) -> None:
        """The user has read it."""
        self.clear()
        self.dismissed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc closes."""
        if event.key() == Qt.Key.Key_Escape and self._close.isVisible():
            self.dismiss()
            return
        super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """The details keep a fixed-width font of today's size."""
        if event.type() == QEvent.Type.FontChange:
            self._details.setFont(theme.mono_font())
        super().changeEvent(event)

    def _fill_actions(self, actions: Sequence[Action]) -> None:
        while (item := self._actions.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None and widget not in (self._more, self._copy):
                widget.hide()  # it would be seen until the event loop comes round
                widget.deleteLater()
        self._offered = []
        for index, (text, callback) in enumerate(actions):
            make = buttons.primary if index == 0 and self._advises else buttons.secondary
            button = make(text, _closing(self, callback))
            self._offered.append(button)
            self._actions.addWidget(button)
            button.show()  # at once, not with the next turn of the event loop
        self._actions.addWidget(self._more)
        self._actions.addWidget(self._copy)
        self._actions.addStretch(1)

    def _toggle_details(self) -> None:
        self._details.setVisible(self._details.isHidden())

    def _copy_report(self) -> None:
        if self._problem is not None:
            problem = self._problem
            told = f"{problem.code}\n{problem.sentence()}\n\n{problem.details}\n"
            QGuiApplication.clipboard().setText(redact(told))


def _closing(bar: QObject, callback: Callable[[], object]) -> Callable[[], None]:
    def act() -> None:
        if isinstance(bar, MessageBar):
            bar.clear()
        callback()

    return act
