"""Saved chats: one JSON file each, with the model, the adapters and the sampling that made the replies."""

import secrets
import time
from pathlib import Path
from typing import Literal

import msgspec

from studio.contract.errors import StudioError
from studio.contract.job import AdapterRef
from studio.contract.records import Message
from studio.contract.run_folder import chats_folder
from studio.contract.sampling import Sampling
from studio.contract.settings import Quantisation
from studio.contract.whole_file import write_whole

VERSION = 1
BASE = ""
"""The side of the base model; any other side is an adapter's id."""

_TITLE_CHARACTERS = 60


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one side answered. `ended` "" while it is written, "failed" where the worker could not answer."""

    side: str
    name: str
    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    ended: Literal["", "end_token", "length", "stopped", "failed"] = ""


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question and its replies.

    Attributes:
        question: What the user said.
        replies: One a side.
        sampling: How the replies were drawn.
        system: The system prompt they were given.
        expected: The answer in the held-back row, where the question comes from one.
        fresh: The conversation begins anew here: nothing above was read for these replies.
    """

    question: str
    replies: tuple[Reply, ...]
    sampling: Sampling
    system: str = ""
    expected: str = ""
    fresh: bool = False


class Chat(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A conversation with a base model and adapters of it.

    Attributes:
        adapters: All that were asked; an adapter's id is the name of its run's folder.
        run: Id of the adapter that the chat is about; empty for the base alone.
        sides: Who is asked next, from left to right.
        quantisation, device: How the base is loaded: as the run had it.
    """

    id: str
    model: str
    model_name: str
    adapters: tuple[AdapterRef, ...] = ()
    run: str = ""
    quantisation: Quantisation = "auto"
    device: str = "auto"
    sides: tuple[str, ...] = (BASE,)
    system: str = ""
    sampling: Sampling = Sampling()
    exchanges: list[Exchange] = []
    changed: float = 0.0
    version: int = VERSION

    def name_of(self, side: str) -> str:
        """The shown name of a side."""
        known = {adapter.id: adapter.name for adapter in self.adapters}
        return known.get(side, side) if side else self.model_name

    @property
    def title(self) -> str:
        """The first question on one line."""
        if not self.exchanges:
            return ""
        line = " ".join(self.exchanges[0].question.split())
        return line if len(line) <= _TITLE_CHARACTERS else line[: _TITLE_CHARACTERS - 1] + "…"

    def history(self, side: str, before: int) -> list[Message]:
        """What one side said and heard before an exchange: its own replies only, back to the last fresh start.

        Args:
            side: "" for the base, else an adapter's id.
            before: Index of the exchange that is being asked; may be one past the last.
        """
        if before < len(self.exchanges) and self.exchanges[before].fresh:
            return []
        start = max((i for i in range(before) if self.exchanges[i].fresh), default=0)
        messages: list[Message] = []
        for exchange in self.exchanges[start:before]:
            reply = next((r for r in exchange.replies if r.side == side and r.text), None)
            if reply is not None:
                messages += [Message("user", exchange.question), Message("assistant", reply.text)]
        return messages

    def conversation(self, side: str, index: int) -> tuple[Message, ...]:
        """Everything that one side reads to answer an exchange: system prompt, history, question."""
        exchange = self.exchanges[index]
        system = [Message("system", exchange.system)] if exchange.system.strip() else []
        return (*system, *self.history(side, index), Message("user", exchange.question))


_decoder: msgspec.json.Decoder[Chat] = msgspec.json.Decoder(Chat)


def new_id() -> str:
    """A name for a new chat, which sorts by age."""
    return f"chat-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def save(chat: Chat) -> None:
    """Write a chat whole or not at all; one without a question is not written.

    Raises:
        StudioError: The disk is full or the folder cannot be written.
    """
    if not chat.exchanges:
        return
    chat.changed = time.time()
    try:
        write_whole(_path(chat.id), msgspec.json.format(msgspec.json.encode(chat), indent=1) + b"\n")
    except OSError as error:
        raise StudioError(
            "chat.not_saved",
            "This chat could not be saved.",
            error.strerror or str(error),
            "Check the free space and the rights of the program's folder.",
        ) from error


def load(chat_id: str) -> Chat:
    """Read a saved chat.

    Raises:
        StudioError: It is gone, damaged, or was made by a newer version.
    """
    try:
        chat = _decoder.decode(_path(chat_id).read_bytes())
    except OSError as error:
        raise StudioError("chat.missing", "This chat cannot be read.", error.strerror or str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StudioError(
            "chat.damaged", "This chat is damaged.", str(error), "It can be deleted; nothing else depends on it."
        ) from error
    chat.id = chat_id
    return chat


def list_chats() -> list[Chat]:
    """All readable chats, the last used first."""
    found = []
    for path in chats_folder().glob("chat-*.json"):
        try:
            found.append(load(path.stem))
        except StudioError:
            continue  # left where it is; a damaged chat must not hide the others
    return sorted(found, key=lambda chat: -chat.changed)


def delete(chat_id: str) -> None:
    """Delete a saved chat; one that is gone already is no fault.

    Raises:
        StudioError: It cannot be deleted.
    """
    try:
        _path(chat_id).unlink(missing_ok=True)
    except OSError as error:
        raise StudioError(
            "chat.not_deleted", "This chat could not be deleted.", error.strerror or str(error)
        ) from error


def _path(chat_id: str) -> Path:
    """Where a chat lies. Ids come from file names and our own `new_id`, so none leaves the folder."""
    return chats_folder() / f"{Path(chat_id).name}.json"
