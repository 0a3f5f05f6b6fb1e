"""One thing that the doctor found: how often, which rows, why it matters, and the click that mends it."""

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from studio.contract.diagnosis import Finding, Fix
from studio.data.turn_order import is_offered
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import IconLabel, label
from studio.ui.widgets.row_link import RowLink
from studio.ui.widgets.section import row

_LOOKS = {"error": ("error", "error"), "warning": ("warning", "warning"), "hint": ("info", "accent")}
SHOWN_EXAMPLES = 3


class FindingCard(QFrame):
    """A card.

    Attributes:
        row_wanted: Stored row: an example was clicked.
        rows_wanted: The code: all its rows are to be shown in the table.
        fix_wanted: `Finding`: the fix was clicked.
        mend_wanted: The file is to be imported anew, with the order of turns mended.
    """

    row_wanted = Signal(int)
    rows_wanted = Signal(str)
    fix_wanted = Signal(object)
    mend_wanted = Signal()

    def __init__(self, finding: Finding, name_of: Callable[[int], str], parent: QWidget | None = None) -> None:
        """Args:
        finding: What is shown.
        name_of: What a stored row is called.
        """
        super().__init__(parent)
        self.finding = finding
        self.setProperty("role", "card")
        self.setAccessibleName(finding.title)
        texts = QVBoxLayout()
        texts.setSpacing(4)
        texts.addWidget(label(finding.title, "strong", wrap=True, selectable=True))
        for text, role in ((finding.why, ""), (finding.advice, "muted")):
            if text:
                texts.addWidget(label(text, role, wrap=True, selectable=True))
        for example in finding.examples[:SHOWN_EXAMPLES]:
            if example.row >= 0:
                link = RowLink(name_of(example.row), example.excerpt)
                link.clicked.connect(lambda row=example.row: self.row_wanted.emit(row))
                texts.addWidget(link)
        self.fix_button = buttons.secondary(self.fix_words(finding), lambda: self.fix_wanted.emit(finding))
        in_table = any(example.row >= 0 for example in finding.examples)
        self.rows_button = buttons.flat(self.tr("Show them in the table"), lambda: self.rows_wanted.emit(finding.code))
        self.mend_button = buttons.secondary(self.tr("Mend the order of turns"), self.mend_wanted.emit)
        texts.addLayout(row(self.fix_button, self.mend_button, self.rows_button, 1))
        outer = QHBoxLayout(self)
        outer.setContentsMargins(GRID + 4, GRID, GRID, GRID)
        outer.setSpacing(GRID + 4)
        icon = IconLabel(*_LOOKS[finding.level])
        side = QVBoxLayout()
        side.addWidget(icon)
        side.addStretch(1)
        outer.addLayout(side)
        outer.addLayout(texts, 1)
        self.fix_button.setVisible(bool(finding.fix))  # not before they have a parent: they would be windows
        self.mend_button.setVisible(is_offered(finding.advice))
        self.rows_button.setVisible(in_table)

    def fix_words(self, finding: Finding) -> str:
        """What the fix does."""
        one = finding.fix_rows == 1
        words: dict[Fix, str] = {
            "drop_duplicates": self.tr("Leave the copy out") if one else self.tr("Leave the {count} copies out"),
            "hold_back": self.tr("Hold one row back") if one else self.tr("Hold {count} rows back"),
            "repair_encoding": self.tr("Repair the row") if one else self.tr("Repair {count} rows"),
        }
        other = self.tr("Leave the row out") if one else self.tr("Leave {count} rows out")
        return words.get(finding.fix, other).format(count=wording.number(finding.fix_rows))
