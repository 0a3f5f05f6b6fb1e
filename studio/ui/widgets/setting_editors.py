"""Editors for one setting each. They take any text; the contract says what is wrong with it, not the editor."""

import math
from decimal import Decimal, InvalidOperation
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QValidator, QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QLineEdit, QWidget

from studio.contract.events import DeviceReport
from studio.contract.fields import Field
from studio.ui import wording
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.number_box import indent

_LADDER = (1.0, 2.0, 5.0)


def format_number(value: float) -> str:
    """0.0002 -> "0.0002", 2e-7 -> "2e-7", 32.0 -> "32": digits as people write them."""
    if value == 0 or 1e-6 <= abs(value) < 1e9:
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = f"{value:.10e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def parse_number(text: str) -> float | None:
    """A number as people write it ("2e-4", "0,0002", "1 024", "1,024.5"), or None."""
    compact = "".join(text.split()).replace("\u2212", "-")
    if "." in compact or compact.count(",") > 1:
        compact = compact.replace(",", "")
    else:
        compact = compact.replace(",", ".")
    try:
        value = float(Decimal(compact))
    except InvalidOperation:
        return None
    return value if math.isfinite(value) else None


class NumberEditor(QAbstractSpinBox):
    """A number with arrows. Whole numbers step by one, small floats along 1, 2, 5; shares are shown in per cent.

    `edited` is emitted at each change by the user.
    """

    edited = Signal()

    def __init__(self, field: Field) -> None:
        super().__init__()
        self._field = field
        self._whole = field.kind == "int"
        self._factor = 100 if field.unit == "share" else 1
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        indent(self)
        self.lineEdit().textEdited.connect(self.edited)
        self.setMinimumWidth(112)

    def value(self) -> Any:
        """The number, or the text as it stands where it is none."""
        text = self.lineEdit().text().strip().removesuffix("%").strip()
        if self._whole:
            digits = "".join(text.split()).replace(",", "")
            number = parse_number(digits)
            return int(number) if number is not None and number == int(number) else text
        number = parse_number(text)
        # Decimal, so that 7 % is 0.07 and not 0.07000000000000001
        return float(Decimal(repr(number)) / self._factor) if number is not None else text

    def set_value(self, value: Any) -> None:
        """Show a value; text is shown as it stands."""
        if isinstance(value, str):
            shown = value
        elif self._whole:
            shown = str(value)
        else:
            shown = format_number(float(Decimal(repr(float(value))) * self._factor))
        if self.lineEdit().text() != shown:
            self.lineEdit().setText(shown)

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Anything may be typed; what is wrong with it is said beside the editor."""
        return QValidator.State.Acceptable, text, position

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:
        """Arrows end at the limits."""
        value = self.value()
        none = QAbstractSpinBox.StepEnabledFlag.StepNone
        if isinstance(value, str):
            return none
        up = self._field.maximum is None or value < self._field.maximum
        down = self._field.minimum is None or value > self._field.minimum
        enabled = none
        if up:
            enabled |= QAbstractSpinBox.StepEnabledFlag.StepUpEnabled
        if down:
            enabled |= QAbstractSpinBox.StepEnabledFlag.StepDownEnabled
        return enabled

    def stepBy(self, steps: int) -> None:
        """One arrow, page or wheel step."""
        value = self.value()
        if isinstance(value, str):
            return
        for _ in range(abs(steps)):
            value = self._stepped(value, 1 if steps > 0 else -1)
        self.set_value(value)
        self.edited.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel scrolls the page unless this editor has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def _stepped(self, value: float, direction: int) -> float:
        low, high = self._field.minimum, self._field.maximum
        if self._whole:
            moved: float = int(value) + direction
        elif self._factor == 100:
            moved = round(value + 0.01 * direction, 6)
        elif value >= 1 or value == 0 or low is None or (high is not None and high > 10):
            moved = round(value + direction, 6)
        else:
            moved = _next_on_ladder(value, direction)
        if high is not None:
            moved = min(moved, high)
        if low is not None and moved < low + (1e-12 if self._field.minimum_open else 0):
            moved = value if self._field.minimum_open else low
        return int(moved) if self._whole else moved


def _next_on_ladder(value: float, direction: int) -> float:
    """The next of ... 0.1, 0.2, 0.5, 1, 2, 5 ..."""
    power = math.floor(math.log10(value) + 1e-9)
    rungs = [float(f"{step}e{exponent}") for exponent in range(power - 1, power + 2) for step in _LADDER]
    if direction > 0:
        return min(rung for rung in rungs if rung > value * (1 + 1e-9))
    return max(rung for rung in rungs if rung < value * (1 - 1e-9))


class CalmComboBox(ComboBox):
    """A combo box that the wheel changes only while it has the focus."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(10)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scrolls the page instead."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class ChoiceEditor(CalmComboBox):
    """One of several values, in plain words."""

    edited = Signal()

    def __init__(self, field: Field) -> None:
        super().__init__()
        for value, words in field.choices.items():
            self.addItem(words, value)
        self.activated.connect(self.edited)

    def value(self) -> Any:
        """The chosen value."""
        return self.currentData()

    def set_value(self, value: Any) -> None:
        """Choose a value; an unknown one (of a newer version's file) is added as it stands."""
        index = self.findData(value)
        if index < 0:
            self.addItem(str(value), value)
            index = self.count() - 1
        self.setCurrentIndex(index)


class SwitchEditor(QCheckBox):
    """On or off."""

    edited = Signal()

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.setText(self.tr("On"))
        self.clicked.connect(self.edited)

    def value(self) -> Any:
        """Whether it is on."""
        return self.isChecked()

    def set_value(self, value: Any) -> None:
        """Switch it."""
        self.setChecked(bool(value))


class WordsEditor(CalmComboBox):
    """Text with suggestions."""

    edited = Signal()

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.addItems(["all-linear", "attention", "feed-forward"])
        words = QLineEdit()
        self.setLineEdit(words)
        words.setAccessibleName(field.label)
        words.textEdited.connect(self.edited)
        self.activated.connect(self.edited)

    def value(self) -> Any:
        """The text."""
        return self.currentText().strip()

    def set_value(self, value: Any) -> None:
        """Show a text."""
        if self.currentText() != str(value):
            self.setEditText(str(value))


class DeviceEditor(ChoiceEditor):
    """Which processor trains; filled from what was found on this computer."""

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self._fill({"auto": self.tr("Automatic"), "cpu": self.tr("Processor (CPU)")})

    def set_device(self, report: DeviceReport) -> None:
        """Offer every graphics processor that can train."""
        table = {"auto": self.tr("Automatic"), "cpu": self.tr("Processor (CPU)")}
        for gpu in report.gpus:
            if gpu.device:
                memory = f", {wording.memory(gpu.memory_bytes)}" if gpu.memory_bytes else ""
                table[gpu.device] = f"{gpu.name}{memory} ({gpu.device})"
        chosen = self.value()
        self._fill(table)
        self.set_value(chosen or "auto")

    def _fill(self, table: dict[str, str]) -> None:
        self.clear()
        for value, words in table.items():
            self.addItem(words, value)


Editor = NumberEditor | ChoiceEditor | SwitchEditor | WordsEditor | DeviceEditor


def make_editor(field: Field) -> Editor:
    """The editor that a field's kind asks for."""
    if field.path == "device":
        made: Editor = DeviceEditor(field)
    elif field.kind in ("int", "float"):
        made = NumberEditor(field)
    elif field.kind == "bool":
        made = SwitchEditor(field)
    elif field.kind == "choice":
        made = ChoiceEditor(field)
    else:
        made = WordsEditor(field)
    made.setAccessibleName(field.label)
    made.setAccessibleDescription(field.help)
    return made
