"""What a run was expected to take of the memory, and what it took."""

from studio.contract.events import Finished, MemoryPlanned
from studio.ui import wording
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import Section


class MemoryCard(Section):
    """One or two sentences; hidden where nothing is known."""

    def __init__(self) -> None:
        super().__init__(self.tr("Memory"))
        self.words = label("", wrap=True, selectable=True)
        self.add(self.words)
        self.hide()

    def show_memory(self, planned: MemoryPlanned | None, finished: Finished | None) -> None:
        """Show what is known so far."""
        parts = []
        if planned is not None:
            told = planned.plan.estimate
            words = self.tr("Expected: {size} (± {band}), measured with the longest examples before the first step.")
            if not told.measured:
                words = self.tr(
                    "Expected: {size} (± {band}), estimated: measuring would have taken too much of this run."
                )
            parts.append(words.format(size=wording.memory(told.total), band=wording.memory(told.high - told.total)))
            if told.recomputed:
                words = self.tr("Layers computed twice, which saves memory and costs time: {count}.")
                parts.append(words.format(count=told.recomputed))
        peak = finished.peak_bytes if finished is not None else 0
        if peak:
            parts.append(self.tr("Taken at its peak: {size}.").format(size=wording.memory(peak)))
        self.words.setText("\n".join(parts))
        self.setVisible(bool(parts))
