"""How the next word is drawn, and the system prompt: the controls beside a chat."""

import secrets

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

from studio.contract.commands import Sampling
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label, plain_tip
from studio.ui.widgets.section import row

MOST_SEED = 2**31 - 1


class SamplingForm(QWidget):
    """Shows and edits a `Sampling` and a system prompt. `changed`: the user edited something."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.temperature = _decimal(0.0, 5.0, 0.1)
        self.top_p = _decimal(0.01, 1.0, 0.05)
        self.top_k = _whole(0, 100_000)
        self.top_k.setSpecialValueText(self.tr("off"))
        self.penalty = _decimal(0.01, 10.0, 0.05)
        self.length = _whole(1, 32_768)
        self.length.setSingleStep(16)
        self.seed = _whole(0, MOST_SEED)
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
        for name, field, help_text in self._rows():
            field.setAccessibleName(name)
            field.setToolTip(plain_tip(help_text))
            field.setAccessibleDescription(help_text)
            field.valueChanged.connect(self._on_edited)
            title = label(name)
            title.setToolTip(plain_tip(help_text))
            title.setBuddy(field)
            if field is self.seed:
                seed = row(field, self.dice, spacing=0)
                seed.setStretch(0, 1)
                form.addRow(title, seed)
            else:
                form.addRow(title, field)
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
        self.show_values(Sampling(), "")

    def _rows(self) -> list[tuple[str, QDoubleSpinBox | QSpinBox, str]]:
        return [
            (
                self.tr("Temperature"),
                self.temperature,
                self.tr("0 always takes the likeliest word; higher values are freer and less reliable."),
            ),
            (
                self.tr("Top-p"),
                self.top_p,
                self.tr("Only the likeliest words that together have this probability are considered; 1 is all."),
            ),
            (
                self.tr("Top-k"),
                self.top_k,
                self.tr("Only this many of the likeliest words are considered; 0 is off."),
            ),
            (
                self.tr("Repetition penalty"),
                self.penalty,
                self.tr("Above 1 makes words that were used already less likely; 1 is off."),
            ),
            (self.tr("Longest reply"), self.length, self.tr("A reply is cut after this many tokens.")),
            (self.tr("Seed"), self.seed, self.tr("The same seed gives the same reply again.")),
        ]

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

    def _on_edited(self) -> None:
        self.changed.emit()

    def _on_dice(self) -> None:
        self.seed.setValue(secrets.randbelow(MOST_SEED))


def _decimal(low: float, high: float, step: float) -> QDoubleSpinBox:
    made = QDoubleSpinBox()
    made.lineEdit().setTextMargins(6, 0, 0, 0)  # the style sheet's padding does not reach it
    made.setDecimals(2)
    made.setRange(low, high)
    made.setSingleStep(step)
    _narrow(made)
    return made


def _whole(low: int, high: int) -> QSpinBox:
    made = QSpinBox()
    made.lineEdit().setTextMargins(6, 0, 0, 0)
    made.setRange(low, high)
    _narrow(made)
    return made


def _narrow(field: QAbstractSpinBox) -> None:
    """As wide as the column lets it be: the largest seed would ask for more than there is."""
    field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    field.setMinimumWidth(84)
