"""The bar at the lower edge of every page: what the active run does, and pause, resume and stop."""

import time

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QProgressBar, QToolButton, QWidget

from studio.contract import events
from studio.contract.run_folder import RunFolder
from studio.supervisor.workplace import Workplace
from studio.ui import icons, wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import ElidedLabel, IconLabel, label, plain_tip
from studio.ui.widgets.labels import set_role as set_property
from studio.ui.widgets.verdict_words import ending_words

FORCE_AFTER_SECONDS = 15
_REDRAW_MS = 200  # steps may come far faster than anyone reads


class RunBar(QFrame):
    """Shows the workplace's active run.

    Attributes:
        opened: The bar was clicked; the window shows the Train page.
        state: idle, preparing, running, pausing, paused, stopping or silent; then done, stopped, discarded, failed.
    """

    opened = Signal()
    state_changed = Signal(str)

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workplace = workplace
        self.state = "idle"
        self._silent = False
        self._name = ""
        self._folder: RunFolder | None = None
        self._step: events.Step | None = None
        self._finished: events.Finished | None = None
        self._started: events.Started | None = None
        self._problem = ""
        self._stop_asked_at = 0.0
        self.setProperty("role", "bar")
        self.setAccessibleName(self.tr("Run bar"))
        self._build()
        self._redraw = QTimer(self)
        self._redraw.setSingleShot(True)
        self._redraw.setInterval(_REDRAW_MS)
        self._redraw.timeout.connect(self._show_figures)
        self._countdown = QTimer(self)
        self._countdown.setInterval(1000)
        self._countdown.timeout.connect(self._show_stopping)
        workplace.run_started.connect(self._on_run_started)
        workplace.run_event.connect(self._on_run_event)
        workplace.run_silent.connect(self._on_run_silent)
        workplace.run_ended.connect(self._on_run_ended)
        workplace.failed_runs.changed.connect(self._show_failures)
        workplace.runs_changed.connect(self._on_runs_changed)
        self._set_state("idle")
        if workplace.active is not None:
            self._on_run_started(workplace.active.folder)

    # --- layout -----------------------------------------------------------------------------------------

    def _build(self) -> None:
        self._icon = IconLabel("runs", "muted", 16)
        self._open = QToolButton()
        self._open.setProperty("role", "link")
        self._open.setToolTip(plain_tip(self.tr("Show this run on the Train page")))
        self._open.clicked.connect(self.opened)
        self._failed_icon = IconLabel("error", "error", 16)
        self._failed = QToolButton()
        self._failed.setProperty("role", "link")
        self._failed.setToolTip(plain_tip(self.tr("Show on the Train page why")))
        self._failed.clicked.connect(self.opened)
        self._text = ElidedLabel(role="muted")
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setMinimumWidth(96)
        self._bar.setMaximumWidth(240)
        self._bar.setAccessibleName(self.tr("Progress of the run"))
        self._percent, self._loss, self._memory = label(), label("", "muted"), label("", "muted")
        self._left = label("", "muted")
        self._pause = buttons.secondary(self.tr("Pause"), self.toggle_pause, "pause")
        self._stop = buttons.secondary(self.tr("Stop"), None, "stop")
        self._force = buttons.danger(self.tr("Force stop"), self._workplace.force_stop)
        self._force.setToolTip(
            plain_tip(self.tr("Ends the trainer at once. What it saved last is kept, the steps since then are lost."))
        )
        for button in (self._pause, self._stop, self._force):
            set_property(button, "true", "compact")
            icons.fit(button, 14)
        set_property(self._stop, "true", "menu")
        self._stop.setMenu(self._stop_menu())
        outer = QHBoxLayout(self)
        outer.setContentsMargins(2 * GRID, 2, GRID, 2)
        outer.setSpacing(GRID + 4)
        outer.addWidget(self._icon)
        outer.addWidget(self._open)
        outer.addWidget(self._bar, 2)
        outer.addWidget(self._percent)
        outer.addWidget(self._text, 3)
        last = (self._left, self._loss, self._memory, self._failed_icon, self._failed)
        for widget in (*last, self._pause, self._stop, self._force):
            outer.addWidget(widget)
        self._fit_height()

    def _stop_menu(self) -> QMenu:
        menu = QMenu(self._stop)
        self.save_action = menu.addAction(icons.icon("save"), self.tr("Stop and save"))
        self.save_action.triggered.connect(lambda: self.stop(save=True))
        self.discard_action = menu.addAction(icons.icon("trash"), self.tr("Stop and discard"))
        self.discard_action.triggered.connect(lambda: self.stop(save=False))
        menu.addSeparator()
        menu.addAction(self.tr("Continue training"))  # closes the menu, and that is all it should do
        return menu

    def _fit_height(self) -> None:
        self.setMinimumHeight(max(28, self.fontMetrics().height() + 14))

    def changeEvent(self, event: QEvent) -> None:
        """Larger text needs a higher bar."""
        if event.type() == QEvent.Type.FontChange:
            self._fit_height()
        super().changeEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click anywhere opens the run."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.opened.emit()

    # --- what the user can do ---------------------------------------------------------------------------

    @property
    def can_pause(self) -> bool:
        """Pause or resume would do something now."""
        return self.state in ("running", "paused")

    @property
    def can_stop(self) -> bool:
        """Stop would do something now."""
        return self.state in ("preparing", "running", "pausing", "paused")

    def toggle_pause(self) -> None:
        """Pause a running run, go on with a paused one."""
        if self.state == "paused":
            self._workplace.resume()
        elif self.state == "running":
            self._workplace.pause()
            self._set_state("pausing")

    def stop(self, save: bool) -> None:
        """End the run after its step."""
        if self.can_stop:
            self._workplace.stop(save=save)
            self._begin_stopping()

    def ask_stop(self) -> None:
        """Open the menu of the ways to stop."""
        if self.can_stop:
            self._stop.setFocus(Qt.FocusReason.ShortcutFocusReason)
            self._stop.showMenu()

    def text(self) -> str:
        """All words of the bar, as a person reads them."""
        parts: list[QToolButton | QLabel | ElidedLabel]
        parts = [self._open, self._percent, self._text, self._left, self._loss, self._memory, self._failed]
        return " · ".join(part.text() for part in parts if not part.isHidden() and part.text())

    # --- what the run says ------------------------------------------------------------------------------

    def _on_run_started(self, folder: RunFolder) -> None:
        work = self._workplace.active_job
        self._folder, self._name = folder, work.name if work is not None else folder.id
        self._step = self._started = None
        self._problem = ""
        self._silent = False
        self._set_state("preparing")
        self._text.set_text(self.tr("Starting the trainer…"))

    def _on_run_event(self, event: object) -> None:
        if self._silent:
            self._silent = False
            self._show_state()
        match event:
            case events.Progress():
                self._show_progress(event)
            case events.Started():
                self._started = event
                if self.state == "preparing":
                    self._set_state("running")
            case events.Step():
                self._step = event
                if self.state == "preparing":
                    self._set_state("running")
                if not self._redraw.isActive():
                    self._redraw.start()
            case events.Pausing():
                self._set_state("pausing")
            case events.Paused():
                self._problem = wording.told(event.problem.what) if event.problem is not None else ""
                self._set_state("paused")
            case events.Resumed():
                self._set_state("running")
            case events.Stopping():
                self._begin_stopping()
            case events.Finished():
                self._finished = event
                self._set_state({"stopped": "stopped", "discarded": "discarded"}.get(event.reason, "done"))
            case events.Failed():
                self._problem = wording.told(event.problem.what)
                self._set_state("failed")

    def _on_run_silent(self, seconds: int) -> None:
        self._silent = True
        self._icon.set_icon("warning", "warning")
        self._text.set_role("warning")
        self._text.set_text(self.tr("The trainer has not answered for {time}.").format(time=wording.duration(seconds)))
        self._force.show()

    def _on_run_ended(self, folder: RunFolder) -> None:
        if self.state in ("preparing", "running", "pausing", "paused", "stopping"):
            self._set_state("idle")  # let go without a final event

    def _on_runs_changed(self) -> None:
        """A run that was deleted is not told of any more."""
        if self._folder is not None and self._workplace.active is None and not self._folder.path.exists():
            self._folder, self._name = None, ""
            self._set_state("idle")

    # --- showing ----------------------------------------------------------------------------------------

    def _begin_stopping(self) -> None:
        if self.state != "stopping":
            self._stop_asked_at = time.monotonic()
            self._set_state("stopping")
            self._countdown.start()

    def _set_state(self, state: str) -> None:
        self.state = state
        if state != "stopping":
            self._countdown.stop()
        self._show_state()
        self.state_changed.emit(state)

    def _show_state(self) -> None:
        state = self.state
        active = state in ("preparing", "running", "pausing", "paused", "stopping")
        looks = {
            "running": ("play", "accent"),
            "preparing": ("clock", "accent"),
            "pausing": ("pause", "warning"),
            "paused": ("pause", "warning"),
            "stopping": ("stop", "warning"),
            "done": ("check", "success"),
            "stopped": ("stop", "muted"),
            "discarded": ("trash", "muted"),
            "failed": ("error", "error"),
        }
        self._icon.set_icon(*looks.get(state, ("runs", "muted")))
        self._open.setText(self._name)
        self._open.setAccessibleName(self.tr("Show {name}").format(name=self._name))
        self._open.setVisible(bool(self._name))
        self._bar.setVisible(active)
        self._percent.setVisible(active)
        for part in (self._left, self._loss, self._memory):
            part.setVisible(active and state != "preparing")
        self._pause.setVisible(state in ("running", "pausing", "paused"))
        self._pause.setEnabled(self.can_pause)
        paused = state == "paused"
        self._pause.setText(self.tr("Resume") if paused else self.tr("Pause"))
        self._pause.setAccessibleName(self.tr("Resume the run") if paused else self.tr("Pause the run"))
        self._pause.setIcon(icons.icon("play" if paused else "pause"))
        self._stop.setVisible(active)
        self._stop.setEnabled(self.can_stop)
        self._stop.setText(self.tr("Stop"))
        self._stop.setAccessibleName(self.tr("Stop the run"))
        self._force.setVisible(False)
        self._show_failures()
        self._text.set_role({"paused": "warning", "failed": "error"}.get(state, "muted"))
        self._text.set_text(self._sentence())
        if active:
            self._show_figures()

    def _show_failures(self) -> None:
        """Runs that failed before: whoever comes back in the morning sees it on every page."""
        found = self._workplace.failed_runs.newest_first(without=self._folder)
        if found:
            one = self.tr("{name} failed").format(name=found[0].name)
            words = one if len(found) == 1 else self.tr("{count} runs failed").format(count=len(found))
            self._failed.setText(words)
            self._failed.setAccessibleName(words)
        self._failed.setVisible(bool(found))
        self._failed_icon.setVisible(bool(found))

    def _sentence(self) -> str:
        at = self._step.step if self._step is not None else 0
        match self.state:
            case "idle":
                return self.tr("No run is going on.")
            case "pausing":
                return self.tr("Finishing this step…")
            case "paused":
                words = self.tr("Paused at step {step}.").format(step=wording.number(at))
                return f"{words} {self._problem}" if self._problem else words
            case "stopping":
                return self.tr("Stopping: finishing this step and saving…")
            case "done" | "stopped" if self._finished is not None:
                step = wording.number(self._finished.steps)
                done = self.tr("Done after {step} steps.") if self.state == "done" else ""
                words = done or self.tr("Stopped and saved at step {step}.")
                return ending_words(self._finished) or words.format(step=step)
            case "discarded":
                return self.tr("Thrown away; nothing was kept.")
            case "failed":
                return self._problem
        return ""

    def _show_progress(self, event: events.Progress) -> None:
        if self.state != "preparing":
            return
        words = event.stage
        if event.total and event.unit != "bytes":
            words = f"{words} {wording.number(event.done)}/{wording.number(event.total)}"
        self._text.set_text(words)
        self._bar.setRange(0, 1000 if event.total else 0)
        if event.total:
            self._bar.setValue(round(1000 * event.done / event.total))

    def _show_figures(self) -> None:
        step = self._step
        if step is None:
            self._bar.setRange(0, 0 if self.state == "preparing" else 1000)
            for part in (self._percent, self._left, self._loss, self._memory):
                part.setText("")
            return
        share = step.step / max(1, step.total_steps)
        self._bar.setRange(0, 1000)
        self._bar.setValue(round(1000 * share))
        self._percent.setText(wording.percent(share))
        running = self.state == "running" and step.eta_seconds is not None
        self._left.setText(wording.time_left(step.eta_seconds or 0) if running else "")
        self._loss.setText(self.tr("Loss {loss}").format(loss=wording.number(step.loss, 2 if step.loss >= 0.1 else 3)))
        self._memory.setText(self._memory_words(step.memory_bytes))

    def _memory_words(self, used: int) -> str:
        device = self._workplace.device
        if not used or device is None:
            return wording.memory(used) if used else ""
        total = device.memory_bytes
        if self._started is not None and self._started.device.startswith("cuda"):
            total = next((gpu.memory_bytes for gpu in device.gpus if gpu.device == self._started.device), 0)
        return f"{wording.memory(used)} / {wording.memory(total)}" if total else wording.memory(used)

    def _show_stopping(self) -> None:
        waited = int(time.monotonic() - self._stop_asked_at)
        self._stop.setText(self.tr("Stopping… {seconds} s").format(seconds=waited))
        self._force.setVisible(waited >= FORCE_AFTER_SECONDS)
