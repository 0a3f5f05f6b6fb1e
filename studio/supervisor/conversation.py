"""A chat as it goes on: what is asked, what each side answers, saved after every reply. Knows no widget."""

import secrets
from pathlib import Path

import msgspec
from PySide6.QtCore import QObject, Signal

from studio.contract import events, job
from studio.contract.errors import Problem, StudioError
from studio.contract.run_folder import RunFolder
from studio.data import system_prompt
from studio.data.run_history import RunSummary
from studio.supervisor import chats
from studio.supervisor.chats import BASE, Chat, Exchange, Reply
from studio.supervisor.gpu_slot import GpuSlot
from studio.supervisor.services import ChatService
from studio.supervisor.workplace import Workplace


class Conversation(QObject):
    """One chat at a time, on one chat worker that is kept as long as the base model stays the same.

    Signals:
        chat_changed: Another chat is shown (`chat`); everything may differ.
        exchange_changed: Index of an exchange that is new, or is being answered anew.
        reply_grew: Index, side, new text.
        reply_done: Index, side.
        reply_failed: Index, side, `Problem`.
        answering_changed: Whether replies are being written.
        saved: The list of saved chats changed.
        problem_raised: `Problem`: the chat could not be saved.
    """

    chat_changed = Signal()
    exchange_changed = Signal(int)
    reply_grew = Signal(int, str, str)
    reply_done = Signal(int, str)
    reply_failed = Signal(int, str, object)
    answering_changed = Signal(bool)
    saved = Signal()
    problem_raised = Signal(object)

    def __init__(self, workplace: Workplace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.service = ChatService(workplace, self)
        self.slot = GpuSlot(workplace, self)
        self.chat: Chat | None = None
        self._asked: dict[int, tuple[int, str]] = {}  # request -> exchange, side
        self._worker_ids: dict[str, str] = {}  # side -> id in the worker
        self.service.reply_grew.connect(self._on_reply_grew)
        self.service.reply_done.connect(self._on_reply_done)
        self.service.reply_failed.connect(self._on_reply_failed)
        self.slot.changed.connect(self._on_slot_changed)

    @property
    def answering(self) -> bool:
        """Whether replies of this chat are being written."""
        return bool(self._asked)

    @property
    def waits_for(self) -> str:
        """Name of the run that has the graphics processor this chat needs, or ""."""
        return self.slot.taken_by if self.chat is not None and self.chat.device != "cpu" else ""

    # --- which chat -------------------------------------------------------------------------------------

    def new_chat_with_run(self, run: RunSummary) -> None:
        """A new chat, base and adapter side by side."""
        work = run.job
        adapter = adapter_of(run)
        self._show(
            Chat(
                id=chats.new_id(),
                model=work.model,
                model_name=work.model_name,
                adapters=(adapter,),
                run=adapter.id,
                quantisation=work.settings.quantisation,
                device=work.settings.device,
                sides=(BASE, adapter.id),
                system=system_prompt.learned_with(run.folder),  # as it was learned, so it is asked
            )
        )

    def new_chat_with_model(self, model: events.ModelChecked) -> None:
        """A new chat with a base model alone."""
        self._show(Chat(id=chats.new_id(), model=model.path, model_name=model.name))

    def new_chat(self) -> str:
        """A new chat with the same model, adapters, sides and sampling; its id, or "" where there was none before."""
        if self.chat is None:
            return ""
        self._show(msgspec.structs.replace(self.chat, id=chats.new_id(), exchanges=[], changed=0.0))
        return self.chat.id

    def open_chat(self, chat: Chat) -> None:
        """Go on with a saved chat."""
        self._show(chat)

    def restore(self, chat: Chat, instead_of: str) -> None:
        """Bring a deleted chat back.

        Args:
            chat: What it was.
            instead_of: Id of the empty chat that took its place, or "" where it was not shown: where that one is still
                shown and nothing was asked in it, the old one is shown again.
        """
        chats.save(chat)
        if self.chat is not None and self.chat.id == instead_of and not self.chat.exchanges:
            self._show(chat)

    def _show(self, chat: Chat) -> None:
        if self._asked:
            self.service.stop()
            self._asked.clear()
            self.answering_changed.emit(False)
        self.chat = chat
        self.chat_changed.emit()

    def set_sides(self, sides: tuple[str, ...], adapters: tuple[job.AdapterRef, ...] = ()) -> None:
        """Who is asked from now on, from left to right.

        Args:
            sides: "" for the base, else an adapter's id.
            adapters: Adapters among them that are new to this chat; the base is not loaded again for them.
        """
        if self.chat is None:
            return
        known = {adapter.id for adapter in self.chat.adapters}
        new = tuple(adapter for adapter in adapters if adapter.id not in known)
        self.chat.adapters += new
        self.chat.sides = sides
        if self.service.state in ("loading", "ready"):
            self.load()

    # --- the worker -------------------------------------------------------------------------------------

    def load(self) -> None:
        """Start the chat worker, or keep the one that holds this base model and add what it lacks.

        Nothing happens while a run has the graphics processor (`waits_for`).
        """
        chat = self.chat
        if chat is None or self.waits_for:
            return
        wanted = []
        for adapter in chat.adapters:
            worker_id = f"{adapter.id}-{_weights_age(adapter)}"  # a run that was trained on has another adapter
            self._worker_ids[adapter.id] = worker_id
            if adapter.id in chat.sides:
                wanted.append(job.AdapterRef(worker_id, adapter.path, adapter.name))
        work = self.service.work
        same_base = (
            isinstance(work, job.ChatJob)
            and (work.model, work.quantisation, work.device) == (chat.model, chat.quantisation, chat.device)
            and self.service.state in ("loading", "ready")
        )
        if not same_base:
            self.service.open(
                job.ChatJob(
                    model=chat.model, adapters=tuple(wanted), quantisation=chat.quantisation, device=chat.device
                )
            )
            return
        for adapter in wanted:
            self.service.add_adapter(adapter)

    def explained(self, problem: Problem) -> Problem:
        """A problem of the worker; one with an adapter that is gone says that its run is.

        Another adapter of this chat may be gone, too: only the one that the problem names is told so.
        """
        known = self.chat.adapters if self.chat is not None and problem.code.startswith("adapter.") else ()
        about = (adapter for adapter in known if Path(adapter.path) == Path(problem.where))
        gone = next((adapter for adapter in about if not Path(adapter.path).exists()), None)
        if gone is None:
            return problem
        return Problem(
            code="chat.run_gone",
            what=f"{gone.name} was deleted.",
            why="What it has learned is not there any more.",
            fix="Choose another adapter, or bring the run back: with Undo on the page Runs, or out of the trash.",
        )

    def unload(self) -> None:
        """End the worker; the chat stays and can be loaded again."""
        self.service.close()

    # --- asking -----------------------------------------------------------------------------------------

    def ask(self, question: str, expected: str = "", fresh: bool = False, system: str | None = None) -> None:
        """Ask all sides; may be called while the model is loading.

        Args:
            question: What the user says.
            expected: The held-back row's answer, or "".
            fresh: Begin anew: nothing above is read.
            system: Another system prompt than the chat's, for this question and those after it.
        """
        chat = self.chat
        if chat is None or self._asked or self.waits_for or not question.strip():
            return
        if system is not None:
            chat.system = system
        replies = tuple(Reply(side=side, name=chat.name_of(side)) for side in chat.sides)
        chat.exchanges.append(
            Exchange(
                question=question,
                replies=replies,
                sampling=chat.sampling,
                system=chat.system,
                expected=expected,
                fresh=fresh and bool(chat.exchanges),
            )
        )
        self._answer(len(chat.exchanges) - 1)

    def retry(self, new_seed: bool = False) -> None:
        """Answer the last question anew with the sampling that is set now; its seed stays, or is drawn anew."""
        chat = self.chat
        if chat is None or not chat.exchanges or self._asked or self.waits_for:
            return
        last = chat.exchanges[-1]
        seed = secrets.randbelow(2**31) if new_seed else last.sampling.seed
        chat.sampling = msgspec.structs.replace(chat.sampling, seed=seed)
        chat.exchanges[-1] = msgspec.structs.replace(
            last,
            replies=tuple(Reply(side=side, name=chat.name_of(side)) for side in chat.sides),
            sampling=chat.sampling,
        )
        self._answer(len(chat.exchanges) - 1)

    def stop(self) -> None:
        """End the replies that are being written; what is there stays."""
        self.service.stop()

    def _answer(self, index: int) -> None:
        chat = self.chat
        assert chat is not None
        self.load()
        self.exchange_changed.emit(index)
        for reply in chat.exchanges[index].replies:
            messages = chat.conversation(reply.side, index)
            worker_side = self._worker_ids.get(reply.side, reply.side)
            request = self.service.ask(worker_side, messages, chat.exchanges[index].sampling)
            self._asked[request] = (index, reply.side)
        self.answering_changed.emit(True)

    def _on_slot_changed(self) -> None:
        if self.waits_for and self.service.state in ("loading", "ready"):
            self.unload()

    # --- answers ----------------------------------------------------------------------------------------

    def _on_reply_grew(self, request: int, text: str) -> None:
        if request in self._asked:
            index, side = self._asked[request]
            self.reply_grew.emit(index, side, text)

    def _on_reply_done(self, done: events.ReplyDone) -> None:
        if done.request not in self._asked:
            return
        index, side = self._asked.pop(done.request)
        self._put(index, side, done.text, done.tokens, done.seconds, done.ended)
        self.reply_done.emit(index, side)
        self._tell_end()

    def _on_reply_failed(self, request: int, problem: Problem) -> None:
        if request not in self._asked:
            return
        index, side = self._asked.pop(request)
        self._put(index, side, "", 0, 0.0, "failed")
        self.reply_failed.emit(index, side, self.explained(problem))
        self._tell_end()

    def _tell_end(self) -> None:
        if not self._asked:
            self.answering_changed.emit(False)

    def _put(self, index: int, side: str, text: str, tokens: int, seconds: float, ended: str) -> None:
        chat = self.chat
        assert chat is not None
        exchange = chat.exchanges[index]
        replies = tuple(
            msgspec.structs.replace(reply, text=text, tokens=tokens, seconds=seconds, ended=ended)
            if reply.side == side
            else reply
            for reply in exchange.replies
        )
        chat.exchanges[index] = msgspec.structs.replace(exchange, replies=replies)
        try:
            chats.save(chat)
        except StudioError as error:
            self.problem_raised.emit(error.problem)
            return
        self.saved.emit()


def adapter_of(run: RunSummary) -> job.AdapterRef:
    """A run's adapter as a chat knows it."""
    return job.AdapterRef(run.id, str(RunFolder(run.folder).adapter), run.job.name)


def _weights_age(adapter: job.AdapterRef) -> int:
    """When the adapter was written, in milliseconds; 0 where it is gone (the worker will say so)."""
    try:
        return Path(adapter.path, "adapter_model.safetensors").stat().st_mtime_ns // 1_000_000
    except OSError:
        return 0
