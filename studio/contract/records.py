"""One example as every room sees it."""

from collections.abc import Iterable
from typing import Literal

import msgspec
import xxhash

_encode = msgspec.json.Encoder().encode

Role = Literal["system", "user", "assistant", "tool"]
Kind = Literal["chat", "prompt_completion", "text", "preference", "label"]
"""What can be learned from a row: see `Record`."""

ROLE_NUMBERS = {"system": 1, "user": 2, "assistant": 3, "tool": 4}
FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xFF51AFD7ED558CCD)
_WHOLE = 2**64 - 1


def turns_number(turns: Iterable[tuple[str, int]]) -> int:
    """Who speaks in which order, and how many bytes each turn has, as one number below 2**64.

    Args:
        turns: Role and bytes of each; `data/quick_lane.py` has the same for many rows at once.
    """
    total = 0
    for place, (role, size) in enumerate(turns, start=1):
        number = (size * FACTORS[0] + ROLE_NUMBERS[role] * FACTORS[1] + place * FACTORS[2]) & _WHOLE
        number = ((number ^ (number >> 32)) * FACTORS[3]) & _WHOLE
        total += number ^ (number >> 29)
    return total & _WHOLE


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation.

    Attributes:
        role: Who speaks; "tool" is the result of a call.
        content: What is said; may be empty beside tool calls.
        reasoning: What an assistant thought before it answered.
        tool_calls: JSON text of what an assistant calls: `[{"id": "…", "name": "…", "arguments": {…}}]`, or "".
        name: Of the tool whose result this is.
        call_id: Which call a tool's result belongs to.
        weight: "0" where an answer is there to be read and not to be learned; else "".
    """

    role: Role
    content: str
    reasoning: str = ""
    tool_calls: str = ""
    name: str = ""
    call_id: str = ""
    weight: Literal["", "0"] = ""

    @property
    def is_plain(self) -> bool:
        """Whether role and content are all that there is to read."""
        return not (self.reasoning or self.tool_calls or self.name or self.call_id)

    def _content(self) -> list[str]:
        if not (self.reasoning or self.tool_calls or self.name or self.call_id or self.weight):
            return [self.role, self.content]
        told = [self.role, self.content, self.reasoning, self.tool_calls, self.name, self.call_id]
        return [*told, self.weight] if self.weight else told


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One example, and where it came from. Exactly one of these, as `DatasetInfo.kind` says of the whole dataset:

    - a conversation (chat, prompt_completion): `messages`;
    - a text to go on from (text): `text`, and no messages;
    - two answers, a better and a worse one (preference): `messages` end with the better, `rejected` with the worse;
    - a rated answer (label): `messages`, and `label` says whether their last answer is good.

    Attributes:
        messages: Turns in order; a usable record ends with the assistant.
        text: A document, for continued pretraining.
        rejected: The turns that may not follow the first `shared` messages; the better ones are `messages[shared:]`.
        shared: How many messages both answers follow; 0 where nothing is compared.
        label: Whether the last answer is good; None where nobody said.
        tools: JSON text of the tools that the assistant may call: `[{"type": "function", "function": {…}}]`, or "".
        source_row: Row of the source file, counted from 1.
        side: "train" or "held_back" where the source decides; empty where the split decides by hash.
    """

    messages: tuple[Message, ...] = ()
    text: str = ""
    rejected: tuple[Message, ...] = ()
    shared: int = 0
    label: bool | None = None
    tools: str = ""
    source_row: int = 0
    side: Literal["", "train", "held_back"] = ""

    @property
    def chosen(self) -> tuple[Message, ...]:
        """The better answer of two; empty where nothing is compared."""
        return self.messages[self.shared :] if self.rejected else ()

    @property
    def is_plain(self) -> bool:
        """Whether this is a conversation of roles and contents and nothing else."""
        more = self.text or self.rejected or self.tools or self.label is not None
        return not more and all(message.is_plain for message in self.messages)

    @property
    def key(self) -> str:
        """XXH3 of the content, 16 hex digits: the same row has the same key, in any file, always.

        All texts one behind the other, hashed from `turns_number` on; what says more than that goes in as JSON. Tells
        rows apart, proves nothing: who wants two rows with one key can make them.

        Whatever a later version adds to records must leave the keys of older records as they are: they decide which
        side a row is on.
        """
        if all(turn.is_plain and not turn.weight for turn in self.messages):  # `Plain.with_keys` has the same
            texts = [message.content.encode("utf-8") for message in self.messages]
            start = turns_number((turn.role, len(text)) for turn, text in zip(self.messages, texts, strict=True))
            digest = xxhash.xxh3_64(b"".join(texts), seed=start)
        else:
            digest = xxhash.xxh3_64(b"".join(_encode(message._content()) for message in self.messages))
        if self.text:
            digest.update(_encode({"text": self.text}))
        if self.rejected:
            digest.update(_encode({"rejected": [turn._content() for turn in self.rejected]}))
        if self.label is not None:
            digest.update(_encode({"label": self.label}))
        if self.tools:
            digest.update(_encode({"tools": self.tools}))
        return digest.hexdigest()
