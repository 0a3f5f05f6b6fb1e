"""Which column holds what: combos that show the guess and let the user change it."""

from typing import cast

import msgspec
from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.contract.job import Mapping, Shape
from studio.ui import theme
from studio.ui.widgets import buttons
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.labels import label, plain_tip, set_role

_FIELDS: dict[Shape, tuple[str, ...]] = {
    "prompt_completion": ("prompt", "context", "completion", "system"),
    "alpaca": ("prompt", "context", "completion", "system"),
    "chat": ("messages", "speaker", "conversation", "system"),
    "sharegpt": ("messages", "system"),
    "text": ("text",),
    "preference": ("prompt", "completion", "rejected", "system"),
    "label": ("messages", "prompt", "completion", "label", "system"),
}
"""The columns that each shape asks for. Others (tools, history, instances, reasoning) stay as they were guessed."""
_UNSHOWN = ("context", "tools", "history", "instances", "reasoning")
_OF_PAIRS = {"prompt_completion", "alpaca"}
"""Two names of one thing: going from one to the other nothing is lost that a row has besides."""
_OPTIONAL = ("context", "speaker", "conversation", "system")
_OF_TURNS = ("speaker", "conversation")
"""Asked for where each row is a turn, or where nothing is known of the rows yet."""


class MappingForm(QWidget):
    """Shape and columns.

    Attributes:
        mapping_changed: A whole mapping, as soon as the user's choice makes one.
        edited: Anything was chosen, whole or not.
    """

    mapping_changed = Signal(object)
    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns: tuple[str, ...] = ()
        self._mapping: Mapping | None = None
        self._shape = ComboBox(self)
        self._shapes: dict[Shape, str] = {
            "prompt_completion": self.tr("Question and answer"),
            "alpaca": self.tr("Instruction, input, answer (Alpaca)"),
            "chat": self.tr("Conversations (role, content)"),
            "sharegpt": self.tr("Conversations (from, value: ShareGPT)"),
            "text": self.tr("Plain text"),
            "preference": self.tr("A better and a worse answer"),
            "label": self.tr("Rated answers"),
        }
        for shape, words in self._shapes.items():
            self._shape.addItem(words, shape)
        self._shape.setAccessibleName(self.tr("Shape of the rows"))
        self._shape.activated.connect(self._on_chosen)
        self._shape.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.note = label("", "muted", wrap=True)
        self._labels: dict[str, QLabel] = {}
        self._combos: dict[str, ComboBox] = {}
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.GRID)
        self._grid.setVerticalSpacing(theme.GRID // 2)
        names = {
            "messages": self.tr("Messages"),
            "speaker": self.tr("Who speaks (one turn a row)"),
            "conversation": self.tr("Conversation (one turn a row)"),
            "prompt": self.tr("Question"),
            "context": self.tr("Further input"),
            "completion": self.tr("Answer"),
            "rejected": self.tr("Worse answer"),
            "label": self.tr("Rating"),
            "text": self.tr("Text"),
            "system": self.tr("System prompt"),
        }
        for place, (field, name) in enumerate(names.items(), start=1):
            combo = ComboBox(self)
            combo.setAccessibleName(self.tr("Column of: {name}").format(name=name))
            combo.activated.connect(self._on_chosen)
            combo.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(10)
            self._combos[field] = combo
            self._labels[field] = self._add(place, name, combo)
        self.swap_button = buttons.flat(self.tr("Swap"), self._swap)
        self.swap_button.setAccessibleName(self.tr("Swap the columns of question and answer"))
        self.swap_button.setToolTip(plain_tip(self.tr("Swap the columns of question and answer")))
        self._grid.addWidget(self.swap_button, 1, len(names) + 1)
        self._title = label(self.tr("Rows are"), "muted")
        self._title.setBuddy(self._shape)
        self._top = QHBoxLayout()
        self._top.setSpacing(theme.GRID)
        row = QHBoxLayout()
        row.addLayout(self._grid)
        row.addStretch(1)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.GRID // 2)
        self._column.addLayout(self._top)
        self._column.addLayout(row)
        self._in_one_line: bool | None = None
        self._show_fields()

    def _add(self, place: int, name: str, combo: ComboBox) -> QLabel:
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
            optional = field in _OPTIONAL or (shown.shape == "label" and field in ("messages", "prompt", "completion"))
            optional = optional or (shown.shape == "preference" and field == "prompt")
            combo.addItem(self.tr("(none)") if optional else self.tr("Choose…"), "")
            for column in columns:
                combo.addItem(" ".join(column.split())[:60], column)
            combo.setCurrentIndex(max(0, combo.findData(getattr(shown, field))))
        self._show_fields()
        self._tell(mapping.reason if mapping is not None else self._missing(shown), wrong=mapping is None)

    def chosen(self) -> Mapping:
        """What the combos say, whole or not."""
        shape = cast(Shape, self._shape.currentData())
        values = {field: cast(str, self._combos[field].currentData() or "") for field in _FIELDS[shape]}
        before = self._mapping
        others: dict[str, str] = {}
        if before is not None and (before.shape == shape or {before.shape, shape} <= _OF_PAIRS):
            kept = {field: cast(str, getattr(before, field)) for field in _UNSHOWN if field not in values}
            kept |= {"label": before.label} if shape == "preference" else {}  # which of the two answers won
            others = {field: column for field, column in kept.items() if column not in values.values()}
        return Mapping(shape=shape, reason=self.tr("Chosen by you."), **others, **values)

    def _show_fields(self) -> None:
        shape = cast(Shape, self._shape.currentData())
        metrics = self._shape.fontMetrics()  # as wide as the name that is shown; Qt counts in widths of an X
        self._shape.setMinimumContentsLength(
            metrics.horizontalAdvance(self._shapes[shape]) // metrics.horizontalAdvance("X") + 2
        )
        with_turns = self._mapping is None or bool(self._mapping.speaker)
        for field, combo in self._combos.items():
            visible = field in _FIELDS[shape] and (with_turns or field not in _OF_TURNS)
            combo.setVisible(visible)
            self._labels[field].setVisible(visible)
        before = self._mapping
        is_pair = shape in ("prompt_completion", "alpaca") and (before is None or not before.instances)
        both = all(self._combos[field].currentData() for field in ("prompt", "completion"))
        self.swap_button.setVisible(is_pair and both)
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """With large text in a small window the shape and why it was guessed take a line of their own."""
        super().resizeEvent(event)
        self._arrange()

    def minimumSizeHint(self) -> QSize:
        """As narrow as the columns alone: the shape goes above them."""
        return QSize(self._width_of_columns(), super().minimumSizeHint().height())

    def _width_of_columns(self) -> int:
        widths = [
            max(combo.sizeHint().width(), self._labels[field].sizeHint().width()) + theme.GRID
            for field, combo in self._combos.items()
            if not combo.isHidden()
        ]
        return sum(widths) + (0 if self.swap_button.isHidden() else self.swap_button.sizeHint().width() + theme.GRID)

    def _arrange(self) -> None:
        in_one_line = self._shape.sizeHint().width() + self._width_of_columns() <= self.width()
        if in_one_line == self._in_one_line:
            return
        self._in_one_line = in_one_line
        self._column.removeWidget(self.note)
        for layout in (self._top, self._grid):
            for widget in (self._title, self._shape, self.note):
                layout.removeWidget(widget)
        if in_one_line:
            self._grid.addWidget(self._title, 0, 0)
            self._grid.addWidget(self._shape, 1, 0)
            self._column.addWidget(self.note)
        else:
            self._top.addWidget(self._title)
            self._top.addWidget(self._shape)
            self._top.addWidget(self.note, 1)

    def _swap(self) -> None:
        """The question's column for the answer, and the other way round."""
        prompt, completion = self._combos["prompt"], self._combos["completion"]
        places = prompt.currentIndex(), completion.currentIndex()
        completion.setCurrentIndex(places[0])
        prompt.setCurrentIndex(places[1])
        self._on_chosen()

    def _on_chosen(self) -> None:
        self._show_fields()
        mapping = self.chosen()
        missing = self._missing(mapping)
        self.edited.emit()
        if missing:
            self._tell(missing, wrong=True)
            return
        self._tell(mapping.reason)
        before = self._mapping
        if before is None or msgspec.structs.replace(before, reason="") != msgspec.structs.replace(mapping, reason=""):
            self._mapping = mapping
            self.mapping_changed.emit(mapping)

    def is_whole(self) -> bool:
        """Whether what is chosen makes a mapping."""
        return not self._missing(self.chosen())

    def _missing(self, mapping: Mapping) -> str:
        match mapping.shape:
            case "chat" if bool(mapping.speaker) != bool(mapping.conversation):
                return self.tr("Choose who speaks and which conversation a row belongs to, or neither.")
            case "chat" | "sharegpt" if not mapping.messages:
                return self.tr("Choose the column that holds the conversations.")
            case "chat" | "sharegpt":
                pass
            case "text":
                return "" if mapping.text else self.tr("Choose the column that holds the texts.")
            case "label" if not mapping.label:
                return self.tr("Choose the column that says whether an answer is good.")
            case "label" if mapping.messages:
                return ""
            case "preference" if not mapping.completion or not mapping.rejected:
                return self.tr("Choose the column of the better answer and the column of the worse one.")
            case "preference":
                pass
            case _ if not mapping.prompt or not mapping.completion:
                return self.tr("Choose the column of the question and the column of the answer.")
        turns = (mapping.messages, mapping.speaker, mapping.conversation)
        chosen = [
            name
            for name in (mapping.prompt, mapping.completion, mapping.rejected, mapping.context, mapping.system, *turns)
            if name
        ]
        if len(set(chosen)) < len(chosen):
            return self.tr("The same column is chosen twice.")
        return ""

    def _tell(self, text: str, wrong: bool = False) -> None:
        self.note.setText(text)
        set_role(self.note, "warning" if wrong else "muted")
