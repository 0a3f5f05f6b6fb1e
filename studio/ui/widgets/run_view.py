"""One run to look at: the plot, what it says in words, a sample answer, the data report. Live and old runs alike."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSplitter, QVBoxLayout, QWidget

from studio.ui.theme import GRID
from studio.ui.widgets.data_report import DataReportCard
from studio.ui.widgets.labels import IconLabel, label
from studio.ui.widgets.memory_card import MemoryCard
from studio.ui.widgets.plot_loading import PlotLoading
from studio.ui.widgets.run_curves import PlottedRun
from studio.ui.widgets.run_feed import RunFeed
from studio.ui.widgets.run_note import Note, notes
from studio.ui.widgets.sample_answer import SampleAnswerCard
from studio.ui.widgets.section import ScrollColumn

if TYPE_CHECKING:
    from studio.ui.widgets.loss_plot import LossPlot

_NOTE_ICONS = {"good": ("check", "success"), "neutral": ("info", "muted"), "warning": ("warning", "warning")}
_MOST_NOTES = 3


class NoteList(QWidget):
    """The sentences under the plot."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._shown: list[Note] = []

    def show_notes(self, found: list[Note]) -> None:
        """Show at most three; nothing is made anew while they stay the same."""
        found = found[:_MOST_NOTES]
        if found == self._shown:
            return
        self._shown = found
        while (item := self._layout.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for note in found:
            line = QWidget()
            row = QHBoxLayout(line)
            row.setContentsMargins(0, 0, 0, 0)
            row.setSpacing(GRID)
            row.addWidget(IconLabel(*_NOTE_ICONS[note.mood], 16), 0, Qt.AlignmentFlag.AlignTop)
            row.addWidget(label(note.text, "warning" if note.mood == "warning" else "", wrap=True), 1)
            self._layout.addWidget(line)

    def texts(self) -> list[str]:
        """What is said."""
        return [note.text for note in self._shown]


class RunView(QWidget):
    """Shows a `RunFeed`.

    Attributes:
        told: A sentence for a toast (a picture was saved).
        failed_to_save: A sentence for a message.
    """

    told = Signal(str)
    failed_to_save = Signal(str)
    plot_made = Signal()

    def __init__(self, feed: RunFeed) -> None:
        super().__init__()
        self.feed = feed
        self._overlay: list[PlottedRun] = []
        self.plot: LossPlot | None = None
        self.note_list = NoteList()
        self.answers = SampleAnswerCard()
        self.report = DataReportCard()
        self.memory = MemoryCard()
        self._memory_shown: object = None
        self._report_shown: object = None
        self._loading = PlotLoading(self)
        self._loading.loaded.connect(self._make_plot)
        self._waiting = label(self.tr("The plot is being prepared…"), "muted")
        self._waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._left = QVBoxLayout()
        self._left.setContentsMargins(0, 0, GRID, 0)
        self._left.setSpacing(4)
        self.plot_column = ScrollColumn(margin=0)  # large text in a low window: a plot that scrolls rather than a strip
        self.plot_column.body.addWidget(self._waiting, 1)
        self._left.addWidget(self.plot_column, 1)
        self._left.addWidget(self.note_list)
        left = QWidget()
        left.setLayout(self._left)
        self.side = ScrollColumn(margin=0)
        self.side.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.side.body.setContentsMargins(GRID, 0, 4, 0)
        self.side.body.setSpacing(GRID)
        self.side.body.addWidget(self.answers)
        self.side.body.addWidget(self.report)
        self.side.body.addWidget(self.memory)
        self.side.body.addStretch(1)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(left)
        self.splitter.addWidget(self.side)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setStretchFactor(1, 0)
        self.splitter.setSizes([620, 290])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.splitter)
        feed.begun.connect(self.show_feed)
        feed.changed.connect(self.refresh)

    def load_plot(self) -> None:
        """Begin to bring in the plot; it appears when it is ready."""
        self._loading.start()

    def _make_plot(self) -> None:
        # Imported by the loading thread before: the window's start does not pay for it.
        from studio.ui.widgets.loss_plot import LossPlot

        self.plot = LossPlot()
        self.plot.saved.connect(lambda path: self.told.emit(self.tr("Saved as {path}").format(path=path)))
        self.plot.failed_to_save.connect(self.failed_to_save)
        self.plot_column.body.replaceWidget(self._waiting, self.plot)
        self.plot_column.body.setStretchFactor(self.plot, 1)
        self._waiting.deleteLater()
        self.show_feed()
        self.plot_made.emit()

    def show_feed(self) -> None:
        """The feed is about another run now."""
        if self.plot is not None:
            self.plot.set_runs(self._overlay or [PlottedRun(self.feed.name, self.feed.curves)])
        self.refresh()

    def take_side(self) -> QWidget:
        """Give the cards away: the caller shows them elsewhere and the plot gets all the width."""
        self.side.setParent(None)
        return self.side

    def lay_over(self, runs: list[PlottedRun]) -> None:
        """Show several runs over each other; none of them ends that."""
        self._overlay = runs
        self.note_list.setVisible(not runs)
        self.show_feed()

    def refresh(self) -> None:
        """Show what is new. Called at most four times a second."""
        progress = self.feed.progress
        if self.plot is not None:
            self.plot.refresh()
        self.note_list.show_notes(notes(self.feed.curves, progress.ended))
        self.answers.show_answers(progress.answers)
        if progress.report is not self._report_shown:
            self._report_shown = progress.report
            self.report.show_report(progress.report)
        if (progress.planned, progress.finished) != self._memory_shown:
            self._memory_shown = (progress.planned, progress.finished)
            self.memory.show_memory(progress.planned, progress.finished)
