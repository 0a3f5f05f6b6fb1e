"""Home: what this is, one button to try it, a place to drop data, what was done last, what this computer can do."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from studio.contract import events
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder
from studio.data.run_history import RunSummary
from studio.supervisor.workplace import Workplace
from studio.ui import drop_routing, failures, wording
from studio.ui.data_import import file_filters
from studio.ui.pages.page import Page
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.drop_zone import DropZone
from studio.ui.widgets.labels import ElidedLabel, IconLabel, label
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.section import ScrollColumn, Section, clear_layout, column, row
from studio.ui.widgets.this_pc import ThisPc

MOST_RECENT = 5

STATE_LOOKS = {
    "running": ("play", "accent"),
    "done": ("check", "success"),
    "stopped": ("stop", "muted"),
    "discarded": ("trash", "muted"),
    "failed": ("error", "error"),
    "interrupted": ("warning", "warning"),
    "unreadable": ("warning", "warning"),
}


class HomePage(Page):
    """The first page of each start."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(workplace, parent)
        scroll = ScrollColumn(widest=1120)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        body = scroll.body
        self.interrupted = MessageBar()
        self._dismissed: set[str] = set()
        self.interrupted.dismissed.connect(self._on_banner_dismissed)
        body.addWidget(self.interrupted)
        body.addWidget(label(self.tr("Teach a model with your own examples."), "title", wrap=True))
        body.addWidget(label(self.tr("Nothing leaves this computer."), "muted"))
        body.addLayout(self._start_row())
        self.recent = Section(self.tr("Recent runs"))
        self._recent_rows = QVBoxLayout()
        self._recent_rows.setSpacing(4)
        self.recent.add(self._recent_rows)
        self.this_pc = ThisPc()
        lower = QHBoxLayout()
        lower.setSpacing(2 * GRID)
        lower.addWidget(self.recent, 1, Qt.AlignmentFlag.AlignTop)
        lower.addWidget(self.this_pc, 1, Qt.AlignmentFlag.AlignTop)
        body.addLayout(lower)
        body.addStretch(1)
        workplace.runs_changed.connect(self._on_runs_changed)
        workplace.run_started.connect(self._show_start_state)
        workplace.run_ended.connect(self._show_start_state)
        workplace.import_ended.connect(self._on_import_ended)
        workplace.device_reported.connect(self.this_pc.show_report)
        if workplace.device is not None:
            self.this_pc.show_report(workplace.device)

    def _start_row(self) -> QHBoxLayout:
        self.try_button = buttons.big(self.tr("Try it now – 1 to 2 minutes"), self.try_now, "play")
        self.try_hint = label(
            self.tr("Trains the built-in starter model on sample data while you watch, then lets you chat with it."),
            "muted",
            wrap=True,
        )
        card = Section()
        card.add(self.try_button)
        card.add(self.try_hint)
        self.drop_zone = DropZone(
            self.tr("Drop your own examples here (CSV, Excel, JSON, Parquet, text, a ZIP or a folder), or"),
            file_filters(),
            several=True,
        )
        self.drop_zone.paths_chosen.connect(self._on_paths_chosen)
        self.drop_zone.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        row = QHBoxLayout()
        row.setSpacing(2 * GRID)
        row.addWidget(card, 1)
        row.addWidget(self.drop_zone, 1)
        return row

    # --- what the user does -----------------------------------------------------------------------------

    def try_now(self) -> None:
        """Start the sample run and show it."""
        if self.workplace.active is not None:
            self.page_wanted.emit("train")
            return
        self.try_button.setEnabled(False)
        self.try_button.setText(self.tr("Preparing the sample…"))
        try:
            self.workplace.start_sample()
        except (StudioError, OSError) as error:  # the home may have become read-only, or the disk full
            self._show_start_state()
            self.workplace.problem_raised.emit(failures.problem_of(error))
            return
        self.page_wanted.emit("train")

    def start(self) -> bool:
        """Ctrl+Enter: try it now."""
        if self.workplace.active is None and self.try_button.isEnabled():
            self.try_now()
            return True
        return False

    def escape(self) -> bool:
        """Esc closes the banner."""
        if self.interrupted.isHidden():
            return False
        self.interrupted.dismiss()
        return True

    def panes(self) -> list[QWidget]:
        """The start, recent runs, this computer."""
        return [self.try_button, self.recent, self.this_pc]

    def _on_paths_chosen(self, paths: list[Path]) -> None:
        found = drop_routing.route_all(paths)
        if found.kind == "none":
            self.interrupted.show_text("warning", found.sentence)
        else:
            self.route_wanted.emit(found)

    # --- what is shown ----------------------------------------------------------------------------------

    def on_shown(self) -> None:
        """Runs may have changed meanwhile."""
        self._show_runs()
        self._show_start_state()

    def _on_runs_changed(self) -> None:
        if self.isVisible():
            self._show_runs()

    def _on_import_ended(self, event: object) -> None:
        self._show_start_state()
        if isinstance(event, events.Failed) and self.isVisible():
            self.workplace.problem_raised.emit(event.problem)

    def _show_start_state(self, *_: object) -> None:
        running = self.workplace.active is not None
        self.try_button.setEnabled(True)
        self.try_button.setText(
            self.tr("Watch the run that is going on") if running else self.tr("Try it now – 1 to 2 minutes")
        )
        self.try_hint.setVisible(not running)

    def _show_runs(self) -> None:
        runs = self.workplace.runs()
        self._show_interrupted(runs)
        clear_layout(self._recent_rows)
        if not runs:
            self._recent_rows.addWidget(label(self.tr("None yet: your runs will be listed here."), "muted", wrap=True))
        for summary in runs[:MOST_RECENT]:
            self._recent_rows.addWidget(RecentRun(summary, partial(self._open_run, summary)))
        if len(runs) > MOST_RECENT:
            more = buttons.flat(self.tr("All {count} runs").format(count=len(runs)))
            more.clicked.connect(lambda: self.page_wanted.emit("runs"))
            self._recent_rows.addWidget(more, 0, Qt.AlignmentFlag.AlignLeft)

    def _show_interrupted(self, runs: list[RunSummary]) -> None:
        waiting = [run for run in runs if run.state == "interrupted" and run.id not in self._dismissed]
        if not waiting or self.workplace.active is not None:
            self.interrupted.clear()
            return
        run = waiting[0]
        share = run.steps / run.total_steps if run.total_steps else 0.0
        self.interrupted.setProperty("run", run.id)
        self.interrupted.show_text(
            "warning",
            self.tr("{name} was interrupted at {share}.").format(name=run.job.name, share=wording.percent(share)),
            self.tr("Its trainer ended without finishing, for instance because the computer was switched off."),
            actions=[
                (self.tr("Resume"), partial(self._resume, run)),
                (self.tr("Show"), partial(self._open_run, run)),
            ],
        )

    def _on_banner_dismissed(self) -> None:
        self._dismissed.add(str(self.interrupted.property("run")))

    def _resume(self, summary: RunSummary) -> None:
        try:
            self.workplace.resume_run(RunFolder(summary.folder))
        except (StudioError, OSError) as error:
            self.workplace.problem_raised.emit(failures.problem_of(error))
            return
        self.page_wanted.emit("train")

    def _open_run(self, summary: RunSummary) -> None:
        if summary.state == "running":
            self.page_wanted.emit("train")
        else:
            self.run_wanted.emit(RunFolder(summary.folder))


class RecentRun(QWidget):
    """State, name and when; what it was; why, where it failed: a line each. The name opens the run."""

    def __init__(self, summary: RunSummary, on_open: object) -> None:
        super().__init__()
        self.open_button = QToolButton()
        self.open_button.setProperty("role", "link")
        self.open_button.setText(summary.job.name)
        words = {
            "running": self.tr("Running"),
            "done": self.tr("Done"),
            "stopped": self.tr("Stopped"),
            "discarded": self.tr("Thrown away"),
            "failed": self.tr("Failed"),
            "interrupted": self.tr("Interrupted"),
            "unreadable": self.tr("Cannot be read"),
        }[summary.state]
        self.open_button.setAccessibleName(self.tr("Open {name}: {state}").format(name=summary.job.name, state=words))
        if callable(on_open):
            self.open_button.clicked.connect(lambda: on_open())
        icon, token = STATE_LOOKS[summary.state]
        state = label(words, token if token != "accent" else "")
        what, why = wording.learns(summary.job.model_name, summary.job.dataset_name), ""
        if summary.problem is not None:
            what, why = "", wording.told(summary.problem.why)
        elif summary.failed is not None and summary.state == "failed":
            why = wording.told(summary.failed.problem.what)
        self.what, self.why = ElidedLabel(what, "muted"), label(why, "muted", wrap=True)
        self.what.setVisible(bool(what))
        self.why.setVisible(bool(why))
        when = label(wording.moment(summary.started), "muted")
        head = row(IconLabel(icon, token, 16), self.open_button, state, 1, when)
        outer = column(head, self.what, self.why, spacing=0)
        outer.setContentsMargins(0, 0, 0, 0)
        self.setLayout(outer)
