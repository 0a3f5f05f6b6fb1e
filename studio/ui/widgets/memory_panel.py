"""Will it fit? The memory of a run before it starts, and what to change so that it does."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QProgressBar, QVBoxLayout, QWidget

from studio.contract.events import Progress
from studio.contract.memory_fit import Fit
from studio.contract.memory_plan import Estimate, Machine
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.changed_line import ChangedLine
from studio.ui.widgets.labels import ElidedLabel, IconLabel, label
from studio.ui.widgets.legend import MemoryLegend
from studio.ui.widgets.memory_bar import MemoryBar, pieces_of
from studio.ui.widgets.section import clear_layout, row
from studio.ui.widgets.waiting_panel import WaitingPanel

_ICONS = {
    "fits": ("check", "success"),
    "tight": ("warning", "warning"),
    "too_large": ("warning", "warning"),
    "hopeless": ("error", "error"),
}


class MemoryPanel(WaitingPanel):
    """Data goes down by `show_…`; what the user wants comes up.

    Signals:
        measure_wanted: A dry step.
        cancel_wanted: No dry step after all.
        changes_wanted: A `Fit` whose changes are to be taken over.
        grew: There is more to see than before.
    """

    measure_wanted = Signal()
    cancel_wanted = Signal()
    changes_wanted = Signal(object)
    grew = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Will it fit?"), parent)
        self._fit: Fit | None = None
        self._more: Fit | None = None
        self._shown: Fit | None = None
        self._going = self._short = False
        self.bar = MemoryBar()
        self.icon = IconLabel("info", "muted", 16)
        self.words = label("", wrap=True)
        self.legend = MemoryLegend()
        self.measure = buttons.flat(self.tr("Measure it"), self.measure_wanted.emit)
        self.measure.setToolTip(self.tr("Loads the model and tries the longest examples once; nothing is trained."))
        self.make_fit = buttons.secondary(self.tr("Make it fit"), lambda: self._list(self._fit))
        self.use_more = buttons.secondary(self.tr("Use the memory I have"), lambda: self._list(self._more))
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.progress.setMaximumWidth(160)
        self.progress.setAccessibleName(self.tr("Progress of the measurement"))
        self.stage = ElidedLabel("", "muted")
        self.cancel = buttons.flat(self.tr("Cancel"), self.cancel_wanted.emit)
        self.cancel.setAccessibleName(self.tr("Cancel the measurement"))
        said = row(self.icon, self.words)
        said.setAlignment(self.icon, Qt.AlignmentFlag.AlignTop)
        said.setStretch(1, 1)
        self.add(self.bar)
        self.add(self.legend)
        self.add(said)
        for widget in (
            self.progress, self.stage, self.cancel, self.measure, self.use_more, self.make_fit, self.to_problem,
        ):  # fmt: skip
            self.add_action(widget)
        self.changes = QWidget()
        self._changes = QVBoxLayout(self.changes)
        self._changes.setContentsMargins(0, 0, 0, 0)
        self._changes.setSpacing(GRID)
        self.add(self.changes)
        self.changes.hide()
        self.show_progress(None)

    # --- data goes down -----------------------------------------------------------------------------------

    def show_plan(self, estimate: Estimate, machine: Machine, fit: Fit, more: Fit) -> None:
        """Show what a run with the present settings takes.

        Args:
            estimate: It.
            machine: What there is.
            fit: What would make it fit.
            more: What would use the memory there is.
        """
        self.go_on(self.words, (self.bar, self.legend))
        self._fit, self._more = fit, more
        verdict = estimate.verdict(machine)
        self.icon.set_icon(*_ICONS[verdict])
        self.words.setText(f"{self._verdict(estimate, machine)} {self._source(estimate)}")
        self.bar.show_estimate(estimate, machine)
        self.legend.show_pieces(pieces_of(estimate, machine))
        self._short = verdict != "fits"
        self._show_buttons()
        self.changes.hide()
        self._shown = None

    def show_changed(self, sets: dict[str, Any], undo: Callable[[], object]) -> None:
        """Say what was changed just now, until the next change.

        Args:
            sets: Dotted path -> value.
            undo: Puts back what was before.
        """
        clear_layout(self._changes)
        self._changes.addWidget(ChangedLine(sets, undo))
        self.changes.show()

    def show_waiting(self, setting: str) -> None:
        """Something is wrong with a setting: nothing can be told until it is put right."""
        self.wait_for(self.words, setting, (self.bar, self.legend))
        self.icon.set_icon("info", "muted")
        self._show_buttons()
        self._list(None)

    def show_progress(self, progress: Progress | None, going: bool = False) -> None:
        """Show how far a dry step is; None and not `going`: there is none."""
        for widget in (self.progress, self.stage, self.cancel):
            widget.setVisible(going)
        self._going = going
        self._show_buttons()
        self.stage.set_text(f"{wording.told(progress.stage)}…" if progress is not None else self.tr("Starting…"))

    # --- inside -------------------------------------------------------------------------------------------

    def _verdict(self, estimate: Estimate, machine: Machine) -> str:
        words = {
            "fits": self.tr("It fits: this needs about {needed} (± {band}), and {free} are free."),
            "tight": self.tr("It just fits: this needs about {needed} (± {band}), and {free} are free."),
            "too_large": self.tr("It may not fit: this needs about {needed} (± {band}), but {free} are free."),
            "hopeless": self.tr("It does not fit: this needs about {needed} (± {band}), but {free} are free."),
        }[estimate.verdict(machine)]
        return words.format(
            needed=wording.memory(estimate.total),
            band=wording.memory(estimate.high - estimate.total),
            free=wording.memory(machine.free_bytes),
        )

    def _source(self, estimate: Estimate) -> str:
        if estimate.measured:
            return self.tr("Measured with the longest examples.")
        return self.tr("Estimated; measuring it takes a moment.")

    def _show_buttons(self) -> None:
        free = not self._going and not self.waiting
        self.measure.setVisible(free)
        self.make_fit.setVisible(free and self._short)
        offers = self._more is not None and bool(self._more.changes)
        self.use_more.setVisible(free and not self._short and offers)

    def _then(self, fit: Fit) -> str:
        """What the changes come to."""
        if not fit.changes:
            return self.tr("No setting is left that saves memory: choose a smaller model, or close other programs.")
        then = self.tr("Then it needs about {size}.").format(size=wording.memory(fit.estimate.total))
        if fit.fits:
            return then
        return then + " " + self.tr("Even that may not be enough: choose a smaller model, or close other programs.")

    def _list(self, fit: Fit | None) -> None:
        """Say what would be changed; a second click closes the list."""
        if fit is None or fit is self._shown:
            self.changes.hide()
            self._shown = None
            return
        self._shown = fit
        clear_layout(self._changes)
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GRID)
        grid.setVerticalSpacing(GRID)
        grid.setColumnStretch(2, 1)
        for line, change in enumerate(fit.changes):
            grid.addWidget(label(wording.told(change.what), wrap=True), line, 0, Qt.AlignmentFlag.AlignTop)
            gain = self.tr("saves {size}") if change.gains_bytes >= 0 else self.tr("takes {size} more")
            size = wording.memory(abs(change.gains_bytes))
            grid.addWidget(label(gain.format(size=size), "accent"), line, 1, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(label(wording.told(change.costs), "muted", wrap=True), line, 2, Qt.AlignmentFlag.AlignTop)
        grid.setColumnStretch(0, 1)
        self._changes.addLayout(grid)
        if fit is self._more:
            purpose = self.tr(
                "This is for speed, as far as it makes sense. What learns well is under “Suggestions for your data”."
            )
            self._changes.addWidget(label(purpose, "muted", wrap=True))
        self._changes.addWidget(label(self._then(fit), "" if fit.fits else "warning", wrap=True))
        if fit.changes:
            apply = buttons.primary(self.tr("Change these settings"), lambda: self.changes_wanted.emit(fit))
            self._changes.addLayout(row(apply, buttons.flat(self.tr("Leave them"), lambda: self._list(None)), 1))
        self.changes.show()
        self.grew.emit()
