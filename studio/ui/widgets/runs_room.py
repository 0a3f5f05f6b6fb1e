"""How many runs there are, how much room they take, and a button that gives some of it back."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QMessageBox, QVBoxLayout, QWidget

from studio.data.run_history import RunSummary
from studio.data.run_room import Spare, size_of, spare
from studio.ui import wording
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import row

_MOST_NAMED = 12


class RunsRoom(QWidget):
    """Measures one run at a time, so that a thousand runs make nobody wait.

    Attributes:
        clean_wanted: The button was clicked; `spares` is what it is about.
        spares: What can be given back; as far as was measured.
    """

    clean_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spares: list[Spare] = []
        self._runs = self._bytes = 0
        self._names: dict[Path, str] = {}
        self._waiting: Iterator[RunSummary] = iter(())
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._measure_one)
        self.words = label("", "muted", wrap=True)
        self.clean = buttons.flat("", self.clean_wanted.emit)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.words)
        column.addLayout(row(self.clean, 1))
        self.clean.hide()

    def show_runs(self, summaries: Sequence[RunSummary]) -> None:
        """Measure these."""
        self.spares, self._bytes, self._runs = [], 0, len(summaries)
        self._names = {summary.folder: summary.job.name for summary in summaries}
        self._waiting = iter(list(summaries))
        self._timer.start()

    def question(self) -> str:
        """What cleaning up would do, run by run."""
        lines = [f"{self._names[one.folder]}: {wording.size(one.size_bytes)}" for one in self.spares[:_MOST_NAMED]]
        more = len(self.spares) - _MOST_NAMED
        if more > 0:
            lines.append(self.tr("… and {count} more").format(count=wording.number(more)))
        words = self.tr(
            "This deletes the checkpoints of runs that are done, and frees {size}. Their adapters, curves and settings "
            "stay. Runs that can be resumed are left as they are."
        )
        return "\n".join([words.format(size=self._freed()), "", *lines])

    def agreed(self) -> bool:
        """Ask whether to clean up."""
        box = QMessageBox(self)
        box.setWindowTitle(self.tr("Clean up"))
        box.setTextFormat(Qt.TextFormat.PlainText)
        # All in the one text, whose format is set: the informative text below it would be read as rich text.
        box.setText(self.question())
        clean = box.addButton(self.tr("Free {size}").format(size=self._freed()), QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        return box.clickedButton() is clean

    def _freed(self) -> str:
        return wording.size(sum(one.size_bytes for one in self.spares))

    def _measure_one(self) -> None:
        summary = next(self._waiting, None)
        if summary is None:
            self._timer.stop()
            self._tell()
            return
        self._bytes += size_of(summary.folder)
        self.spares += spare([summary])

    def _tell(self) -> None:
        runs = self.tr("1 run") if self._runs == 1 else self.tr("{count} runs")
        words = self.tr("{runs}, {size} on the disk")
        told = runs.format(count=wording.number(self._runs))
        self.words.setText(words.format(runs=told, size=wording.size(self._bytes)))
        button = self.tr("Clean up: frees {size}…").format(size=self._freed())
        self.clean.setText(button)
        self.clean.setAccessibleName(button)
        self.clean.setVisible(bool(self.spares))
