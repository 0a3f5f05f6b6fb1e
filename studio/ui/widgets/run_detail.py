"""One chosen run, or several compared: what was said of it, what can be done with it, and its tabs."""

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QTabWidget, QVBoxLayout, QWidget

from studio.contract import events
from studio.contract.errors import agreeing
from studio.contract.relief import Relief
from studio.contract.run_folder import RunFolder
from studio.contract.taking_up import NONE_WHOLE
from studio.data import adapter_choice
from studio.data.run_history import RunSummary
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import ElidedLabel, label
from studio.ui.widgets.memory_relief import MemoryRelief
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.run_feed import RunFeed
from studio.ui.widgets.run_view import RunView
from studio.ui.widgets.section import Folding, ScrollColumn, held, row
from studio.ui.widgets.settings_table import SettingsTable
from studio.ui.widgets.verdict_words import ending_words, judge


class RunDetail(QWidget):
    """Right half of the Runs page. Emits what the user wants; the page does it."""

    chat_wanted = Signal()
    export_wanted = Signal()
    resume_wanted = Signal()
    adapter_wanted = Signal(str)
    start_over_wanted = Signal()
    changes_wanted = Signal(object)
    watch_wanted = Signal()
    rename_wanted = Signal()
    label_wanted = Signal()
    folder_wanted = Signal()
    delete_wanted = Signal()

    def __init__(self, feed: RunFeed) -> None:
        super().__init__()
        self.title = ElidedLabel()
        self.said = label("", wrap=True, selectable=True)
        self.label = label("", "muted", wrap=True, selectable=True)
        self.chat = buttons.primary(self.tr("Chat"), self.chat_wanted.emit, "chat")
        self.export = buttons.secondary(self.tr("Export"), self.export_wanted.emit, "export")
        self.adapter = buttons.secondary("", self._swap, "undo")
        self._other: adapter_choice.Which | None = None
        self.resume = buttons.secondary(self.tr("Resume"), self.resume_wanted.emit, "play")
        self.watch = buttons.primary(self.tr("Watch it"), self.watch_wanted.emit, "train")
        self.more = buttons.icon_button("more", self.tr("Rename, tags and note, show folder, delete"))
        menu = QMenu(self.more)
        self.rename_action = menu.addAction(self.tr("Rename…"), self.rename_wanted.emit)
        self.label_action = menu.addAction(self.tr("Tags and note…"), self.label_wanted.emit)
        self.folder_action = menu.addAction(self.tr("Show folder"), self.folder_wanted.emit)
        menu.addSeparator()
        self.delete_action = menu.addAction(self.tr("Delete"), self.delete_wanted.emit)
        self.more.setMenu(menu)
        self.more.setPopupMode(self.more.ToolButtonPopupMode.InstantPopup)
        acts = held(row(self.resume, self.adapter, self.export, self.chat, self.watch, self.more, 1))
        head = row(Folding(self.title, acts, stretch=(1, 0), whole=True))
        self.message = MessageBar(closable=False)
        self._told: object = None
        self.relief = MemoryRelief()
        self.relief.unchanged_wanted.connect(self._go_on)
        self.relief.changes_wanted.connect(self.changes_wanted)
        self.view = RunView(feed)
        self.settings = SettingsTable()
        self._side = self.view.take_side()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(self.tr("Views of the run"))
        for widget, words in (
            (self.view, self.tr("Plot")),
            (self.settings, self.tr("Settings")),
            (self._side, self.tr("Answers and data")),
        ):
            page = QWidget()
            inside = QVBoxLayout(page)
            inside.setContentsMargins(0, GRID, 0, 0)
            inside.addWidget(widget)
            self.tabs.addTab(page, words)
        less = ScrollColumn(margin=0)
        less.body.addWidget(self.relief)
        less.body.addStretch(1)
        self.tabs.addTab(less, self.tr("Less memory"))
        self._less = self.tabs.indexOf(less)
        self._show_less(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 3 * GRID, GRID)
        layout.setSpacing(GRID)
        layout.addLayout(head)
        layout.addWidget(self.message)
        layout.addWidget(self.said)
        layout.addWidget(self.label)
        layout.addWidget(self.tabs, 1)

    def show_runs(self, summaries: Sequence[RunSummary], relief: Relief | None = None) -> None:
        """Show one run, or the comparison of several.

        Args:
            summaries: What was chosen, at least one.
            relief: What would need less memory, where the one run failed for want of it.
        """
        several = len(summaries) > 1
        summary = summaries[0]
        running = summary.state == "running"
        for widget in (self.chat, self.export):
            widget.setVisible(not several and summary.has_adapter and not running)
        self._show_other(None if several or running else summary)
        lost = not several and summary.state in ("failed", "interrupted", "unreadable")
        self._show_message(summary if lost else None, relief)
        self.resume.setVisible(not several and summary.can_resume and not lost)
        self.watch.setVisible(not several and running)
        self.delete_action.setEnabled(all(one.state != "running" for one in summaries))
        self.rename_action.setVisible(not several and summary.problem is None)
        self.label_action.setVisible(not several)
        self.folder_action.setVisible(not several)
        self.tabs.setTabVisible(2, not several)
        jobs = [one.job for one in summaries if one.problem is None]
        self.tabs.setTabVisible(1, bool(jobs))
        if jobs:
            self.settings.show_jobs(jobs)
        if several:
            self.title.set_text(self.tr("{count} runs compared").format(count=len(summaries)))
            self.said.setText("\n".join(f"{one.job.name}: {_said(one)}" for one in summaries if _said(one)))
        else:
            work = summary.job
            about = f": {wording.learns(work.model_name, work.dataset_name)}" if summary.problem is None else ""
            self.title.set_text(f"{work.name}{about}")
            self.said.setText("" if lost else self._story(summary))
        self.said.setVisible(bool(self.said.text()))
        self.label.setText("" if several else self._label(summary))
        self.label.setVisible(bool(self.label.text()))

    def _show_other(self, summary: RunSummary | None) -> None:
        """The button that has the run's other adapter used, where it has one."""
        known = summary is not None and summary.finished is not None
        self._other = adapter_choice.other(RunFolder(summary.folder)) if summary is not None and known else None
        self.adapter.setVisible(self._other is not None)
        if self._other is None or summary is None or summary.finished is None:
            return
        step = summary.finished.best_aside if self._other == "best" else summary.finished.steps
        self.adapter.setText(self.tr("Use step {step}").format(step=wording.number(step)))
        self.adapter.setToolTip(
            self.tr("Have chat and export use the adapter that was best on unseen examples; the last one is kept")
            if self._other == "best"
            else self.tr("Have chat and export use the adapter of the last step again; the best one is kept")
        )

    def _swap(self) -> None:
        if self._other is not None:
            self.adapter_wanted.emit(self._other)

    def _show_message(self, summary: RunSummary | None, relief: Relief | None) -> None:
        """Why a run ended before its time, and the button that goes on with it."""
        key = (summary.folder, summary.failed, summary.problem, summary.has_checkpoint) if summary is not None else None
        if key == self._told:
            return
        self._told = key
        saved = summary is not None and summary.has_checkpoint
        self.relief.show_relief(relief, saved)
        self._show_less(relief is not None)
        if summary is None:
            self.message.clear()
            return
        lost = summary.failed is not None and summary.failed.problem.code == NONE_WHOLE
        if summary.problem is not None:
            self.message.show_problem(summary.problem, [(self.tr("Delete the run"), self.delete_wanted.emit)])
            return
        words = self.tr("Go on from the last checkpoint") if saved and not lost else self.tr("Start it again")
        actions = [(words, self._start_over if lost else self._go_on)] if relief is None else []
        if summary.failed is not None:
            self.message.show_problem(agreeing(summary.failed.problem, saved), actions)
        else:
            fix = self.tr("It can go on from its last checkpoint.") if saved else ""
            what = self.tr("The run was interrupted: its trainer ended while no window was there to see why.")
            self.message.show_text("warning", what, fix=fix, actions=actions)

    def _show_less(self, has_any: bool) -> None:
        """The tab of what would need less memory: in front where there is something."""
        if has_any:
            self.tabs.setTabVisible(self._less, True)
            self.tabs.setCurrentIndex(self._less)
            return
        if self.tabs.currentIndex() == self._less:
            self.tabs.setCurrentIndex(0)
        self.tabs.setTabVisible(self._less, False)

    def _start_over(self) -> None:
        self._told = None
        self.start_over_wanted.emit()

    def _go_on(self) -> None:
        self._told = None  # the click closes the message: it is shown anew where the run cannot be taken up
        self.resume_wanted.emit()

    def _label(self, summary: RunSummary) -> str:
        """Tags and the note's first lines."""
        tags, note = summary.label.tags, summary.label.note
        parts = [self.tr("Tags: {tags}").format(tags=", ".join(tags))] if tags else []
        if note:
            lines = note.splitlines()
            shown = "\n".join(lines[:3])[:400]
            parts.append(shown if shown == note else f"{shown} …")
        return "\n".join(parts)

    def _story(self, summary: RunSummary) -> str:
        """How it went, or how it ended, in sentences."""
        if summary.finished is not None:
            ending = ending_words(summary.finished)
            if not summary.finished.adapter:
                return ending or self.tr("Nothing was kept of this run.")
            said = [judge(summary.finished.verdict).headline, *judge(summary.finished.verdict).sentences]
            return " ".join(filter(None, [*said, *self._about_best(summary.finished), ending]))
        return self.tr("The run goes on.")

    def _about_best(self, finished: events.Finished) -> list[str]:
        """Which of two adapters is used."""
        words = {
            "best": self.tr("It was better on unseen examples at step {step}: that adapter is kept, too."),
            "last": self.tr(
                "Used is the adapter of step {step}, the best on unseen examples; this was said of the last."
            ),
        }
        step = wording.number(finished.best_aside)
        return [words[self._other].format(step=step)] if self._other is not None else []


def _said(summary: RunSummary) -> str:
    if summary.finished is None or not summary.finished.adapter:
        return ""
    return judge(summary.finished.verdict).headline
