"""A dataset's rows, as they read now, as a JSONL file that this program and others read."""

import os
from pathlib import Path
from typing import Any

import msgspec

from studio.contract.errors import StudioError
from studio.contract.private_files import mode_of, share_as_before
from studio.contract.records import Message, Record
from studio.data.dataset import Dataset
from studio.data.wording import shown

_encoder = msgspec.json.Encoder()


def export(dataset: Dataset, path: Path) -> int:
    """Write all rows that are not left out, with what was rewritten, one JSON object a line; whole or not at all.

    Texts are written exactly. A conversation is `{"messages": [...]}`; a choice between two answers is
    `{"prompt": [...], "chosen": [...], "rejected": [...]}`, a rated answer has its `label`, plain text is `{"text"}`.

    Args:
        dataset: It.
        path: The file; what stood there is replaced once the new one is complete.

    Returns:
        Rows written.

    Raises:
        StudioError: `data.export_unwritable`; `data.export_onto_itself`.
    """
    if dataset.folder.resolve() in path.resolve().parents:
        raise StudioError(
            "data.export_onto_itself",
            "This folder is the dataset's own.",
            fix="Choose another place for the file.",
            where=shown(path.name, 120),
        )
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            number = _write(dataset, beside)
            share_as_before(beside, mode_of(path))
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise StudioError(
            "data.export_unwritable",
            "The file cannot be written; nothing was changed.",
            error.strerror or str(error),
            "Choose another place, or check the free space.",
            where=shown(path.name, 120),
        ) from error
    return number


def _write(dataset: Dataset, path: Path) -> int:
    number = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        for record in dataset.records():
            file.write(_encoder.encode(to_row(record)) + b"\n")
            number += 1
        file.flush()
        os.fsync(file.fileno())
    return number


def to_row(record: Record) -> dict[str, Any]:
    """A record as a row of a JSONL file, in the words that OpenAI's and TRL's files use."""
    text: Any = getattr(record, "text", "")
    if text and not record.messages:
        return {"text": text}
    turns = [_turn(message) for message in record.messages]
    rejected = [_turn(message) for message in getattr(record, "rejected", ())]
    row: dict[str, Any] = {"messages": turns}
    if rejected:
        shared = getattr(record, "shared", 0) or len(turns) - 1
        row = {"prompt": turns[:shared], "chosen": turns[shared:], "rejected": rejected}
    if getattr(record, "tools", ""):
        row["tools"] = msgspec.json.decode(getattr(record, "tools", ""))
    if getattr(record, "label", None) is not None:
        row["label"] = getattr(record, "label", None)
    return row


_NAMES = {"reasoning": "reasoning_content", "name": "name", "call_id": "tool_call_id"}


def _turn(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    turn |= {theirs: getattr(message, ours) for ours, theirs in _NAMES.items() if getattr(message, ours, "")}
    if message.weight:
        turn["weight"] = 0
    if getattr(message, "tool_calls", ""):
        calls = msgspec.json.decode(getattr(message, "tool_calls", ""))
        turn["tool_calls"] = [_call(call) for call in calls]
    return turn


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = {"name": call.get("name", ""), "arguments": call.get("arguments", {})}
    identity = {"id": call["id"]} if call.get("id") else {}
    return {**identity, "type": "function", "function": function}
