"""One example as every room sees it."""

import hashlib
from typing import Literal

import msgspec

Role = Literal["system", "user", "assistant"]


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Role
    content: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One example: a conversation, and where it came from.

    Attributes:
        messages: Turns in order; a usable record ends with the assistant.
        source_row: Row of the source file, counted from 1.
        side: "train" or "held_back" where the source decides; empty where the split decides by hash.
    """

    messages: tuple[Message, ...]
    source_row: int = 0
    side: Literal["", "train", "held_back"] = ""

    @property
    def key(self) -> str:
        """SHA-256 of the content, 16 hex digits: the same row has the same key, in any file, always."""
        digest = hashlib.sha256()
        for message in self.messages:
            digest.update(msgspec.json.encode([message.role, message.content]))
        return digest.hexdigest()[:16]
