"""Which column holds what: combos that show the guess and let the user change it."""

from typing import cast

import msgspec
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.contract.job import Mapping, Shape
from studio.ui import theme
from studio.ui.widgets.labels import label, set_role

_TURNS = ("chat", "sharegpt")


class MappingForm(QWidget):
    """Shape and columns. `mapping_changed` carries a whole mapping as soon as the user's choice makes one."""

    mapping_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns: tuple[str, ...] = ()
        self._mapping: Mapping | None = None
        self._shape = QComboBox(self)
        self._shapes: dict[Shape, str] = {
            "prompt_completion": self.tr("Question and answer"),
            "alpaca": self.tr("Instruction, input, answer (Alpaca)"),
            "chat": self.tr("Conversations (role, content)"),
            "sharegpt": self.tr("Conversations (from, value: ShareGPT)"),
        }
        for shape, words in self._shapes.items():
            self._shape.addItem(words, shape)
        self._shape.setAccessibleName(self.tr("Shape of the rows"))
        self._shape.activated.connect(self._on_chosen)
        self._shape.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._shape.setMinimumContentsLength(24)  # the longest name is whole in the list; 1,100 pixels hold all columns
        self._labels: dict[str, QLabel] = {}
        self._combos: dict[str, QComboBox] = {}
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.GRID)
        self._grid.setVerticalSpacing(theme.GRID // 2)
        self._add(0, self.tr("Rows are"), self._shape)
        names = {
            "messages": self.tr("Messages"),
            "prompt": self.tr("Question"),
            "context": self.tr("Context (below the question)"),
            "completion": self.tr("Answer"),
            "system": self.tr("System prompt"),
        }
        for place, (field, name) in enumerate(names.items(), start=1):
            combo = QComboBox(self)
            combo.setAccessibleName(self.tr("Column of: {name}").format(name=name))
            combo.activated.connect(self._on_chosen)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(10)
            self._combos[field] = combo
            self._labels[field] = self._add(place, name, combo)
        self.note = label("", "muted", wrap=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID // 2)
        row = QHBoxLayout()
        row.addLayout(self._grid)
        row.addStretch(1)
        column.addLayout(row)
        column.addWidget(self.note)
        self._show_fields()

    def _add(self, place: int, name: str, combo: QComboBox) -> QLabel:
        title = label(name, "muted")
        title.setBuddy(combo)
        self._grid.addWidget(title, 0, place)
        self._grid.addWidget(combo, 1, place)
        return title

    def show_mapping(self, columns: tuple[str, ...], mapping: Mapping | None) -> None:
        """Show a guess (or what the user chose before); None: nothing could be guessed.

        Args:
            columns: Of the source.
            mapping: What is used now.
        """
        self._columns, self._mapping = columns, mapping
        shown = mapping or Mapping(shape="prompt_completion")
        self._shape.setCurrentIndex(self._shape.findData(shown.shape))
        for field, combo in self._combos.items():
            combo.clear()
            optional = field in ("context", "system")
            combo.addItem(self.tr("(none)") if optional else self.tr("Choose…"), "")
            for column in columns:
                combo.addItem(" ".join(column.split())[:60], column)
            combo.setCurrentIndex(max(0, combo.findData(getattr(shown, field))))
        self._show_fields()
        self._tell(mapping.reason if mapping is not None else self._missing(shown), wrong=mapping is None)

    def chosen(self) -> Mapping:
        """What the combos say, whole or not."""
        shape = cast(Shape, self._shape.currentData())
        values = {field: cast(str, combo.currentData() or "") for field, combo in self._combos.items()}
        unused = ("prompt", "context", "completion") if shape in _TURNS else ("messages",)
        values.update(dict.fromkeys(unused, ""))
        if shape == "prompt_completion":
            values["context"] = ""
        return Mapping(shape=shape, reason=self.tr("Chosen by you."), **values)

    def _show_fields(self) -> None:
        shape = self._shape.currentData()
        for field, combo in self._combos.items():
            if field == "messages":
                visible = shape in _TURNS
            elif field == "context":
                visible = shape == "alpaca"
            else:
                visible = field == "system" or shape not in _TURNS
            combo.setVisible(visible)
            self._labels[field].setVisible(visible)

    def _on_chosen(self) -> None:
        self._show_fields()
        mapping = self.chosen()
        missing = self._missing(mapping)
        if missing:
            self._tell(missing, wrong=True)
            return
        self._tell(mapping.reason)
        before = self._mapping
        if before is None or msgspec.structs.replace(before, reason="") != msgspec.structs.replace(mapping, reason=""):
            self._mapping = mapping
            self.mapping_changed.emit(mapping)

    def _missing(self, mapping: Mapping) -> str:
        if mapping.shape in _TURNS:
            return "" if mapping.messages else self.tr("Choose the column that holds the conversations.")
        if not mapping.prompt or not mapping.completion:
            return self.tr("Choose the column of the question and the column of the answer.")
        chosen = [name for name in (mapping.prompt, mapping.completion, mapping.context, mapping.system) if name]
        if len(set(chosen)) < len(chosen):
            return self.tr("The same column is chosen twice.")
        return ""

    def _tell(self, text: str, wrong: bool = False) -> None:
        self.note.setText(text)
        set_role(self.note, "warning" if wrong else "muted")
