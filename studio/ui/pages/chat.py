"""The Chat page: base and adapter answer side by side, by the very model that was trained."""

from typing import Any

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from studio.contract.errors import Problem, StudioError
from studio.contract.run_folder import RunFolder
from studio.data.run_history import summarise
from studio.supervisor import chats, held_back
from studio.supervisor.chats import Chat
from studio.supervisor.conversation import Conversation
from studio.supervisor.held_back import Question
from studio.supervisor.workplace import Workplace
from studio.ui import failures
from studio.ui.pages.page import Page
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.chat_targets import SidesCombo, TargetCombo
from studio.ui.widgets.chat_view import ChatView
from studio.ui.widgets.chips import Chips
from studio.ui.widgets.empty import EmptyState
from studio.ui.widgets.labels import ElidedLabel, label
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.question_box import QuestionBox
from studio.ui.widgets.sampling_form import SamplingForm
from studio.ui.widgets.saved_chats import SavedChats
from studio.ui.widgets.section import Folding, ScrollColumn, held, row

SIDE_WIDTH = 288
SIDE_FROM_WIDTH = 1080
"""A narrower page begins without the controls at the right; the replies need the room."""


class ChatPage(Page):
    """Conversation in the middle, controls and saved chats at the right."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(workplace, parent)
        self.conversation = Conversation(workplace, self)
        self._questions: list[Question] = []
        self._seen = False
        self.stack = QStackedWidget()
        self.empty = EmptyState(
            self.tr("Nobody to talk to yet."),
            self.tr("Try it now – 1 to 2 minutes"),
            self.tr("A chat needs a model. Teach one first, or add a model on the Models page."),
            "chat",
            self.tr("Open Models"),
        )
        self.empty.action_wanted.connect(self._on_sample_wanted)
        self.empty.link_wanted.connect(lambda: self.page_wanted.emit("models"))
        self.stack.addWidget(self.empty)
        self.stack.addWidget(self._build())
        outer = QVBoxLayout(self)
        outer.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        outer.addWidget(self.stack)
        self._connect()
        self._list_targets()
        self._list_saved()

    # --- layout -----------------------------------------------------------------------------------------

    def _build(self) -> QWidget:
        self.targets = TargetCombo()
        self.sides = SidesCombo()
        self.status = ElidedLabel("", "muted")
        self.new_button = buttons.secondary(self.tr("New chat"), self._on_new_chat, "plus")
        self.side_button = buttons.icon_button("settings", self.tr("Sampling and saved chats"), self._on_side_toggled)
        self.side_button.setCheckable(True)
        self.side_button.setChecked(True)
        self.message = MessageBar()
        self.view = ChatView()
        self.hint = EmptyState(self.tr("Ask something."), icon="chat")
        self.chips = Chips()
        self.box = QuestionBox()
        self.send_button = buttons.primary(self.tr("Send"), self._on_send, "send")
        self.stop_button = buttons.secondary(self.tr("Stop"), self.conversation.stop, "stop")
        self.stop_button.hide()
        left = QVBoxLayout()
        left.setSpacing(GRID)
        left.addWidget(self.message)
        left.addWidget(self.hint, 1)
        left.addWidget(self.view, 1)
        left.addWidget(self.chips)
        asking = row(self.box, self.send_button, self.stop_button)
        asking.setStretch(0, 1)
        left.addLayout(asking)
        body = row(left, self._build_side(), spacing=2 * GRID)
        body.setStretch(0, 1)
        page = QWidget()
        inside = QVBoxLayout(page)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(GRID + 4)
        who = row(self.targets, self.sides)
        rest = row(self.status, self.new_button, self.side_button)
        rest.setStretch(0, 1)
        inside.addWidget(Folding(held(who), held(rest), stretch=(0, 1)))
        inside.addLayout(body, 1)
        return page

    def _build_side(self) -> QWidget:
        self.sampling = SamplingForm()
        self.saved = SavedChats()
        self.side = QFrame()
        self.side.setProperty("role", "card")
        self.side.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        scroll = ScrollColumn(margin=GRID + 4, narrowest=SIDE_WIDTH)
        scroll.body.addWidget(label(self.tr("How replies are drawn"), "strong"))
        scroll.body.addWidget(self.sampling)
        scroll.body.addWidget(self.saved, 1)
        scroll.body.setSpacing(GRID)
        around = QVBoxLayout(self.side)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(scroll)
        return self.side

    def _connect(self) -> None:
        talk, service, workplace = self.conversation, self.conversation.service, self.workplace
        talk.chat_changed.connect(self._on_chat_changed)
        talk.exchange_changed.connect(self._on_exchange_changed)
        talk.reply_grew.connect(self.view.add_piece)
        talk.reply_done.connect(self._on_reply_done)
        talk.reply_failed.connect(self.view.show_problem)
        talk.answering_changed.connect(self._on_answering_changed)
        talk.saved.connect(self._list_saved)
        talk.problem_raised.connect(self.message.show_problem)
        talk.slot.changed.connect(self._on_slot_changed)
        service.state_changed.connect(self._show_state)
        service.progressed.connect(lambda progress: self.status.set_text(progress.stage + "…"))
        service.failed.connect(self._on_failed)
        service.noticed.connect(self._on_noticed)
        workplace.runs_changed.connect(self._list_targets)
        workplace.models_changed.connect(self._list_targets)
        self.targets.run_chosen.connect(self.conversation.new_chat_with_run)
        self.targets.model_chosen.connect(self.conversation.new_chat_with_model)
        self.sides.sides_chosen.connect(self.conversation.set_sides)
        self.sampling.changed.connect(self._on_sampling_changed)
        self.chips.question_chosen.connect(self._on_question_chosen)
        self.box.sent.connect(self._on_send)
        self.box.textChanged.connect(self._show_state)
        self.view.retry_wanted.connect(talk.retry)
        self.saved.open_wanted.connect(self._on_open_wanted)
        self.saved.delete_wanted.connect(self._on_delete_wanted)

    # --- the page's own doors ---------------------------------------------------------------------------

    def show_run(self, folder: RunFolder, ask_first: bool = False) -> None:
        """Chat with a run's adapter beside its base; loading begins at once.

        Args:
            folder: The run's folder.
            ask_first: Ask the first held-back question without being told to.
        """
        run = summarise(folder)
        self._list_targets()
        if run is None or not run.has_adapter:
            self.stack.setCurrentIndex(1)
            self.message.show_problem(
                Problem(
                    code="chat.no_adapter",
                    what=self.tr("This run left no adapter."),
                    why=self.tr("It was thrown away, or ended before anything was saved."),
                    fix=self.tr("Resume it, or choose another one."),
                )
            )
            return
        chat = self.conversation.chat
        same = chat is not None and chat.run == run.id and not chat.exchanges
        if not same:
            self.conversation.new_chat_with_run(run)
        self.conversation.load()
        if ask_first and self._questions:
            self._on_question_chosen(self._questions[0])

    def showEvent(self, event: QShowEvent) -> None:
        """The first time: are the controls at the right to be seen?"""
        super().showEvent(event)
        if not self._seen:
            self._seen = True
            self.side_button.setChecked(self.width() >= SIDE_FROM_WIDTH)
            self._on_side_toggled()

    def on_shown(self) -> None:
        """Load what is shown; the newest adapter (else the chosen model) where nothing was chosen yet."""
        self._list_targets()
        if self.conversation.chat is None:
            if self.targets.runs:
                self.conversation.new_chat_with_run(self.targets.runs[0])
            elif self.workplace.model is not None and self.workplace.model.usable:
                self.conversation.new_chat_with_model(self.workplace.model)
        self.conversation.load()
        self._show_state()
        self.box.setFocus()  # who comes here wants to ask: a space typed at once must not press the rail's button

    def form(self) -> dict[str, Any]:
        """The question that was not asked yet, and how replies are drawn."""
        return {"question": self.box.toPlainText(), **self.sampling.form()}

    def fill(self, values: dict[str, Any]) -> None:
        """Go on where it was."""
        self.box.setPlainText(str(values.get("question", "")))
        self.sampling.fill(values)

    def close_services(self) -> None:
        """End the chat worker."""
        self.conversation.unload()

    def start(self) -> bool:
        """Ctrl+Enter: send."""
        if not self.send_button.isEnabled() or self.send_button.isHidden():
            return False
        self._on_send()
        return True

    def escape(self) -> bool:
        """Esc: stop the answer, else close the message."""
        if self.conversation.answering:
            self.conversation.stop()
            return True
        if not self.message.isHidden():
            self.message.clear()
            return True
        return False

    def panes(self) -> list[QWidget]:
        """Who, conversation, question, controls."""
        return [self.targets, self.view, self.box, self.side]

    # --- who is talked to -------------------------------------------------------------------------------

    def _list_targets(self) -> None:
        self.targets.show_targets(self.workplace.runs(), self.workplace.models.all())
        chat = self.conversation.chat
        if chat is not None:
            self.targets.show_chat(chat)
            self.sides.show_chat(chat, self.targets.runs)
        anyone = bool(self.targets.runs or self.targets.models or chat is not None)
        self.stack.setCurrentIndex(1 if anyone else 0)

    def _on_new_chat(self) -> None:
        self.conversation.new_chat()
        self.box.setFocus()

    def _on_chat_changed(self) -> None:
        chat = self.conversation.chat
        assert chat is not None
        self.message.clear()
        self.stack.setCurrentIndex(1)
        self.targets.show_chat(chat)
        self.sides.show_chat(chat, self.targets.runs)
        self.sampling.show_values(chat.sampling, chat.system)
        self.view.show_chat(chat)
        self.view.set_answering(False, chat)
        self._offer_questions(chat)
        self._list_saved()
        self._on_slot_changed()

    def _offer_questions(self, chat: Chat) -> None:
        run = self.targets.run(chat.run) if chat.run else None
        self._questions = held_back.questions_of(run) if run is not None else []
        self.chips.show_questions(self._questions)
        tried = self.tr(
            "Or click a question below: its row was held back from the training, though others may ask the same. "
            "Those that the run's own test found newly right come first."
        )
        self.hint.set_sentence(self.tr("Ask something."), tried if self._questions else "")

    # --- asking -----------------------------------------------------------------------------------------

    def _on_send(self) -> None:
        question = self.box.toPlainText().strip()
        if question and not self.conversation.answering and not self.conversation.waits_for:
            self.box.clear()
            self.conversation.ask(question)

    def _on_question_chosen(self, question: Question) -> None:
        """A held-back question stands for itself, as in the run's own tests: nothing above is read."""
        self.conversation.ask(question.text, question.expected, fresh=True, system=question.system)
        chat = self.conversation.chat
        if chat is not None:
            self.sampling.show_values(chat.sampling, chat.system)

    def _on_sampling_changed(self) -> None:
        chat = self.conversation.chat
        if chat is not None:
            chat.sampling = self.sampling.sampling()
            chat.system = self.sampling.system_prompt()
            self.view.set_answering(self.conversation.answering, chat)

    def _on_exchange_changed(self, index: int) -> None:
        chat = self.conversation.chat
        if chat is not None:
            self.view.show_exchange(chat, index)
            self.sampling.show_values(chat.sampling, chat.system)

    def _on_reply_done(self, index: int, side: str) -> None:
        if self.conversation.chat is not None:
            self.view.show_reply(self.conversation.chat, index, side)

    def _on_answering_changed(self, answering: bool) -> None:
        self.stop_button.setVisible(answering)
        self.send_button.setVisible(not answering)
        self.view.set_answering(answering, self.conversation.chat)
        self._show_state()

    # --- the worker -------------------------------------------------------------------------------------

    def _show_state(self) -> None:
        talk = self.conversation
        free = not talk.answering and not talk.waits_for
        self.send_button.setEnabled(free and bool(self.box.toPlainText().strip()))
        self.chips.setEnabled(free)
        begun = talk.chat is not None and bool(talk.chat.exchanges)
        self.hint.setVisible(not begun)
        self.view.setVisible(begun)
        for button in (self.view.retry, self.view.retry_new):
            button.setEnabled(free)
        if talk.chat is not None:
            self.view.set_answering(talk.answering, talk.chat)
        state = talk.service.state
        if talk.waits_for:
            self.status.set_text(self.tr("Waiting for {run}").format(run=talk.waits_for))
        elif state == "loading":
            self.status.set_text(self.tr("Loading the model…"))
        elif state == "ready" and talk.service.ready is not None:
            self.status.set_text(self._ready_in_words(talk.service.ready.device, talk.service.ready.quantisation))
        else:
            self.status.set_text("")

    def _ready_in_words(self, device: str, quantisation: str) -> str:
        where = self.tr("Ready on the processor") if device == "cpu" else self.tr("Ready on the graphics processor")
        sizes = {"nf4": self.tr("4-bit"), "fp4": self.tr("4-bit"), "int8": self.tr("8-bit")}
        return f"{where}, {sizes[quantisation]}" if quantisation in sizes else where

    def _on_slot_changed(self) -> None:
        run = self.conversation.waits_for
        if run:
            self.message.show_text(
                "info",
                self.tr("The chat waits until {run} has ended.").format(run=run),
                self.tr("It trains on the graphics processor, whose memory it needs whole."),
                self.tr("The chat loads by itself then; to talk sooner, stop the run."),
            )
        else:
            self.message.clear()
            if self.isVisible():
                self.conversation.load()
        self._show_state()

    def _on_failed(self, problem: Problem) -> None:
        told = self.conversation.explained(problem)
        self.message.show_problem(told, [(self.tr("Try again"), self.conversation.load)])

    def _on_noticed(self, problem: Problem) -> None:
        self.message.show_problem(self.conversation.explained(problem), kind="warning")

    # --- saved chats ------------------------------------------------------------------------------------

    def _list_saved(self) -> None:
        chat = self.conversation.chat
        self.saved.show_chats(chats.list_chats(), chat.id if chat is not None else "")

    def _on_open_wanted(self, chat: Chat) -> None:
        now = self.conversation.chat
        if now is None or now.id != chat.id:
            self.conversation.open_chat(chat)

    def _on_delete_wanted(self, chat: Chat) -> None:
        try:
            chats.delete(chat.id)
        except StudioError as error:
            self.message.show_problem(error.problem)
            return
        now, replacement = self.conversation.chat, ""
        if now is not None and now.id == chat.id:
            replacement = self.conversation.new_chat()
        self._list_saved()
        toasts = getattr(self.window(), "toasts", None)  # a page that stands alone has none
        said = self.tr("The chat was deleted.")
        if toasts is None:
            self.workplace.told.emit(said)
        else:
            toasts.say(said, self.tr("Undo"), lambda: self._restore(chat, replacement))

    def _restore(self, chat: Chat, replacement: str) -> None:
        self.conversation.restore(chat, replacement)
        self._list_saved()

    def _on_side_toggled(self) -> None:
        self.side.setVisible(self.side_button.isChecked())

    def _on_sample_wanted(self) -> None:
        try:
            self.workplace.start_sample()
        except (StudioError, OSError) as error:
            self.workplace.problem_raised.emit(failures.problem_of(error))
            return
        self.page_wanted.emit("train")
