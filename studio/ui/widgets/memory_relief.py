"""After the memory ran out: what would need less, what each change costs, and a button that makes them and goes on."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from studio.contract.memory_fit import Change
from studio.contract.relief import Relief
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import Section, clear_layout, row


class MemoryRelief(Section):
    """Hidden while there is nothing to propose.

    Signals:
        changes_wanted: The changes that were left ticked, a tuple of `Change`; the run is to go on with them.
        unchanged_wanted: The run is to go on as it was.

    Attributes:
        ways: The line of buttons, to which the owner may add.
    """

    changes_wanted = Signal(object)
    unchanged_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("What would need less memory"), parent=parent)
        self.boxes: dict[QCheckBox, Change] = {}
        self._lines = QVBoxLayout()
        self._lines.setSpacing(GRID)
        self.add(self._lines)
        self.warning = label("", "warning", wrap=True)
        self.add(self.warning)
        self.go_on = buttons.primary("", self._on_go_on)
        self.unchanged = buttons.flat("", self.unchanged_wanted.emit)
        self.ways = row(self.go_on, self.unchanged, 1)
        self.add(self.ways)
        self.hide()

    def show_relief(self, relief: Relief | None, has_checkpoint: bool) -> None:
        """Show proposals, those that are needed ticked; None hides the card.

        Args:
            relief: What can be changed.
            has_checkpoint: Whether the run goes on from one or begins again.
        """
        clear_layout(self._lines)
        self.boxes = {}
        self.setVisible(relief is not None)
        if relief is None:
            return
        for change in relief.changes:
            self._lines.addLayout(self._line(change, ticked=change.kind in relief.suggested))
        self.warning.setText(
            self.tr("Even that may not be enough: a smaller model would be, or other programs closed.")
        )
        self.warning.setVisible(not relief.enough)
        changed = self.tr("Change this and go on from the last checkpoint")
        again = self.tr("Change this and start it again")
        self.go_on.setText(changed if has_checkpoint else again)
        self.unchanged.setText(self.tr("Go on unchanged") if has_checkpoint else self.tr("Start it again unchanged"))
        self._show_button()

    def _line(self, change: Change, ticked: bool) -> QVBoxLayout:
        words, costs = wording.told(change.what), wording.told(change.costs)
        saves = self.tr("saves about {size}").format(size=wording.memory(change.gains_bytes))
        box = QCheckBox(f"{words.rstrip('.')} – {saves}".replace("&", "&&"))
        box.setAccessibleDescription(costs)
        box.setChecked(ticked)
        box.setMinimumHeight(max(3 * GRID, box.sizeHint().height()))  # the hint forgets the box where text is small
        box.toggled.connect(lambda _: self._show_button())
        self.boxes[box] = change
        line = QVBoxLayout()
        line.setSpacing(2)
        line.addWidget(box)
        price = label(costs, "muted", wrap=True)
        price.setContentsMargins(3 * GRID + 2, 0, 0, 0)  # below the words, not below the box
        line.addWidget(price)
        return line

    def _show_button(self) -> None:
        self.go_on.setEnabled(any(box.isChecked() for box in self.boxes))

    def _on_go_on(self) -> None:
        self.changes_wanted.emit(tuple(change for box, change in self.boxes.items() if box.isChecked()))
