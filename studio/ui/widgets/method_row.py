"""The choice of a way of tuning in the settings form: what it is, when to choose it, and below it its own settings."""

from typing import Any

import msgspec
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout

from studio.contract.fields import fields
from studio.contract.methods import METHODS, Method
from studio.contract.settings import TrainSettings
from studio.ui.setting_words import told_fields, value_words
from studio.ui.theme import GRID
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import row
from studio.ui.widgets.setting_row import SettingRow
from studio.ui.wording import told


class MethodRow(SettingRow):
    """Its value is a row of METHODS: QLoRA is one of them, though it is LoRA with other loading."""

    def __init__(self) -> None:
        declared = next(field for field in fields(TrainSettings) if field.path == "method")
        choices = {name: row.label for name, row in METHODS.items()}
        self.words = label("", "muted", wrap=True)
        super().__init__(msgspec.structs.replace(declared, choices=choices))
        self.editor.setMaxVisibleItems(len(METHODS))  # type: ignore[union-attr]
        self._say()

    def _lay_out(self) -> None:
        """The names are long, so the list stands below the row's own name."""
        line = QHBoxLayout()
        line.setSpacing(GRID // 2)
        line.addWidget(self.editor)
        line.addWidget(self.reset)
        line.addWidget(self.explain)
        line.addStretch(1)
        self._suit_width()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 4, 0, GRID)
        outer.setSpacing(4)
        outer.addWidget(self.name)
        outer.addLayout(line)
        outer.addWidget(self.words)
        outer.addWidget(self.problem)
        outer.addLayout(row(self.fix, 1))
        for unused in (self.help_label, self._unit, self._idle):
            unused.setParent(self)
            unused.hide()

    def _suit_width(self) -> None:
        """As wide as the longest name."""
        self.editor.setFixedWidth(self.editor.natural_width())  # type: ignore[union-attr]

    def set_value(self, value: Any) -> None:
        """Show a row's name and words without telling anyone."""
        super().set_value(value)
        self._say()

    def show_help(self, shown: bool) -> None:
        """What it is and when to choose it is always said."""

    def _say(self) -> None:
        row = METHODS[self.value()]
        self.words.setText("\n".join(filter(None, (told(row.help), told(row.when), self._sets(row)))))
        self.editor.setAccessibleDescription(f"{told(row.help)} {told(row.when)}")

    def _sets(self, row: Method) -> str:
        """What choosing it changes elsewhere in the form."""
        table = {field.path: field for field in told_fields(TrainSettings)}
        pairs = [(table[path], value) for path, value in row.sets.items()]
        said = [self.tr("{name}: {value}").format(name=f.title, value=value_words(f, value)) for f, value in pairs]
        return self.tr("Choosing it sets {what}.").format(what=", ".join(said)) if said else ""

    def show_problem(self, problem: Any, fix: str = "") -> None:
        """What is wrong, or again what the choice means."""
        super().show_problem(problem, fix)
        if problem is None:
            self._say()
