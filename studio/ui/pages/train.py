"""Train: what is trained on what and how; then the run itself, live; then how it went."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from studio.contract import events
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder
from studio.data import starting_over
from studio.data.run_history import has_checkpoint, living_worker, summarise
from studio.supervisor import relief_of_run
from studio.supervisor.workplace import Workplace
from studio.ui import failures
from studio.ui.pages.page import Page
from studio.ui.pages.train_before import BeforeRun
from studio.ui.theme import GRID
from studio.ui.widgets.empty import EmptyState
from studio.ui.widgets.failure_card import FailureCard
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.run_feed import RunFeed
from studio.ui.widgets.run_header import RunHeader
from studio.ui.widgets.run_progress import RunProgress
from studio.ui.widgets.run_view import RunView
from studio.ui.widgets.verdict import VerdictCard

_WARM_UP_MS = 1500
"""The plot is brought in a while after the page was made, before anyone needs it."""


class TrainPage(Page):
    """Before, during and after a run."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(workplace, parent)
        self.before: BeforeRun | None = None
        self.feed = RunFeed(self)
        self._relieved: events.Failed | None = None
        self._draft: dict[str, Any] = {}  # for the setup, until it is made
        self._build()
        self._connect()
        if workplace.active is not None:
            self._on_run_started(workplace.active.folder)
        else:
            self._show_right_view()
        warm_up = QTimer(self)
        warm_up.setSingleShot(True)
        warm_up.timeout.connect(self.view.load_plot)
        warm_up.start(_WARM_UP_MS)

    def _build(self) -> None:
        self.empty = EmptyState(
            self.tr("There is nothing to learn from yet."),
            self.tr("Add your examples"),
            self.tr("A table of questions and answers is enough."),
            "train",
            self.tr("Try it with the sample"),
        )
        self.header = RunHeader()
        self.verdict = VerdictCard()
        self.verdict.hide()
        self.saving = MessageBar()
        self.view = RunView(self.feed)
        self.live = QWidget()
        column = QVBoxLayout(self.live)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, GRID)
        column.setSpacing(GRID + 4)
        for widget in (self.header, self.verdict, self.saving):
            column.addWidget(widget)
        column.addWidget(self.view, 1)
        self.stack = QStackedWidget()
        for view in (self.empty, self.live):
            self.stack.addWidget(view)
        self.earlier = FailureCard()
        self._above = QVBoxLayout()
        self._above.setContentsMargins(0, 0, 0, 0)
        self._above.addWidget(self.earlier)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addLayout(self._above)
        outer.addWidget(self.stack, 1)

    def _connect(self) -> None:
        workplace = self.workplace
        self.empty.action_wanted.connect(lambda: self.page_wanted.emit("data"))
        self.empty.link_wanted.connect(self._try_sample)
        self.header.resume_wanted.connect(workplace.resume)
        self.header.resume_run_wanted.connect(lambda: self._resume_run())
        self.header.start_over_wanted.connect(self._start_over)
        self.header.new_run_wanted.connect(self.new_run)
        self.header.relief.changes_wanted.connect(self._take_changes)
        self.header.stop_wanted.connect(workplace.stop)
        self.header.force_wanted.connect(workplace.force_stop)
        self.earlier.resume_wanted.connect(self._resume_run)
        self.earlier.run_wanted.connect(self.run_wanted)
        self.earlier.dismissed.connect(lambda: workplace.failed_runs.drop(*self.earlier.folders()))
        workplace.failed_runs.changed.connect(self._show_earlier)
        self.verdict.compare_wanted.connect(self._compare)
        self.verdict.export_wanted.connect(self._export)
        self.verdict.new_run_wanted.connect(self.new_run)
        self.view.told.connect(workplace.told)
        self.view.failed_to_save.connect(lambda words: self.saving.show_text("error", words))
        self.feed.changed.connect(self._show_progress)
        workplace.next_run_wanted.connect(self._on_next_run_wanted)
        workplace.dataset_chosen.connect(self._show_right_view)
        workplace.datasets_changed.connect(self._show_right_view)
        workplace.import_progressed.connect(self._on_import_progressed)
        workplace.import_ended.connect(self._on_import_ended)
        workplace.run_started.connect(self._on_run_started)
        workplace.run_event.connect(self._on_run_event)
        workplace.run_silent.connect(self._on_run_silent)
        workplace.run_ended.connect(self._on_run_ended)
        workplace.runs_changed.connect(self._on_runs_changed)

    # --- what the window asks -----------------------------------------------------------------------------

    def on_shown(self) -> None:
        """What there is to see may be something else by now."""
        self._show_right_view()

    def form(self) -> dict[str, Any]:
        """What the next run would be."""
        return self.before.form() if self.before is not None else self._draft

    def fill(self, values: dict[str, Any]) -> None:
        """Set the next run up as it was."""
        self._draft = values
        if self.before is not None:
            self.before.fill(values)

    def start(self) -> bool:
        """Ctrl+Enter: start, or compare once a run is done."""
        if self.before is not None and self.stack.currentWidget() is self.before:
            self.before.start()
            return True
        if self.stack.currentWidget() is self.live and self.verdict.isVisible() and self.verdict.compare.isVisible():
            self._compare()
            return True
        return False

    def open_search(self) -> bool:
        """Ctrl+F: search the settings."""
        if self.before is None or self.stack.currentWidget() is not self.before:
            return False
        self.before.focus_search()
        return True

    def escape(self) -> bool:
        """Esc: empty the search, close a message."""
        if self.before is not None and self.stack.currentWidget() is self.before:
            return self.before.escape()
        for bar in (self.saving, self.header.notices, self.earlier):
            if bar.isVisible():
                bar.dismiss()
                return True
        return False

    def panes(self) -> list[QWidget]:
        """Where F6 goes: choices, settings, start; or plot and sample answer."""
        if self.before is not None and self.stack.currentWidget() is self.before:
            return self.before.panes()
        if self.stack.currentWidget() is self.live:
            plot = [self.view.plot.main] if self.view.plot is not None else []
            return [*plot, self.view.answers.earlier]
        return [self.empty.action]

    def hideEvent(self, event: QHideEvent) -> None:
        """A message about a picture is old news when one comes back."""
        super().hideEvent(event)
        self.saving.clear()

    # --- the run ------------------------------------------------------------------------------------------

    def _try_sample(self) -> None:
        try:
            self.workplace.start_sample()
        except (StudioError, OSError) as error:
            self.workplace.problem_raised.emit(failures.problem_of(error))
        self._show_right_view()

    def _show_right_view(self, *_: object) -> None:
        """The run while there is one to see; else the setup, or the empty page."""
        waiting = self.workplace.run_waiting
        if self.feed.folder is not None or waiting is not None:
            if waiting is not None and self.workplace.active is None:
                self.feed.end()
                self.header.begin(waiting)
                self.verdict.hide()
                self.header.show()
            self.view.load_plot()
            self.stack.setCurrentWidget(self.live)
        elif self.workplace.dataset is None and not self.workplace.datasets():
            self.stack.setCurrentWidget(self.empty)
        else:
            if self.before is None:
                self.before = BeforeRun(self.workplace, self.stack)
                self.before.page_wanted.connect(self.page_wanted)
                self.before.watch_wanted.connect(self.watch)
                self.before.fill(self._draft)
                self.stack.addWidget(self.before)
            self.stack.setCurrentWidget(self.before)
        self._show_earlier()

    def _show_earlier(self) -> None:
        """What failed and is not told below anyway."""
        seen = self.feed.folder if self.stack.currentWidget() is self.live else None
        self.earlier.show_failures(self.workplace.failed_runs.newest_first(without=seen))
        side, top = (0, 0) if self.earlier.isHidden() else (3 * GRID, 2 * GRID)
        self._above.setContentsMargins(side, top, side, 0)

    def new_run(self) -> None:
        """Back to the setup; a run that goes on is not touched, one that failed was seen."""
        if self.feed.folder is not None:
            self.workplace.failed_runs.drop(self.feed.folder)
        self.feed.end()
        self._show_right_view()

    def _on_next_run_wanted(self) -> None:
        """An ended run gives way to the setup where other data or another model was chosen for the next one."""
        folder, data, model = self.feed.folder, self.workplace.dataset, self.workplace.model
        active = self.workplace.active
        if folder is None or living_worker(folder) is not None or (active is not None and active.folder == folder):
            return
        run = summarise(folder)
        if run is None or data is None:
            return
        if run.job.dataset != data.folder or (model is not None and run.job.model != model.path):
            self.feed.end()  # a failure that nobody has seen is told above the setup
            self._show_right_view()

    def watch(self) -> None:
        """Show the run that goes on, if there is one."""
        active = self.workplace.active
        if active is not None and self.feed.folder != active.folder:
            self._begin(active.folder)
        self._show_right_view()

    def shows(self, folder: RunFolder) -> bool:
        """Whether this is the run that is seen here."""
        return self.feed.folder == folder

    def _on_import_progressed(self, event: object) -> None:
        if self.workplace.run_waiting is not None and isinstance(event, events.Progress):
            self.header.show_progress(RunProgress(stage=event))

    def _on_import_ended(self, event: object) -> None:
        if isinstance(event, events.Failed):
            self._show_right_view()

    def _on_run_started(self, folder: RunFolder) -> None:
        writing = self.before is not None and self.before.isVisible()
        if not (self.workplace.by_queue and writing):  # who sets up the next run is not torn out of it
            self._begin(folder)

    def _begin(self, folder: RunFolder) -> None:
        work = self.workplace.active_job
        self.header.begin(work)
        self.saving.clear()
        name = work.name if work is not None else folder.id
        self.feed.begin(folder, name, starting=living_worker(folder) is None)
        self._show_right_view()

    def _on_run_event(self, event: object) -> None:
        if self._is_active_shown():
            self.feed.feed(event)

    def _on_run_silent(self, seconds: int) -> None:
        if self._is_active_shown():
            self.feed.silence(seconds)

    def _is_active_shown(self) -> bool:
        """Not while the next run is set up, or an earlier one is looked at."""
        active = self.workplace.active
        return self.feed.folder is not None and (active is None or active.folder == self.feed.folder)

    def _on_run_ended(self, folder: RunFolder) -> None:
        if folder == self.feed.folder and not self.feed.progress.ended and not self.feed.replaying:
            self.feed.begin(folder, self.feed.name)  # its files know how it ended

    def _on_runs_changed(self) -> None:
        """A run that was deleted is not shown any more."""
        folder = self.feed.folder
        if folder is not None and self.workplace.active is None and not folder.path.exists():
            self.new_run()

    def _show_progress(self) -> None:
        progress = self.feed.progress
        self.header.show_progress(progress)
        finished = progress.finished
        self.header.setVisible(finished is None)
        self._show_relief()
        if finished is not None and self.verdict.isHidden():
            self.verdict.show_end(finished)
        self.verdict.setVisible(finished is not None)

    def _show_relief(self) -> None:
        """Where the memory ran out: what would need less."""
        folder, failed = self.feed.folder, self.feed.progress.failed
        if failed is self._relieved:
            return
        self._relieved = failed
        found = relief_of_run.relief_of(folder, self.workplace.device) if folder is not None and failed else None
        self.header.show_relief(found, folder is not None and has_checkpoint(folder))

    def _take_changes(self, changes: object) -> None:
        folder = self.feed.folder
        if folder is None or not isinstance(changes, tuple):
            return
        try:
            relief_of_run.take(folder, changes)
        except StudioError as error:
            self.workplace.problem_raised.emit(error.problem)
            return
        self._resume_run()

    def _compare(self) -> None:
        if self.feed.folder is not None:
            self.workplace.open_chat(self.feed.folder)

    def _export(self) -> None:
        if self.feed.folder is not None:
            self.workplace.choose_export(self.feed.folder)
            self.page_wanted.emit("export")

    def _resume_run(self, folder: RunFolder | None = None) -> None:
        """Go on with a run, the one that is shown if none is named; it waits in line while another goes on."""
        self._take_up(self.workplace.resume_run, folder)

    def _start_over(self) -> None:
        def anew(folder: RunFolder) -> None:
            starting_over.start_over(folder)
            self.workplace.resume_run(folder)

        self._take_up(anew)

    def _take_up(self, act: Callable[[RunFolder], None], folder: RunFolder | None = None) -> None:
        folder = folder or self.feed.folder
        if folder is None:
            return
        try:
            act(folder)
            self.workplace.failed_runs.drop(folder)
        except (StudioError, OSError) as error:
            self.workplace.problem_raised.emit(failures.problem_of(error))
