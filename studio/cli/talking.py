"""`apprentice chat`: the base model, an adapter, or both beside each other."""

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from studio.cli import output, places
from studio.cli.options import values_from
from studio.contract import commands, events, job
from studio.contract.errors import Problem, StudioError
from studio.contract.fields import build
from studio.contract.plain_text import harmless, one_line
from studio.contract.records import Message
from studio.contract.sampling import Sampling
from studio.contract.settings import TrainSettings
from studio.data.system_prompt import learned_with
from studio.worker.chat import BASE, Talker

TUNED = "adapter"


class _Replies:
    """Collects the replies of one question and prints their pieces as they come."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self.named = False  # whether a line says who answers
        self._side: str | None = None
        self.done: dict[str, events.ReplyDone] = {}
        self.notes: list[Problem] = []

    def reply_stopped(self, request: int) -> bool:
        """Nothing stops a reply here but Ctrl+C."""
        return False

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.Notice():
                self.notes.append(event.problem)
                print("Note: " + harmless(event.problem.sentence().replace("\n", " ")), file=sys.stderr, flush=True)
            case events.ReplyPiece() if not self._quiet:
                if self.named and event.side != self._side:
                    self._side = event.side
                    output.say("[base]" if event.side == BASE else "[adapter]")
                output.say_piece(event.text)
            case events.ReplyDone():
                self.done[event.side] = event
                if not self._quiet:
                    cut = "  (cut at the length limit)" if event.ended == "length" else ""
                    sys.stdout.write(cut + "\n")


def chat(arguments: argparse.Namespace) -> int:
    """Answer one prompt, or talk on a terminal.

    Raises:
        StudioError: Model or adapter cannot be loaded, or a sampling value is out of range.
    """
    sampling = values_from(arguments, Sampling)
    if arguments.prompt is not None and not arguments.prompt.strip():
        raise StudioError("chat.no_prompt", "The prompt is empty.", fix="Give --prompt TEXT with a question.")
    build(TrainSettings, {"device": arguments.device})
    if arguments.prompt is None and arguments.json:
        raise StudioError("chat.no_prompt", "There is no prompt.", fix="Give --prompt TEXT with --json.")
    if arguments.compare and not arguments.adapter:
        raise StudioError("chat.nothing_to_compare", "There is nothing to compare with.", fix="Give --adapter RUN too.")
    adapter, model, learned = _adapter_and_model(arguments)
    prompt = learned if arguments.system is None else arguments.system
    if prompt and arguments.system is None and not arguments.json:
        about = "The system prompt that all its examples share is sent, too"
        print(harmless(f'Note: {about}: "{one_line(prompt)[:120]}". --system "" leaves it out.'), file=sys.stderr)
    replies = _Replies(arguments.json)
    talker = Talker(
        job.ChatJob(model=str(model), quantisation=arguments.quantisation, device=arguments.device), replies
    )
    if adapter is not None:
        talker.add(TUNED, adapter)
    sides: tuple[str, ...] = (TUNED,) if adapter is not None else (BASE,)
    if arguments.compare:
        sides = (BASE, TUNED)
    system = (Message("system", prompt),) if prompt else ()
    if arguments.prompt is not None:
        command = commands.Generate(
            request=1, messages=(*system, Message("user", arguments.prompt)), sides=sides, sampling=sampling
        )
        replies.named = len(sides) > 1
        talker.answer(command, replies)
        if arguments.json:
            told = _result(replies.done, str(model), str(adapter or ""))
            output.print_json(told | {"notes": msgspec.to_builtins(replies.notes)})
        return 0
    if not sys.stdin.isatty():
        raise StudioError("chat.no_prompt", "There is no prompt.", fix="Give --prompt TEXT, or start it on a terminal.")
    return _talk(talker, replies, system, sides, sampling)


def _talk(
    talker: Talker, replies: _Replies, system: tuple[Message, ...], sides: tuple[str, ...], sampling: Sampling
) -> int:
    """A conversation until an empty line; with two sides each keeps its own history."""
    histories = {side: list(system) for side in sides}
    output.say("An empty line ends the conversation.")
    request = 0
    while prompt := _typed():
        for side, history in histories.items():
            request += 1
            if len(sides) > 1:
                output.say("[base]" if side == BASE else "[adapter]")
            history.append(Message("user", prompt))
            command = commands.Generate(request=request, messages=tuple(history), sides=(side,), sampling=sampling)
            try:
                talker.answer(command, replies)
            except StudioError as error:
                history.pop()  # the conversation goes on without that question
                output.say(error.problem.sentence())
                continue
            history.append(Message("assistant", replies.done[side].text))
    return 0


def _typed() -> str:
    """What was typed; the end of the input ends the conversation as an empty line does."""
    try:
        return input("> ").strip()
    except EOFError:
        output.say("")
        return ""


def _adapter_and_model(arguments: argparse.Namespace) -> tuple[Path | None, Path, str]:
    """--adapter is a run or a PEFT folder; the run knows its base model, and the system prompt it learned with."""
    if not arguments.adapter:
        return None, places.find_model(arguments.model or "starter"), ""
    folder = Path(arguments.adapter).expanduser()
    if (folder / "adapter_config.json").is_file():
        return folder.resolve(), places.find_model(arguments.model or "starter"), ""
    try:
        summary = places.find_run(arguments.adapter)
    except StudioError as error:
        if error.problem.code != "run.missing":
            raise
        raise StudioError(
            "run.missing",
            f"There is no run and no adapter folder {arguments.adapter}.",
            "An adapter folder holds adapter_config.json." if folder.is_dir() else "",
            "`apprentice runs list` shows all runs.",
        ) from error
    if not summary.has_adapter:
        raise StudioError(
            "chat.no_adapter",
            f"The run {summary.job.name} has left no adapter.",
            f"It is {output.state(summary.state)}.",
        )
    model = places.find_model(arguments.model or summary.job.model)
    return summary.folder / "adapter", model, learned_with(summary.folder)


def _result(done: dict[str, events.ReplyDone], model: str, adapter: str) -> dict[str, Any]:
    replies = {
        ("base" if side == BASE else "adapter"): {
            "text": reply.text,
            "tokens": reply.tokens,
            "seconds": reply.seconds,
            "ended": reply.ended,
        }
        for side, reply in done.items()
    }
    last = next(reversed(done.values()))
    return {"reply": last.text, "replies": replies, "model": model, "adapter": adapter}
