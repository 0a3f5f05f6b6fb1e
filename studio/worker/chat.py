"""The chat service: one base model, any number of adapters on it, replies streamed as events."""

import time
from pathlib import Path
from typing import Any, Protocol

from studio.contract import commands, events, job
from studio.contract.control import Emit
from studio.contract.errors import StudioError
from studio.contract.settings import TrainSettings
from studio.engine import base_model, fingerprint, generate, model_folder, tokens
from studio.worker import failures
from studio.worker.commands import CommandReader

BASE = ""
"""The side that is the base model without any adapter."""


def serve(work: job.ChatJob, emit: Emit, control: CommandReader) -> None:
    """Load the base once, then answer Generate and AddAdapter until told to stop.

    Raises:
        StudioError: The model or an adapter of the job cannot be loaded.
    """
    talker = Talker(work, emit)
    for adapter in work.adapters:
        talker.add(adapter.id, Path(adapter.path))
    talker.tell_ready()
    for command in control.each():
        try:
            match command:
                case commands.Generate():
                    talker.answer(command, control)
                case commands.AddAdapter():
                    talker.add(command.id, Path(command.path))
                    talker.tell_ready()
        except StudioError as error:  # one bad request does not end the conversation
            emit(events.Notice(problem=failures.explain(error)))


class Stoppable(Protocol):
    """Whether a reply was told to stop: the worker's commands, or a command line that never stops one."""

    def reply_stopped(self, request: int) -> bool:
        """Asked between two tokens."""


class Talker:
    """A loaded base model with its adapters."""

    def __init__(self, work: job.ChatJob, emit: Emit) -> None:
        folder = Path(work.model)
        model_folder.require_usable(folder)
        emit(events.Progress(stage="Loading the model"))
        self._emit, self._folder = emit, folder
        self._placement = base_model.resolve(TrainSettings(quantisation=work.quantisation, device=work.device))
        self._tokenizer = tokens.load_tokenizer(folder)
        self._model: Any = base_model.load(folder, self._placement)
        self._adapters: list[str] = []

    def add(self, name: str, folder: Path) -> None:
        """Put one more adapter beside the base; where nobody can tell whether it belongs there, that is said."""
        if name not in self._adapters:
            self._model = base_model.load_adapter(self._model, folder, name)
            self._adapters.append(name)
            doubt = fingerprint.unverified(folder, self._folder)
            if doubt is not None:
                self._emit(events.Notice(problem=doubt))

    def tell_ready(self) -> None:
        """Say what can be asked."""
        self._emit(
            events.Ready(
                device=str(self._placement.device),
                quantisation=self._placement.quantisation,
                adapters=tuple(self._adapters),
            )
        )

    def answer(self, command: commands.Generate, control: Stoppable) -> None:
        """Stream one reply a side, in order."""
        for side in command.sides:
            if control.reply_stopped(command.request):
                self._emit(_done(command.request, side, "", 0, 0.0, "stopped"))
                continue
            self._answer_side(command, side, control)

    def _answer_side(self, command: commands.Generate, side: str, control: Stoppable) -> None:
        if side != BASE and side not in self._adapters:
            raise StudioError("chat.no_adapter", f"There is no adapter {side!r} in this chat.")
        began = time.monotonic()
        with base_model.using_adapter(self._model, side) as model:
            stream = generate.stream(
                model,
                self._tokenizer,
                command.messages,
                command.sampling,
                lambda: control.reply_stopped(command.request),
            )
            for piece in stream:
                self._emit(events.ReplyPiece(request=command.request, side=side, text=piece))
        seconds = time.monotonic() - began
        self._emit(_done(command.request, side, stream.text, stream.tokens, seconds, stream.ended))


def _done(request: int, side: str, text: str, count: int, seconds: float, ended: Any) -> events.ReplyDone:
    return events.ReplyDone(request=request, side=side, text=text, tokens=count, seconds=round(seconds, 3), ended=ended)
