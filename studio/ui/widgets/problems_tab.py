"""The tab "Problems": what the doctor found, each with its fix; then what the import had to say."""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from studio.contract.diagnosis import Diagnosed
from studio.contract.errors import Problem
from studio.data.remarks import found_again, in_order, is_remark
from studio.data.turn_order import is_offered
from studio.ui import wording
from studio.ui.widgets import buttons
from studio.ui.widgets.finding_card import FindingCard
from studio.ui.widgets.labels import label
from studio.ui.widgets.message import Action, MessageBar
from studio.ui.widgets.section import ScrollColumn, clear_layout, row


class ProblemsTab(ScrollColumn):
    """Cards below each other.

    Attributes:
        row_wanted, rows_wanted, fix_wanted: See `FindingCard`.
        turns_wanted: The files are to be imported anew: True: with the order of turns mended, False: without.
        better_alone_wanted: Compared rows are to be read as their better answers alone.
        test_wanted: Rows are to be compared with a test file.
        no_test_wanted: They need no longer be.
    """

    row_wanted = Signal(int)
    rows_wanted = Signal(str)
    fix_wanted = Signal(object)
    turns_wanted = Signal(bool)
    better_alone_wanted = Signal()
    test_wanted = Signal()
    no_test_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(margin=8)
        self.setParent(parent)
        self.cards: list[MessageBar] = []
        self.findings: list[FindingCard] = []
        self.test_button: QPushButton | None = None
        self._may_import = True
        self.show_all(None, (), None, False, str)

    def show_all(
        self,
        found: Diagnosed | None,
        problems: Sequence[Problem],
        compared: Problem | None,
        with_better: bool,
        name_of: Callable[[int], str],
        stale: bool = False,
    ) -> None:
        """Show these instead of what was there.

        Args:
            found: The doctor's, None where it has not looked yet.
            problems: The import's.
            compared: Why the dataset cannot be trained on yet, or None.
            with_better: Whether its better answers can be learned alone.
            name_of: What a stored row is called.
            stale: What the doctor found is about other rows, settings or another test file than now.
        """
        clear_layout(self.body)
        self.cards, self.findings = [], []
        if compared is not None:
            better = (self.tr("Learn from the better answers alone"), self.better_alone_wanted.emit)
            self._add_message(compared, "warning", [better] if with_better else [])
        for finding in found.findings if found is not None else ():
            card = FindingCard(finding, name_of)
            card.row_wanted.connect(self.row_wanted)
            card.rows_wanted.connect(self.rows_wanted)
            card.fix_wanted.connect(self.fix_wanted)
            card.mend_wanted.connect(lambda: self.turns_wanted.emit(True))
            card.mend_button.setEnabled(self._may_import)
            self.findings.append(card)
            self.body.addWidget(card)
        told = [one for one in in_order(tuple(problems)) if found is None or not found_again(one)]
        if not self.findings and not any(not is_remark(one) for one in told) and compared is None:
            words = self.tr("No problems were found in this dataset.")
            waiting = self.tr("The rows were not checked yet.")
            self.body.addWidget(label(words if found is not None else waiting, "muted", wrap=True))
        if told:
            self.body.addWidget(label(self.tr("What the import says"), "strong"))
        for problem in told:
            self._add_message(problem, "info" if is_remark(problem) else "warning", self._ways_on(problem))
        if found is not None:
            self._add_test(found, stale)
        self.body.addStretch(1)

    def _ways_on(self, problem: Problem) -> list[Action]:
        """What can be clicked beside what the import says."""
        if is_offered(problem.fix):
            return [(self.tr("Mend the order of turns"), lambda: self.turns_wanted.emit(True))]
        if problem.code == "data.turns_mended":
            return [(self.tr("Leave such rows out"), lambda: self.turns_wanted.emit(False))]
        return []

    def allow_import(self, allowed: bool) -> None:
        """Whether the files may be imported anew; not while a run learns from them."""
        self._may_import = allowed
        for card in self.findings:
            card.mend_button.setEnabled(allowed)
        for told in self.cards:
            told.enable_actions(allowed)

    def _add_test(self, found: Diagnosed, stale: bool) -> None:
        """The offer to compare the rows with those of a test file, and what came of it."""
        overlaps = any(finding.code in ("doctor.test_overlap", "doctor.test_questions") for finding in found.findings)
        if not found.test:
            words = self.tr("Will the model be tested with the rows of another file? They must not be among these.")
        elif stale:
            words = self.tr("Compared with {name} before the last change: check the rows again.")
        elif overlaps:
            words = self.tr("Compared with the {count} rows of {name}.")
        else:
            words = self.tr("None of the {count} rows of {name} is among these, word for word or nearly.")
        words = words.format(name=Path(found.test).name, count=wording.number(found.test_rows))
        if found.test_unread and not stale:
            more = self.tr("One of its rows says nothing that could be compared.")
            many = self.tr("{count} of its rows say nothing that could be compared.")
            words += " " + (more if found.test_unread == 1 else many.format(count=wording.number(found.test_unread)))
        self.test_button = buttons.secondary(self.tr("Compare with a test file…"), self.test_wanted.emit)
        forget = buttons.flat(self.tr("Without test file"), self.no_test_wanted.emit)
        line = row(label(words, "muted", wrap=True), forget, self.test_button)
        line.setStretch(0, 1)
        self.body.addLayout(line)
        forget.setVisible(bool(found.test))

    def _add_message(self, problem: Problem, kind: str, actions: Sequence[Action] = ()) -> None:
        card = MessageBar(closable=False, advises=kind != "info")
        card.show_problem(problem, actions, kind=kind)  # type: ignore[arg-type]
        card.enable_actions(self._may_import)
        self.cards.append(card)
        self.body.addWidget(card)
