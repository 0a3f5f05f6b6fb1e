"""Conversations, what is learned of them, and tokenizers with a template of one's own."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio.contract.records import Message
from studio.engine.tokens import NOTHING, Encoded


def talk(pairs: Sequence[tuple[str, str]]) -> list[Message]:
    """Turns from (role, content)."""
    return [Message(role, content) for role, content in pairs]  # type: ignore[arg-type]


def learned(encoded: Encoded, tokenizer: Any) -> list[str]:
    """Decoded text of each stretch of learned tokens."""
    stretches: list[list[int]] = []
    before = NOTHING
    for id_, label in zip(encoded.ids, encoded.labels, strict=True):
        assert label in (NOTHING, id_)
        if label != NOTHING and before == NOTHING:
            stretches.append([])
        if label != NOTHING:
            stretches[-1].append(id_)
        before = label
    return [tokenizer.decode(ids, clean_up_tokenization_spaces=False) for ids in stretches]


def edit_tokenizer(folder: Path, **changes: object) -> Path:
    """Changes values of a tokenizer_config.json; None removes one."""
    path = folder / "tokenizer_config.json"
    told = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({k: v for k, v in told.items() if v is not None}), encoding="utf-8")
    return folder
