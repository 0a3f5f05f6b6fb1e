"""Which column holds what: combos that show the guess and let the user change it."""

from typing import cast

import msgspec
from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.contract.job import COLUMN_FIELDS, Mapping, Shape
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
"""The columns that each shape asks for."""
_FURTHER: dict[Shape, tuple[str, ...]] = {
    "prompt_completion": ("history", "reasoning", "tools", "instances"),
    "alpaca": ("history", "reasoning", "tools", "instances"),
    "chat": ("tools",),
    "sharegpt": ("tools",),
    "text": (),
    "preference": ("context", "history", "tools", "label"),
    "label": ("context", "history", "reasoning", "tools", "instances"),
}
"""What few rows have besides: shown where it is used, and all of it after [More columns]."""
_ALIKE: tuple[set[Shape], ...] = ({"prompt_completion", "alpaca"}, {"chat", "sharegpt"})
"""Two names of one thing: going from one to the other nothing is lost that a row has besides."""
_OPTIONAL = ("context", "speaker", "conversation", "system", "history", "reasoning", "tools", "instances")
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
        self._shape.activated.connect(lambda: self._on_chosen("shape"))
        self._shape.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.note = label("", "muted", wrap=True)
        self._labels: dict[str, QLabel] = {}
        self._combos: dict[str, ComboBox] = {}
        self._with_all = False
        self._grid, self._further = _grid(), _grid()
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
            "history": self.tr("Said before"),
            "reasoning": self.tr("Thought before"),
            "tools": self.tr("Tools to call"),
            "instances": self.tr("List of answers"),
        }
        tips = {
            "history": self.tr("Earlier questions and answers of the same conversation (history)"),
            "reasoning": self.tr("What was thought before the answer (reasoning)"),
            "tools": self.tr("What the model may call (tools)"),
            "instances": self.tr("Several inputs and answers for one instruction (instances)"),
        }
        for field, name in names.items():
            self._add(field, name, tips.get(field, ""))
        self.swap_button = buttons.flat(self.tr("Swap"), self._swap)
        self.swap_button.setAccessibleName(self.tr("Swap the columns of question and answer"))
        self.swap_button.setToolTip(plain_tip(self.tr("Swap the columns of question and answer")))
        self.more_button = buttons.flat(self.tr("More columns"), self._show_all)
        self.more_button.setToolTip(plain_tip(self.tr("Columns that few rows have: what was said or thought before")))
        self._title = label(self.tr("Rows are"), "muted")
        self._title.setBuddy(self._shape)
        self._top = QHBoxLayout()
        self._top.setSpacing(theme.GRID)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.GRID // 2)
        for part in (self._top, self._grid, self._further):
            row = QHBoxLayout()
            row.addLayout(part)
            row.addStretch(1)
            self._column.addLayout(row)
        self._column.addWidget(self.note)  # across: beside the shape, large text made eight short lines of it
        self._arranged: object = None
        self._show_fields()

    def _add(self, field: str, name: str, tip: str) -> None:
        combo = ComboBox(self)
        combo.setAccessibleName(self.tr("Column of: {name}").format(name=name))
        combo.activated.connect(lambda: self._on_chosen(field))
        combo.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(10)
        title = label(name, "muted")
        title.setParent(self)
        title.setBuddy(combo)
        for part in (combo, title) if tip else ():
            part.setToolTip(plain_tip(tip))
        self._combos[field], self._labels[field] = combo, title

    def show_mapping(self, columns: tuple[str, ...], mapping: Mapping | None) -> None:
        """Show a guess (or what the user chose before); None: nothing could be guessed.

        Args:
            columns: Of the source.
            mapping: What is used now.
        """
        if columns != self._columns:
            self._with_all = False
            for combo in self._combos.values():
                combo.setVisible(False)
        self._columns, self._mapping = columns, mapping
        shown = mapping or Mapping(shape="prompt_completion")
        self._shape.setCurrentIndex(self._shape.findData(shown.shape))
        for field, combo in self._combos.items():
            combo.clear()
            combo.addItem("", "")
            used = getattr(shown, field)
            inner = (used,) if used and used not in columns else ()  # within each instance, or further down in the file
            for column in (*columns, *inner):
                combo.addItem(" ".join(column.split())[:60], column)
            combo.setCurrentIndex(max(0, combo.findData(used)))
        self._show_fields()
        self._tell(mapping.reason if mapping is not None else self._missing(shown), wrong=mapping is None)

    def chosen(self) -> Mapping:
        """What the combos say, whole or not."""
        shape = cast(Shape, self._shape.currentData())
        shown = [field for line in self._lines() for field in line]
        values = {field: cast(str, self._combos[field].currentData() or "") for field in shown}
        return Mapping(shape=shape, reason=self.tr("Chosen by you."), **values)

    def _shown_further(self, shape: Shape) -> tuple[str, ...]:
        """What is asked for besides: what the rows have, and all that the shape can have where the user wants it.

        One that was shown stays in sight, so that what was taken out can be chosen again.
        """
        return tuple(
            field
            for field in _FURTHER[shape]
            if self._with_all or self._combos[field].currentData() or not self._combos[field].isHidden()
        )

    def _show_all(self) -> None:
        self._with_all = True
        self._show_fields()

    def _show_fields(self) -> None:
        shape = cast(Shape, self._shape.currentData())
        metrics = self._shape.fontMetrics()  # as wide as the name that is shown; Qt counts in widths of an X
        self._shape.setMinimumContentsLength(
            metrics.horizontalAdvance(self._shapes[shape]) // metrics.horizontalAdvance("X") + 2
        )
        with_turns = self._mapping is None or bool(self._mapping.speaker)
        further = self._shown_further(shape)
        for field, combo in self._combos.items():
            visible = (field in _FIELDS[shape] and (with_turns or field not in _OF_TURNS)) or field in further
            combo.setVisible(visible)
            combo.setItemText(0, self.tr("(none)") if _is_optional(field, shape) else self.tr("Choose…"))
            self._labels[field].setVisible(visible)
        free = set(self._columns) - {combo.currentData() for combo in self._combos.values() if not combo.isHidden()}
        self.more_button.setVisible(bool(free) and len(further) < len(_FURTHER[shape]))
        self._labels["label"].setText(self.tr("Which one won") if shape == "preference" else self.tr("Rating"))
        before = self._mapping
        is_pair = shape in ("prompt_completion", "alpaca") and (before is None or not before.instances)
        both = all(self._combos[field].currentData() for field in ("prompt", "completion"))
        self.swap_button.setVisible(is_pair and both)
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """With large text in a small window the shape takes a line of its own."""
        super().resizeEvent(event)
        self._arrange()

    def minimumSizeHint(self) -> QSize:
        """As narrow as the columns alone: the shape goes above them."""
        return QSize(max(map(self._width_of, self._lines())), super().minimumSizeHint().height())

    def _lines(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The columns that are asked for, and below them those that few rows have."""
        shape = cast(Shape, self._shape.currentData())
        shown = [field for field, combo in self._combos.items() if not combo.isHidden()]
        return (
            tuple(field for field in shown if field in _FIELDS[shape]),
            tuple(field for field in shown if field not in _FIELDS[shape]),
        )

    def _width_of(self, fields: tuple[str, ...]) -> int:
        return sum(
            max(self._combos[field].sizeHint().width(), self._labels[field].sizeHint().width()) + theme.GRID
            for field in fields
        )

    def _arrange(self) -> None:
        asked, further = self._lines()
        offered = [button for button in (self.swap_button, self.more_button) if not button.isHidden()]
        width = self._shape.sizeHint().width() + self._width_of(asked)
        width += sum(button.sizeHint().width() + theme.GRID for button in offered)
        in_one_line = width <= self.width()
        if (in_one_line, asked, further) == self._arranged:
            return
        self._arranged = in_one_line, asked, further
        buttons_ = (self.swap_button, self.more_button)
        for widget in (self._title, self._shape, *buttons_, *self._labels.values(), *self._combos.values()):
            for layout in (self._top, self._grid, self._further):
                layout.removeWidget(widget)
        if in_one_line:
            self._grid.addWidget(self._title, 0, 0)
            self._grid.addWidget(self._shape, 1, 0)
        else:
            self._top.addWidget(self._title)
            self._top.addWidget(self._shape)
        for grid, fields in ((self._grid, asked), (self._further, further)):
            for place, field in enumerate(fields, start=int(grid is self._grid and in_one_line)):
                grid.addWidget(self._labels[field], 0, place)
                grid.addWidget(self._combos[field], 1, place)
        for place, button in enumerate(buttons_, start=len(asked) + 1):
            if in_one_line:
                self._grid.addWidget(button, 1, place)
            else:
                self._top.addWidget(button)

    def _swap(self) -> None:
        """The question's column for the answer, and the other way round."""
        prompt, completion = self._combos["prompt"], self._combos["completion"]
        chosen = prompt.currentData(), completion.currentData()
        for combo, column in ((completion, chosen[0]), (prompt, chosen[1])):
            if combo.findData(column) < 0:  # one that begins further down in the file
                combo.addItem(" ".join(column.split())[:60], column)
            combo.setCurrentIndex(combo.findData(column))
        self._on_chosen("prompt")

    def _on_chosen(self, field: str) -> None:
        shape = cast(Shape, self._shape.currentData())
        for one in self._emptied_by(field, shape):
            self._combos[one].setCurrentIndex(0)
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

    def _emptied_by(self, field: str, shape: Shape) -> set[str]:
        """The choices that another choice ends."""
        held = {one: combo.currentData() for one, combo in self._combos.items() if combo.currentData()}
        before, emptied = self._mapping, set[str]()
        if field == "shape" and before is not None and before.shape != shape and {before.shape, shape} not in _ALIKE:
            emptied |= set(_FURTHER[shape])  # it meant something else there
        elif field not in _FURTHER[shape]:  # a further column that is asked for as something else is that from now on
            taken = {held.get(one, "") for one in _FIELDS[shape]} - {""}
            emptied |= {one for one in _FURTHER[shape] if held.get(one) in taken}
        if (field == "instances" and field not in held) or "instances" in emptied & set(held):
            emptied |= {one for one in ("context", "completion") if held.get(one) not in self._columns}
        return emptied

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
        chosen = [name for field in COLUMN_FIELDS if (name := getattr(mapping, field))]
        if len(set(chosen)) < len(chosen):
            return self.tr("The same column is chosen twice.")
        return ""

    def _tell(self, text: str, wrong: bool = False) -> None:
        self.note.setText(text)
        set_role(self.note, "warning" if wrong else "muted")


def _grid() -> QGridLayout:
    """Names above, choices below."""
    grid = QGridLayout()
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(theme.GRID)
    grid.setVerticalSpacing(theme.GRID // 2)
    return grid


def _is_optional(field: str, shape: Shape) -> bool:
    """Whether a shape can do without a column."""
    if field in _OPTIONAL or (shape == "label" and field in ("messages", "prompt", "completion")):
        return True
    return shape == "preference" and field in ("prompt", "label")
