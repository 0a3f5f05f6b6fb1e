"""Workers that stay alive and answer commands: the mask preview and the chat, as the window sees them."""

from typing import Literal

from PySide6.QtCore import QObject, QTimer, Signal

from studio.contract import commands, events, job
from studio.contract.errors import Problem
from studio.contract.records import Message
from studio.contract.sampling import Sampling
from studio.supervisor.worker_thread import TrainerThread
from studio.supervisor.workplace import Workplace

ServiceState = Literal["closed", "loading", "ready", "failed"]

_END_SECONDS = 5
"""A service has nothing to save: what has not ended by then is killed."""


class Service(QObject):
    """One service worker at a time. Opening another job ends the one before without waiting for it.

    Signals:
        state_changed: The new `ServiceState`.
        progressed: `Progress` while loading.
        noticed: `Problem` of a `Notice`; the service goes on.
        failed: `Problem`; the worker is gone, `open` starts a new one.
    """

    state_changed = Signal(str)
    progressed = Signal(object)
    noticed = Signal(object)
    failed = Signal(object)

    def __init__(self, workplace: Workplace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state: ServiceState = "closed"
        self.work: job.Job | None = None
        self.ready: events.Ready | None = None
        self._workplace = workplace
        self._thread: TrainerThread | None = None

    def open(self, work: job.Job) -> None:
        """Start a worker for this job, or keep the one that does the same job already."""
        if work == self.work and self.state in ("loading", "ready"):
            return
        self.close()
        self.work = work
        self._thread = self._workplace.start_task(work)
        self._thread.event_received.connect(self._on_event)
        self._set("loading")

    def close(self) -> None:
        """End the worker; returns at once."""
        thread, self._thread = self._thread, None
        self.work = self.ready = None
        if thread is not None:
            thread.event_received.disconnect(self._on_event)
            _end(thread)
        self._set("closed")

    def send(self, command: commands.Command) -> None:
        """Hand on a command; without a worker it goes nowhere."""
        if self._thread is not None:
            self._thread.send(command)

    def _set(self, state: ServiceState) -> None:
        if state != self.state:
            self.state = state
            self.state_changed.emit(state)

    def _on_event(self, event: object) -> None:
        if self.sender() is not self._thread:
            return  # of a worker that was closed: the event was on its way
        match event:
            case events.Progress():
                self.progressed.emit(event)
            case events.Ready():
                self.ready = event
                self._set("ready")
                self._on_ready()
            case events.Notice():
                self._on_notice(event.problem)
            case events.Failed():
                self._thread = self.ready = self.work = None
                self._on_failed(event.problem)
                self._set("failed")
                self.failed.emit(event.problem)
            case _:
                self._on_answer(event)

    def _on_ready(self) -> None:
        """For services that kept commands until now."""

    def _on_notice(self, problem: Problem) -> None:
        self.noticed.emit(problem)

    def _on_failed(self, problem: Problem) -> None:
        """For services that owe answers."""

    def _on_answer(self, event: object) -> None:
        """For a service's own events."""


def _end(thread: TrainerThread) -> None:
    """Tell a worker to end; kill it where it does not (it may be loading a model, deaf to commands)."""
    if not thread.isRunning():
        return
    thread.send(commands.Stop(save=False))
    timer = QTimer(thread)
    timer.setInterval(_END_SECONDS * 1000)
    timer.timeout.connect(thread.force_stop)
    thread.finished.connect(timer.stop)
    timer.start()


class PreviewService(Service):
    """Rows as the model sees them.

    Signals:
        row_shown: The `MaskedRow` that was asked for last.
        surveyed: A tuple of `MaskedRow`: rows spread over the dataset, to see what happens to how many.
    """

    row_shown = Signal(object)
    surveyed = Signal(object)

    def __init__(self, workplace: Workplace, parent: QObject | None = None) -> None:
        super().__init__(workplace, parent)
        self._request = 0
        self._wanted: int | None = None
        self._survey: tuple[int, ...] = ()
        self._survey_request = 0

    def show_row(self, row: int) -> None:
        """Ask for one row; answers to earlier questions are passed over."""
        self._wanted = row
        if self.state == "ready":
            self._ask()

    def survey(self, rows: tuple[int, ...]) -> None:
        """Ask what happens to these rows; once the worker is ready, after the row that is shown."""
        self._survey = rows
        if self.state == "ready":
            self._ask_survey()

    def _ask(self) -> None:
        if self._wanted is not None:
            self._request += 1
            self.send(commands.ShowRows(request=self._request, rows=(self._wanted,)))

    def _ask_survey(self) -> None:
        if self._survey:
            self._request += 1
            self._survey_request = self._request
            self.send(commands.ShowRows(request=self._request, rows=self._survey))

    def _on_ready(self) -> None:
        self._ask()
        self._ask_survey()

    def _on_answer(self, event: object) -> None:
        if not isinstance(event, events.RowsShown):
            return
        if event.request == self._survey_request:
            self.surveyed.emit(event.rows)
        elif len(event.rows) == 1 and event.rows[0].row == self._wanted:
            self.row_shown.emit(event.rows[0])


class ChatService(Service):
    """Replies of a base model and its adapters, one after another.

    Signals:
        reply_grew: Request, new text.
        reply_done: `ReplyDone`.
        reply_failed: Request, `Problem`: this reply will not come, the chat goes on.
        answering_changed: Whether any reply is owed.
    """

    reply_grew = Signal(int, str)
    reply_done = Signal(object)
    reply_failed = Signal(int, object)
    answering_changed = Signal(bool)

    def __init__(self, workplace: Workplace, parent: QObject | None = None) -> None:
        super().__init__(workplace, parent)
        self._request = 0
        self._waiting: list[commands.Generate] = []  # asked before the model was loaded
        self._late: list[commands.AddAdapter] = []  # likewise: the worker's command file begins when it starts
        self._owed: list[int] = []  # in the order in which the worker answers

    @property
    def answering(self) -> bool:
        """Whether any reply is owed."""
        return bool(self._owed)

    def ask(self, side: str, messages: tuple[Message, ...], sampling: Sampling) -> int:
        """Ask one side; may be called while the model is loading.

        Returns:
            The request's number, which the signals carry.
        """
        self._request += 1
        command = commands.Generate(request=self._request, messages=messages, sides=(side,), sampling=sampling)
        self._owed.append(self._request)
        if self.state == "ready":
            self.send(command)
        else:
            self._waiting.append(command)
        if len(self._owed) == 1:
            self.answering_changed.emit(True)
        return self._request

    def stop(self) -> None:
        """End all replies that are owed; those not begun end empty."""
        waiting, self._waiting = self._waiting, []
        for command in waiting:
            self._pay(command.request)
            self.reply_done.emit(
                events.ReplyDone(
                    request=command.request, side=command.sides[0], text="", tokens=0, seconds=0.0, ended="stopped"
                )
            )
        for request in self._owed:
            self.send(commands.StopReply(request=request))

    def add_adapter(self, adapter: job.AdapterRef) -> None:
        """Load one more adapter beside the base, without loading the base again."""
        work = self.work
        if not isinstance(work, job.ChatJob) or any(known.id == adapter.id for known in work.adapters):
            return
        self.work = job.ChatJob(
            model=work.model,
            adapters=(*work.adapters, adapter),
            quantisation=work.quantisation,
            device=work.device,
        )
        command = commands.AddAdapter(id=adapter.id, path=adapter.path, name=adapter.name)
        if self.state == "ready":
            self.send(command)
        else:
            self._late.append(command)

    def close(self) -> None:
        """End the worker; replies that are owed fail."""
        self._fail_owed(
            Problem(
                code="chat.closed", what="The chat was ended before this reply.", fix="Ask again when it is loaded."
            )
        )
        super().close()

    def _pay(self, request: int) -> bool:
        if request not in self._owed:
            return False
        self._owed.remove(request)
        if not self._owed:
            self.answering_changed.emit(False)
        return True

    def _fail_owed(self, problem: Problem) -> None:
        self._waiting.clear()
        self._late.clear()
        for request in list(self._owed):
            self._pay(request)
            self.reply_failed.emit(request, problem)

    def _on_ready(self) -> None:
        late: list[commands.Command] = [*self._late, *self._waiting]
        self._late, self._waiting = [], []
        for command in late:
            self.send(command)

    def _on_notice(self, problem: Problem) -> None:
        if self._owed and not problem.code.startswith(("worker.", events.UNVERIFIED)):
            request = self._owed[0]  # the worker answers in order, so the fault is this reply's
            self._pay(request)
            self.reply_failed.emit(request, problem)
        else:
            self.noticed.emit(problem)

    def _on_failed(self, problem: Problem) -> None:
        self._fail_owed(problem)

    def _on_answer(self, event: object) -> None:
        match event:
            case events.ReplyPiece() if event.request in self._owed:
                self.reply_grew.emit(event.request, event.text)
            case events.ReplyDone():
                if self._pay(event.request):
                    self.reply_done.emit(event)
