"""How the next word is drawn, and the system prompt: the controls beside a chat."""

import contextlib
import secrets
from typing import Any

import msgspec
from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QDoubleSpinBox,
    QFormLayout,
    QPlainTextEdit,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from studio.contract.fields import fields
from studio.contract.sampling import Sampling
from studio.ui.setting_words import told_fields
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label, plain_tip
from studio.ui.widgets.number_box import indent
from studio.ui.widgets.section import row


class SamplingForm(QWidget):
    """Shows and edits a `Sampling` and a system prompt. `changed`: the user edited something."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.temperature = _decimal("temperature", 0.1)
        self.top_p = _decimal("top_p", 0.05)
        self.top_k = _whole("top_k")
        self.top_k.setSpecialValueText(self.tr("off"))
        self.penalty = _decimal("repetition_penalty", 0.05)
        self.length = _whole("max_new_tokens")
        self.length.setSingleStep(16)
        self.seed = _whole("seed")
        self.dice = buttons.icon_button("refresh", self.tr("Another seed"), self._on_dice)
        self.system = QPlainTextEdit()
        self.system.setTabChangesFocus(True)
        self.system.setPlaceholderText(self.tr("None"))
        self.system.setMaximumHeight(96)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(GRID)
        form.setVerticalSpacing(GRID // 2)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        for declared in told_fields(Sampling):
            editor = self._editors()[declared.path]
            editor.setAccessibleName(declared.title)
            editor.setToolTip(plain_tip(declared.help))
            editor.setAccessibleDescription(declared.help)
            editor.valueChanged.connect(self._on_edited)
            title = label(declared.title)
            title.setToolTip(plain_tip(declared.help))
            title.setBuddy(editor)
            if editor is self.seed:
                seed = row(editor, self.dice, spacing=0)
                seed.setStretch(0, 1)
                form.addRow(title, seed)
            else:
                form.addRow(title, editor)
        self.system.setAccessibleName(self.tr("System prompt"))
        help_text = self.tr("What the model is told before your first question.")
        self.system.setToolTip(plain_tip(help_text))
        self.system.textChanged.connect(self._on_edited)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(GRID // 2)
        outer.addLayout(form)
        title = label(self.tr("System prompt"))
        title.setBuddy(self.system)
        outer.addWidget(title)
        outer.addWidget(self.system)
        self.temperature.valueChanged.connect(self._show_dice)
        self.show_values(Sampling(), "")
        self._show_dice()

    def _editors(self) -> dict[str, QDoubleSpinBox | QSpinBox]:
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "repetition_penalty": self.penalty,
            "max_new_tokens": self.length,
            "seed": self.seed,
        }

    def show_values(self, sampling: Sampling, system: str) -> None:
        """Show without telling anyone."""
        self.blockSignals(True)
        self.temperature.setValue(sampling.temperature)
        self.top_p.setValue(sampling.top_p)
        self.top_k.setValue(sampling.top_k)
        self.penalty.setValue(sampling.repetition_penalty)
        self.length.setValue(sampling.max_new_tokens)
        self.seed.setValue(sampling.seed)
        if self.system.toPlainText() != system:
            self.system.setPlainText(system)
        self.blockSignals(False)

    def sampling(self) -> Sampling:
        """What the controls say."""
        return Sampling(
            temperature=round(self.temperature.value(), 2),
            top_p=round(self.top_p.value(), 2),
            top_k=self.top_k.value(),
            repetition_penalty=round(self.penalty.value(), 2),
            max_new_tokens=self.length.value(),
            seed=self.seed.value(),
        )

    def system_prompt(self) -> str:
        """The text of the system prompt, or ""."""
        return self.system.toPlainText()

    def form(self) -> dict[str, Any]:
        """What the controls say, as JSON can hold it."""
        return {"sampling": msgspec.to_builtins(self.sampling()), "system": self.system_prompt()}

    def fill(self, values: dict[str, Any]) -> None:
        """Show what `form` gave, and tell of it; that of another version is left out."""
        with contextlib.suppress(msgspec.ValidationError):
            self.show_values(msgspec.convert(values.get("sampling"), Sampling), str(values.get("system", "")))
            self.changed.emit()

    def _on_edited(self) -> None:
        self.changed.emit()

    def _show_dice(self) -> None:
        draws = self.temperature.value() > 0
        why = self.tr("At temperature 0 the likeliest word is always taken, so another seed changes nothing.")
        self.dice.setEnabled(draws)
        self.dice.setToolTip(plain_tip(self.tr("Another seed") if draws else why))
        self.dice.setAccessibleDescription("" if draws else why)

    def _on_dice(self) -> None:
        self.seed.setValue(secrets.randbelow(self.seed.maximum()))


def _limits(path: str) -> tuple[float, float]:
    """The contract's limits; what must be above zero begins at the smallest step that is shown."""
    declared = next(field for field in fields(Sampling) if field.path == path)
    assert declared.minimum is not None
    assert declared.maximum is not None
    return declared.minimum or (0.01 if declared.minimum_open else 0.0), declared.maximum


def _decimal(path: str, step: float) -> QDoubleSpinBox:
    made = QDoubleSpinBox()
    indent(made)
    made.setDecimals(2)
    made.setRange(*_limits(path))
    made.setSingleStep(step)
    _narrow(made)
    return made


def _whole(path: str) -> QSpinBox:
    made = QSpinBox()
    indent(made)
    made.setRange(*(int(limit) for limit in _limits(path)))
    _narrow(made)
    return made


def _narrow(field: QAbstractSpinBox) -> None:
    """As wide as the column lets it be: the largest seed would ask for more than there is."""
    field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    field.setMinimumWidth(84)
