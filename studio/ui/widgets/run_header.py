"""The head of a live run: what happens now, how far it is, how long it takes, and what went wrong."""

import time

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from studio.contract import events, job
from studio.contract.errors import Problem, agreeing
from studio.contract.relief import Relief
from studio.contract.taking_up import NONE_WHOLE
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import ElidedLabel, IconLabel, label, plain_tip
from studio.ui.widgets.memory_relief import MemoryRelief
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.run_progress import RunProgress
from studio.ui.widgets.section import Folding, held, row

FORCE_AFTER_SECONDS = 15

LOOKS = {
    "preparing": ("clock", "accent"),
    "running": ("play", "accent"),
    "pausing": ("pause", "warning"),
    "paused": ("pause", "warning"),
    "stopping": ("stop", "warning"),
    "done": ("check", "success"),
    "stopped": ("stop", "muted"),
    "discarded": ("trash", "muted"),
    "failed": ("error", "error"),
    "interrupted": ("warning", "warning"),
    "unreadable": ("warning", "warning"),
}
"""Icon and colour of each state."""


class RunHeader(QWidget):
    """State word, progress bar and figures; problems with a button below.

    Attributes:
        resume_wanted: Go on after a pause. resume_run_wanted: go on after a failure, from the last checkpoint.
        stop_wanted: End a paused run, saving what it learned.
        relief: What would need less memory, after it ran out; the page fills it.
        force_wanted: End the worker at once.
    """

    resume_wanted = Signal()
    resume_run_wanted = Signal()
    start_over_wanted = Signal()
    new_run_wanted = Signal()
    stop_wanted = Signal()
    force_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._progress = RunProgress()
        self._job: job.TrainJob | None = None
        self._stopping_since = 0.0
        self._said: object = None
        self._icon = IconLabel("clock", "accent")
        self.state = label("", "strong")
        self.what = ElidedLabel(role="muted")
        self.figures = label("")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Progress of the run"))
        self.message = MessageBar(closable=False)
        self.relief = MemoryRelief()
        self.relief.unchanged_wanted.connect(self.resume_run_wanted)
        self.relief.ways.insertWidget(2, buttons.flat(self.tr("New run"), self.new_run_wanted.emit))
        self.notices = MessageBar()
        self.notices.dismissed.connect(self._on_notice_dismissed)
        self._dismissed = 0
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(GRID)
        self.next = buttons.flat(self.tr("Set up the next run"), self.new_run_wanted.emit)
        self.next.setToolTip(plain_tip(self.tr("It waits in line and starts when this one has ended.")))
        about = row(self._icon, self.state, self.what)
        about.setStretch(2, 1)
        rest = held(row(self.figures, self.next, 1))
        outer.addWidget(Folding(held(about), rest, stretch=(1, 0), whole=True))
        outer.addWidget(self.bar)
        outer.addWidget(self.message)
        outer.addWidget(self.relief)
        outer.addWidget(self.notices)
        self._second = QTimer(self)
        self._second.setInterval(1000)
        self._second.timeout.connect(self._show_state)

    def begin(self, work: job.TrainJob | None) -> None:
        """Another run is shown."""
        self._job = work
        self._said = None
        self._dismissed = 0
        self.message.clear()
        self.relief.hide()
        self.notices.clear()
        self.what.set_text(f"{work.name}: {wording.learns(work.model_name, work.dataset_name)}" if work else "")

    def show_progress(self, progress: RunProgress) -> None:
        """Show where the run stands. Called at most four times a second."""
        if progress.state == "stopping" and self._progress.state != "stopping":
            self._stopping_since = time.monotonic()
        self._progress = progress
        stopping = progress.state == "stopping"
        if stopping and not self._second.isActive():
            self._second.start()
        elif not stopping:
            self._second.stop()
            self._stopping_since = 0.0
        self._show_state()
        self._show_bar()
        self._show_message()
        self._show_notices()

    def show_relief(self, relief: Relief | None, has_checkpoint: bool) -> None:
        """Show what would need less memory, or nothing; its buttons then stand for those of the message."""
        self.relief.show_relief(relief, has_checkpoint)
        self._said = None
        self._show_message()

    # --- words --------------------------------------------------------------------------------------------

    def _show_state(self) -> None:
        progress = self._progress
        if progress.state == "stopping" and not self._stopping_since:
            self._stopping_since = time.monotonic()
        silent = progress.silent_seconds > 0 and not progress.ended
        self._icon.set_icon(*(("warning", "warning") if silent else LOOKS[progress.state]))
        self.state.setText(self.tr("Not answering") if silent else self._words())
        self.figures.setText(self._figures())
        if progress.state == "stopping":
            self._show_message()

    def _words(self) -> str:
        progress = self._progress
        step = wording.number(progress.step.step if progress.step else 0)
        match progress.state:
            case "preparing" | "running" if progress.stage is not None:
                return _stage(progress.stage)
            case "preparing":
                return self.tr("Starting the trainer…")
            case "running":
                return self.tr("Learning")
            case "pausing":
                return self.tr("Pausing: finishing this step…")
            case "paused":
                return self.tr("Paused at step {step}").format(step=step)
            case "stopping":
                waited = int(time.monotonic() - self._stopping_since) if self._stopping_since else 0
                words = (
                    self.tr("Stopping: finishing this step and saving… {seconds} s")
                    if progress.stop_saves
                    else self.tr("Stopping: finishing this step… {seconds} s")
                )
                return words.format(seconds=waited)
            case "done":
                return self.tr("Done")
            case "stopped":
                return self.tr("Stopped")
            case "discarded":
                return self.tr("Thrown away")
        return self.tr("Failed")

    def _figures(self) -> str:
        progress = self._progress
        step = progress.step
        if step is None or progress.state == "preparing":
            return ""
        parts = [
            self.tr("step {step} of {total}").format(
                step=wording.number(step.step), total=wording.number(step.total_steps)
            ),
            self.tr("pass {epoch}").format(epoch=wording.number(step.epoch, 1)),
        ]
        if progress.state == "running" and step.eta_seconds is not None and progress.stage is None:
            parts.append(wording.time_left(step.eta_seconds))
        elif progress.state == "running" and progress.stage is None:
            parts.append(self.tr("time left: after a few steps"))
        return " · ".join(parts)

    def _show_bar(self) -> None:
        progress = self._progress
        self.bar.setVisible(not progress.ended)
        self.next.setVisible(not progress.ended)
        stage = progress.stage
        if stage is not None and progress.state in ("preparing", "running"):
            self.bar.setRange(0, 1000 if stage.total else 0)
            if stage.total:
                self.bar.setValue(round(1000 * stage.done / stage.total))
            return
        unknown = progress.state == "preparing" and progress.step is None
        self.bar.setRange(0, 0 if unknown else 1000)
        if not unknown:
            self.bar.setValue(round(1000 * progress.share))

    # --- problems -----------------------------------------------------------------------------------------

    def _show_message(self) -> None:
        progress = self._progress
        key = self._message_key()
        if key == self._said:
            return
        self._said = key
        if progress.failed is not None:
            problem = agreeing(progress.failed.problem, progress.saved is not None)
            actions = [(self.tr("New run"), self.new_run_wanted.emit)]
            if not self.relief.isHidden():
                actions = []  # the card below has them all
            elif problem.code == NONE_WHOLE:
                actions.insert(0, (self.tr("Start it again"), self.start_over_wanted.emit))
            elif progress.saved is not None:
                actions.insert(0, (self.tr("Go on from the last checkpoint"), self.resume_run_wanted.emit))
            elif progress.step is not None or is_passing(problem):
                actions.insert(0, (self.tr("Start it again"), self.resume_run_wanted.emit))
            self.message.show_problem(problem, actions)
        elif progress.state == "paused" and progress.paused_by is not None:
            actions = [(self.tr("Resume"), self.resume_wanted.emit), (self.tr("Stop and save"), self.stop_wanted.emit)]
            self.message.show_problem(progress.paused_by, actions, "warning")
        elif progress.silent_seconds:
            self.message.show_text(
                "warning",
                self.tr("The trainer has not answered for about a minute."),
                self.tr("A very long step or a computer short of memory can be the reason."),
                self.tr("Wait, or end it: what it saved last is kept."),
                [(self.tr("End the trainer"), self.force_wanted.emit)],
            )
        elif key == ("force",):
            self.message.show_text(
                "warning",
                self.tr("Stopping takes long."),
                fix=self.tr("Wait, or end it at once: what it saved last is kept, the steps since then are lost."),
                actions=[(self.tr("End at once"), self.force_wanted.emit)],
            )
        else:
            self.message.clear()

    def _message_key(self) -> object:
        """What the message would be about; a new one is shown when this changes."""
        progress = self._progress
        if progress.failed is not None:
            return progress.failed
        if progress.state == "paused":
            return progress.paused_by
        if progress.silent_seconds:
            return ("silent",)
        late = self._stopping_since and time.monotonic() - self._stopping_since >= FORCE_AFTER_SECONDS
        return ("force",) if progress.state == "stopping" and late else None

    def _show_notices(self) -> None:
        """The newest notice that was not closed; how many more there are."""
        notices = self._progress.notices
        if len(notices) <= self._dismissed or self._progress.failed is not None:
            self.notices.clear()
        elif self.notices.problem is not notices[-1]:
            self.notices.show_problem(notices[-1], kind="warning")

    def _on_notice_dismissed(self) -> None:
        self._dismissed = len(self._progress.notices)


def is_passing(problem: Problem) -> bool:
    """Whether the same job may well succeed if it is tried again: nothing is wrong with what was asked for."""
    return problem.code.startswith(("memory.", "worker.", "gpu.", "disk."))


def _stage(stage: events.Progress) -> str:
    words = stage.stage
    if not stage.total:
        return f"{words}…"
    if stage.unit == "bytes":
        return f"{words}: {wording.size(stage.done)} / {wording.size(stage.total)}"
    return f"{words}: {wording.number(stage.done)} / {wording.number(stage.total)}"
