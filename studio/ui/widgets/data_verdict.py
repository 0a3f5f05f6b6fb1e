"""The line at the head of the Data page: how good the dataset is, in words; and the doctor while it looks."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QProgressBar, QWidget

from studio.contract.diagnosis import Finding
from studio.contract.events import Progress
from studio.ui import wording
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import IconLabel, label
from studio.ui.widgets.section import Folding, held, row

_ICONS = {"good": ("check", "success"), "warning": ("warning", "warning"), "error": ("error", "error")}


class DataVerdict(QWidget):
    """One or two sentences, an icon, and what can be done about it.

    Attributes:
        problems_wanted, check_wanted, cancel_wanted: A button was clicked.
        fix_wanted: `Finding`: the one that the sentence tells is to be mended.
    """

    problems_wanted = Signal()
    check_wanted = Signal()
    cancel_wanted = Signal()
    fix_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.icon = IconLabel("check", "success", 22)
        self.text = label("", "strong", wrap=True, selectable=True)
        self.show_button = buttons.flat(self.tr("Show problems"), self.problems_wanted.emit)
        self._finding: Finding | None = None
        self.fix_button = buttons.secondary("", lambda: self.fix_wanted.emit(self._finding))
        self.stage = label("", "muted")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMinimumWidth(60)
        self.bar.setMaximumWidth(120)
        self.bar.setAccessibleName(self.tr("Progress of the check"))
        self.check_button = buttons.flat(self.tr("Check again"), self.check_wanted.emit, "refresh")
        self.cancel_button = buttons.flat(self.tr("Cancel the check"), self.cancel_wanted.emit)
        said = row(self.icon, self.text)
        said.setStretch(1, 1)
        acts = row(self.fix_button, self.show_button, self.stage, self.bar, self.check_button, self.cancel_button, 1)
        line = row(Folding(held(said), held(acts), stretch=(1, 0), letters=(40, 0)))
        line.setContentsMargins(0, 0, 0, 0)
        self.setLayout(line)
        self.show_checking(False)
        self.show_fix(None)

    def show_verdict(self, sentence: str, level: str, problems: int) -> None:
        """Say how good the dataset is.

        Args:
            sentence: One or two.
            level: "good", "warning" or "error".
            problems: How many there are to be shown.
        """
        self.icon.set_icon(*_ICONS[level])
        self.text.setText(sentence)
        self.show_button.setVisible(problems > 0)

    def show_fix(self, finding: Finding | None) -> None:
        """Offer to hold rows back, where the sentence says that none is; None: there is nothing to offer."""
        self._finding = finding
        self.fix_button.setVisible(finding is not None)
        if finding is not None:
            one, many = self.tr("Hold one row back"), self.tr("Hold {count} rows back")
            words = one if finding.fix_rows == 1 else many.format(count=wording.number(finding.fix_rows))
            self.fix_button.setText(words)
            self.fix_button.setAccessibleName(words)

    def show_checking(self, checking: bool) -> None:
        """The doctor began or ended."""
        self.bar.setRange(0, 0)
        self.stage.setText(self.tr("Checking the rows…"))
        for widget in (self.bar, self.stage, self.cancel_button):
            widget.setVisible(checking)
        self.check_button.setVisible(not checking)

    def show_progress(self, progress: Progress) -> None:
        """How far the doctor is."""
        share = f": {wording.percent(progress.done / progress.total)}" if progress.total else "…"
        self.stage.setText(f"{progress.stage}{share}")
        self.bar.setRange(0, 1000 if progress.total else 0)
        if progress.total:
            self.bar.setValue(min(1000, 1000 * progress.done // progress.total))

    def show_stale(self, stale: bool) -> None:
        """Whether what is said is about an earlier state."""
        words = self.tr("Changed since it was checked: check again") if stale else self.tr("Check again")
        self.check_button.setText(words)
        self.check_button.setAccessibleName(words)
