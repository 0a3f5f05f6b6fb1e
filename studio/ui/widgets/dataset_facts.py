"""One line about a dataset: rows, usable, needing attention, and the user's own test file."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from studio.data.dataset import DatasetInfo
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import ElidedLabel, label, set_role


class DatasetFacts(QWidget):
    """Reads "1,204 rows  ✓ 1,190 usable  ⚠ 14 need attention [Show]".

    Attributes:
        problems_wanted, test_file_wanted, no_test_file_wanted: A button was clicked.
    """

    problems_wanted = Signal()
    test_file_wanted = Signal()
    no_test_file_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = label()
        self.usable = label("", "success")
        self.attention = label("", "warning")
        self.show_button = buttons.flat(self.tr("Show"), self.problems_wanted.emit)
        self.test_file = ElidedLabel("", "muted")
        self.test_button = buttons.flat(self.tr("Use an own test file…"), self.test_file_wanted.emit)
        self.no_test_button = buttons.flat(self.tr("Remove test file"), self.no_test_file_wanted.emit)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(2 * GRID)
        for widget in (self.rows, self.usable, self.attention, self.show_button):
            line.addWidget(widget)
        line.addWidget(self.test_file, 1)
        line.addWidget(self.test_button)
        line.addWidget(self.no_test_button)

    def show_info(self, info: DatasetInfo) -> None:
        """Say what is known about a dataset."""
        left_out, remarks = info.rows - info.usable, len(info.problems)
        self.rows.setText(self.tr("{count} rows").format(count=wording.number(info.rows)))
        self.usable.setText(self.tr("✓ {count} usable").format(count=wording.number(info.usable)))
        set_role(self.usable, "success" if info.usable else "error")
        if left_out:
            needs = self.tr("⚠ 1 needs attention") if left_out == 1 else self.tr("⚠ {count} need attention")
        else:
            needs = self.tr("⚠ 1 remark") if remarks == 1 else self.tr("⚠ {count} remarks")
        self.attention.setText(needs.format(count=wording.number(left_out or remarks)))
        self.attention.setVisible(bool(left_out or remarks))
        self.show_button.setVisible(bool(remarks))
        own = info.sources[1] if len(info.sources) > 1 else None
        tested = self.tr("Tested with the {count} rows of {name}")
        self.test_file.set_text(
            tested.format(count=wording.number(info.held_back_rows), name=own.name) if own is not None else ""
        )
        self.test_button.setVisible(bool(info.sources) and own is None)
        self.no_test_button.setVisible(own is not None)

    def set_changeable(self, changeable: bool) -> None:
        """Whether the dataset can be imported anew now."""
        self.test_button.setEnabled(changeable)
        self.no_test_button.setEnabled(changeable)
