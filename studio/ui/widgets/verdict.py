"""The end of a run: what was learned and what was kept, and what to do with it."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout

from studio.contract import events
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import IconLabel, label, set_role
from studio.ui.widgets.section import Folding, held, row
from studio.ui.widgets.verdict_words import ending_words, judge

_ICONS = {"success": ("check", "success"), "warning": ("warning", "warning"), "info": ("info", "accent")}


class VerdictCard(QFrame):
    """Sentences and the three things that people want next; [Compare] first.

    Attributes:
        compare_wanted, export_wanted, new_run_wanted: A button was clicked.
    """

    compare_wanted = Signal()
    export_wanted = Signal()
    new_run_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("verdict")
        self._icon = IconLabel("check", "success", 24)
        self.headline = label("", "strong", wrap=True, selectable=True)
        self.sentences = label("", wrap=True, selectable=True)
        self.ending = label("", "muted", wrap=True)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        for widget in (self.headline, self.sentences, self.ending):
            texts.addWidget(widget)
        self.compare = buttons.primary(self.tr("Compare"), self.compare_wanted.emit, "compare")
        self.compare.setToolTip(self.tr("Chat with the model before and after, side by side"))
        self.export = buttons.secondary(self.tr("Export"), self.export_wanted.emit, "export")
        self.new_run = buttons.secondary(self.tr("New run"), self.new_run_wanted.emit, "plus")
        outer = QHBoxLayout(self)
        outer.setContentsMargins(GRID + 4, GRID, GRID + 4, GRID)
        outer.setSpacing(GRID + 4)
        outer.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        acts = held(row(self.compare, self.export, self.new_run, 1))
        self.folding = Folding(held(texts), acts, stretch=(1, 0), letters=(60, 0))
        outer.addWidget(self.folding, 1)

    def show_end(self, finished: events.Finished) -> None:
        """Say how a run ended."""
        has_adapter = bool(finished.adapter)
        for button in (self.compare, self.export):
            button.setVisible(has_adapter)
        if not has_adapter:
            words = ending_words(finished) or self.tr("The run was thrown away, as you asked.")
            self._fill("info", words, "", "")
            return
        said = judge(finished.verdict)
        self._fill(said.mood, said.headline, "\n".join(said.sentences), self._ending(finished))

    def text(self) -> str:
        """All that is said, one sentence a line."""
        parts = (self.headline.text(), self.sentences.text(), self.ending.text())
        return "\n".join(part for part in parts if part)

    def _fill(self, kind: str, headline: str, sentences: str, ending: str) -> None:
        set_role(self, kind, "kind")
        self._icon.set_icon(*_ICONS[kind])
        for part, words in ((self.headline, headline), (self.sentences, sentences), (self.ending, ending)):
            part.setText(words)
            part.setVisible(bool(words))
        self.setAccessibleName(headline)
        self.setAccessibleDescription(sentences)

    def _ending(self, finished: events.Finished) -> str:
        words = {
            "done": self.tr("Done: {steps} steps in {time}."),
            "stopped": self.tr("Stopped by you and saved after {steps} steps, {time}."),
            "early": self.tr("Ended early after {steps} steps, {time}: it got no better on unseen examples."),
            "time": self.tr("Ended by its time box: {steps} steps in {time}."),
        }[finished.reason]
        words = words.format(
            steps=wording.number(finished.steps), time=wording.took(finished.seconds, finished.verdict is not None)
        )
        if finished.went_back:
            words = ending_words(finished)
        if finished.best_step and finished.best_step != finished.steps:
            words += " " + self.tr("Kept: the best adapter, of step {step}.").format(
                step=wording.number(finished.best_step)
            )
        if finished.best_aside:
            words += " " + self.tr(
                "The best one on unseen examples, of step {step}, is kept, too: Runs offers it."
            ).format(step=wording.number(finished.best_aside))
        return words
