"""One line of the settings form: name, editor, unit, reset, help, and below them what is wrong."""

from typing import Any

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolTip, QVBoxLayout, QWidget

from studio.contract.errors import Problem
from studio.contract.fields import Field
from studio.contract.setting_facts import SEARCH_WORDS
from studio.ui import wording
from studio.ui.setting_words import explanation, problem_words, told_field, value_words
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.labels import label, plain_tip, set_role
from studio.ui.widgets.section import column, row
from studio.ui.widgets.setting_editors import DeviceEditor, make_editor

_EDITOR_WIDTH = 152
_UNIT_WIDTH = 72
_DIGITS = 14
"""Of a number, arrows included, that an editor has room for however large the text."""
_LONG_ENTRY = 24
"""Letters of a choice's longest entry from which it stands below the name."""


class SettingRow(QWidget):
    """Emits `edited` when the user changed the value, `fix_wanted` with dotted path -> value that puts a problem right.

    Attributes:
        field: The declaration, in the user's language.
        editor: Has `value()` and `set_value()`.
        fix: The button that puts right what is wrong; hidden where a person must choose.
    """

    edited = Signal()
    fix_wanted = Signal(object)

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field = field = told_field(field)
        self._base: Any = field.default
        self.setProperty("help_topic", field.path)
        self.editor = make_editor(field)
        self.editor.edited.connect(self._on_edited)
        self.name = label(field.label, wrap=True)
        self.name.setBuddy(self.editor)
        self.help_label = label(field.help, "muted", wrap=True)
        unit = "%" if field.unit == "share" else wording.told(field.unit)
        self._unit = label(unit, "muted")
        self.reset = buttons.icon_button("undo", self.tr("Reset {name}").format(name=field.title), self._reset)
        keep = self.reset.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self.reset.setSizePolicy(keep)
        self.reset.hide()
        self.explain = buttons.icon_button(
            "help", self.tr("What is {name}?").format(name=field.title), self._explain, token="muted"
        )
        tip = plain_tip(f"{field.label}\n{explanation(field)}")
        for widget in (self.name, self.editor, self.explain):
            widget.setToolTip(tip)
        self._idle = label("", "muted", wrap=True)
        self._idle.hide()
        self.problem = label("", "error", wrap=True)
        self.problem.hide()
        self._remedy: dict[str, Any] = {}
        self.fix = buttons.secondary("", self._put_right)
        self.fix.hide()
        self._lay_out()

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.name)
        words.addWidget(self.help_label)
        right = QHBoxLayout()
        right.setSpacing(GRID // 2)
        self._unit.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self._unit.setVisible(self.field.kind not in ("choice", "text"))
        beside: tuple[QWidget, ...] = (self.editor, self._unit, self.reset, self.explain)
        if self._is_below:  # its entries are sentences
            beside = (self._unit, self.reset, self.explain)
        for widget in beside:
            right.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)
        self._suit_width()
        head = row(words, right, spacing=2 * GRID)
        head.setStretch(0, 1)
        below = words
        if self._is_below:
            line = row(self.editor, 1)
            line.setContentsMargins(0, 2, 0, 2)
            line.setStretch(0, 99)  # all the room there is, up to its longest entry
            below = column(head, line, spacing=2)
        for widget in (self._idle, self.problem):
            below.addWidget(widget)
        below.addLayout(row(self.fix, 1))
        outer = column(below if self._is_below else head)
        outer.setContentsMargins(0, 4, 0, 4)
        self.setLayout(outer)

    @property
    def _is_below(self) -> bool:
        return self.field.kind == "choice" and max(map(len, self.field.choices.values()), default=0) > _LONG_ENTRY

    def _suit_width(self) -> None:
        """As wide as the other editors; a choice as wide as its longest entry, where there is room below the name."""
        metrics = self.fontMetrics()
        number = max(_EDITOR_WIDTH, metrics.horizontalAdvance("0" * _DIGITS))
        unit = max(
            _UNIT_WIDTH, metrics.horizontalAdvance(self.tr("examples")) + 2
        )  # the longest: all editors in a line
        self._unit.setMinimumWidth(unit)  # not fixed: a longer one must not be cut
        wide = number + (unit + GRID // 2 if self.field.kind in ("choice", "text") else 0)
        if not isinstance(self.editor, ComboBox):
            self.editor.setFixedWidth(wide)
        elif self._is_below:
            self.editor.setMinimumWidth(wide)
            self.editor.setMaximumWidth(max(wide, self.editor.natural_width()))
            self.editor.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        else:
            self.editor.setFixedWidth(max(wide, self.editor.natural_width()))

    def changeEvent(self, event: QEvent) -> None:
        """Larger text needs wider choices."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._suit_width()

    def value(self) -> Any:
        """What the editor holds; text where it is no number."""
        return self.editor.value()

    def set_value(self, value: Any) -> None:
        """Show a value without telling anyone."""
        self.editor.set_value(value)
        self._show_changed()

    def set_base(self, value: Any) -> None:
        """The value that "changed" is measured against, and reset returns to."""
        self._base = value
        self.reset.setToolTip(plain_tip(self.tr("Back to {value}").format(value=value_words(self.field, value))))
        self._show_changed()

    @property
    def changed(self) -> bool:
        """Another value than the base's."""
        return bool(self.value() != self._base)

    def show_problem(self, problem: Problem | None, fix: str = "") -> None:
        """Say beside the editor what is wrong with it, or that nothing is.

        Args:
            problem: It.
            fix: What the button says that puts it right; empty for none.
        """
        words = problem_words(self.field, problem) if problem is not None else ""
        self._remedy = problem.sets if problem is not None else {}
        self.fix.setText(fix)
        self.fix.setAccessibleName(fix)
        self.fix.setVisible(bool(fix))
        self.problem.setText(words)
        self.problem.setVisible(bool(words))
        self.editor.setAccessibleDescription(words or self.field.help)
        set_role(self.editor, "true" if words else "false", "invalid")

    def show_idle(self, reason: str) -> None:
        """Say why the setting changes nothing now, and take the editor out of use; "" puts it back."""
        self._idle.setText(reason)
        self._idle.setVisible(bool(reason))
        self.editor.setEnabled(not reason)
        self.name.setEnabled(not reason)

    def show_help(self, shown: bool) -> None:
        """Say below the name what the setting does, or leave it to the tooltip."""
        self.help_label.setVisible(shown)

    def matches(self, words: list[str]) -> bool:
        """Whether each word is in the name, the term, the help, the option's name or what else people call it."""
        field = self.field
        also = wording.told(SEARCH_WORDS.get(field.path, ""))
        text = f"{field.label} {field.help} {field.path} {' '.join(field.choices.values())} {also}".lower()
        return all(word in text for word in words)

    def offer_devices(self, report: Any) -> None:
        """Give the device editor what this computer has."""
        if isinstance(self.editor, DeviceEditor):
            self.editor.set_device(report)
            self._suit_width()

    def _on_edited(self) -> None:
        self._show_changed()
        self.edited.emit()

    def _reset(self) -> None:
        self.editor.setFocus()  # the button hides itself: the focus must not jump to the next row
        self.set_value(self._base)
        self.edited.emit()

    def _put_right(self) -> None:
        self.editor.setFocus()  # the button hides itself
        self.fix_wanted.emit(self._remedy)

    def _show_changed(self) -> None:
        self.reset.setVisible(self.changed)

    def _explain(self) -> None:
        below = self.explain.mapToGlobal(QPoint(0, self.explain.height()))
        QToolTip.showText(below, self.explain.toolTip(), self.explain)
