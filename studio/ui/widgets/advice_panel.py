"""Suggestions for the chosen data and model, each with its reason; and the test that finds a learning speed."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QProgressBar, QVBoxLayout, QWidget

from studio.contract.advice import Advice, beside_rule
from studio.contract.events import Progress
from studio.contract.fields import Field, fields
from studio.contract.range_test import RangeResult
from studio.contract.settings import TrainSettings
from studio.ui import wording
from studio.ui.setting_words import told_field, value_words
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.changed_line import ChangedLine
from studio.ui.widgets.labels import ElidedLabel, label, plain_tip
from studio.ui.widgets.rate_plot import RatePlot
from studio.ui.widgets.section import clear_layout, row
from studio.ui.widgets.setting_editors import format_number
from studio.ui.widgets.waiting_panel import WaitingPanel


class AdvicePanel(WaitingPanel):
    """Data goes down by `show_…`; what the user wants comes up.

    Signals:
        advice_wanted: All suggestions are to be taken over.
        test_wanted, cancel_wanted: The range test is to begin, or to be given up.
        rate_wanted: This learning rate is to be used.
        grew: There is more to see than before.
    """

    advice_wanted = Signal()
    test_wanted = Signal()
    cancel_wanted = Signal()
    rate_wanted = Signal(float)
    grew = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Suggestions for your data"), parent)
        self._fields: dict[str, Field] = {field.path: told_field(field) for field in fields(TrainSettings)}
        self._result: RangeResult | None = None
        self._going = self._differs = False
        self.line = label("", wrap=True)
        self.reasons = QWidget()
        self._grid = QGridLayout(self.reasons)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GRID)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(2, 1)
        self.reasons.hide()
        self.use = buttons.secondary(self.tr("Use these"), self.advice_wanted.emit)
        self.use.setAccessibleName(self.tr("Use these suggestions"))
        self.why = buttons.flat(self.tr("Why?"), self._toggle_reasons)
        self.why.setAccessibleName(self.tr("Why these suggestions?"))
        self.test = buttons.secondary(self.tr("Find a learning speed"), self.test_wanted.emit)
        self.test.setToolTip(
            plain_tip(
                self.tr("Tries learning speeds from tiny to too large in short steps; afterwards nothing has changed.")
            )
        )
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setMaximumWidth(160)
        self.progress.setAccessibleName(self.tr("Progress of the test"))
        self.stage = ElidedLabel("", "muted")
        self.cancel = buttons.flat(self.tr("Cancel"), self.cancel_wanted.emit)
        self.cancel.setAccessibleName(self.tr("Cancel the test"))
        self.found = QWidget()
        self.plot = RatePlot()
        self.found_words = label("", wrap=True)
        self.use_rate = buttons.primary("", self._use_rate)
        self.close_test = buttons.flat(self.tr("Close"), self.found.hide)
        self.close_test.setAccessibleName(self.tr("Close the test's result"))
        inside = QVBoxLayout(self.found)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(GRID)
        inside.addWidget(self.plot)
        inside.addWidget(self.found_words)
        inside.addLayout(row(self.use_rate, self.close_test, 1))
        self.found.hide()
        self.add(self.line)
        self.changed = QVBoxLayout()
        self.add(self.changed)
        self.add(self.reasons)
        for widget in (self.progress, self.stage, self.cancel, self.why, self.test, self.use, self.to_problem):
            self.add_action(widget)
        self.add(self.found)
        self.show_progress(None)

    # --- data goes down -----------------------------------------------------------------------------------

    def show_tuned(self, tested: RangeResult | None) -> None:
        """The present settings were tuned for just this; a range test says less than the runs did that found them."""
        self.show_advice(())
        words = self.tr("The present settings were tuned for just this model and data.")
        if tested is not None and tested.suggestion is not None:
            words += " " + self.tr("Whole runs found its learning speed; a short test sees only how they begin.")
        self.line.setText(words)

    def show_too_large(self) -> None:
        """Nothing that can be changed makes it fit: no value suits it."""
        self.show_advice(())
        self.line.setText(self.tr("Nothing is suggested: first the memory has to suffice."))

    def show_advice(self, advice: tuple[Advice, ...]) -> None:
        """Show what is suggested, each with its reason."""
        self.go_on(self.line)
        clear_layout(self.changed)
        self.line.setText(" · ".join(self._short(one) for one in advice))
        self._differs = any(one.differs for one in advice)
        self.reasons.setVisible(self.reasons.isVisible() and bool(advice))
        clear_layout(self._grid)
        for place, one in enumerate(advice):
            name = label(self._fields[one.path].title, "muted")
            value = label(value_words(self._fields[one.path], one.value))
            reason = label(wording.told(one.reason), "muted", wrap=True)
            reason.setToolTip(plain_tip(wording.told(one.source)))
            for column, widget in enumerate((name, value, reason)):
                self._grid.addWidget(widget, place, column, Qt.AlignmentFlag.AlignTop)
        self._show_buttons()

    def show_changed(self, sets: dict[str, Any], undo: Callable[[], object]) -> None:
        """Say what was changed just now, until the next change.

        Args:
            sets: Dotted path -> value.
            undo: Puts back what was before.
        """
        clear_layout(self.changed)
        line = ChangedLine(sets, undo)
        self.changed.addWidget(line)
        line.show()  # a layout would show it only later

    def show_waiting(self, setting: str) -> None:
        """Something is wrong with a setting: nothing is suggested until it is put right."""
        self.wait_for(self.line, setting)
        clear_layout(self.changed)
        self._show_buttons()

    def show_progress(self, progress: Progress | None, going: bool = False) -> None:
        """Show how far the test is; None and not `going`: there is none."""
        for widget in (self.progress, self.stage, self.cancel):
            widget.setVisible(going)
        self._going = going
        self._show_buttons()
        total = progress.total if progress is not None and progress.unit == "steps" else 0
        self.progress.setRange(0, total)
        if progress is not None and total:
            self.progress.setValue(progress.done)
        self.stage.set_text(f"{wording.told(progress.stage)}…" if progress is not None else self.tr("Starting…"))

    def show_result(self, result: RangeResult, by_rule: float | None = None) -> None:
        """Show what the test found.

        Args:
            result: It.
            by_rule: The learning rate that is suggested without a test; None: none is.
        """
        self._result = result
        self.plot.show_result(result)
        words = wording.told(result.reason)
        if by_rule is not None:
            words += " " + wording.told(beside_rule(by_rule, result))
        self.found_words.setText(words)
        self.use_rate.setVisible(result.suggestion is not None)
        if result.suggestion is not None:
            words = self.tr("Use {rate}").format(rate=format_number(result.suggestion))
            self.use_rate.setText(words)
            self.use_rate.setAccessibleName(self.tr("Use {rate} as learning speed").format(rate=result.suggestion))
        self.found.show()
        self.grew.emit()

    def clear_result(self, but: RangeResult | None = None) -> None:
        """The test was about something else, where it was not this one."""
        shown = self._result
        if but is not None and shown is not None and (but.reason, but.seconds) == (shown.reason, shown.seconds):
            return
        self._result = None
        self.found.hide()

    # --- inside -------------------------------------------------------------------------------------------

    def _short(self, one: Advice) -> str:
        field = self._fields[one.path]
        return f"{field.title}: {value_words(field, one.value)}"

    def _show_buttons(self) -> None:
        free = not self._going and not self.waiting
        self.test.setVisible(free)
        self.why.setVisible(free and self._grid.count() > 0)
        self.use.setVisible(free and self._differs)

    def _toggle_reasons(self) -> None:
        self.reasons.setVisible(self.reasons.isHidden())

    def _use_rate(self) -> None:
        if self._result is not None and self._result.suggestion is not None:
            self.found.hide()
            self.rate_wanted.emit(self._result.suggestion)
