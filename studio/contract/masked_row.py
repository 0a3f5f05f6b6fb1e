"""A row as the model sees it."""

from typing import Literal

import msgspec


class MaskedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row by the trainer's own ids and labels.

    Attributes:
        row: Index in the dataset.
        pieces: Text of each token, in order; joined they are the text the model reads.
        ids: Token ids, (tokens).
        learned: Whether each token's label is learned, (tokens).
        fate: What the settings do with the row.
        cut_tokens: Tokens lost to cutting; `cut_answer_tokens` of them belonged to learned text.
        held_back: On the test side.
        excluded: The user left it out.
        limit: Longest text in tokens: the settings' or the model's, whichever is shorter; 0 where nobody said.
        control: Whether each token is a control token of the model, and not text that looks like one, (tokens); may be
            empty.
        rejected: The worse answer of two with the same question, as the model would see it; nothing of it is learned.
    """

    row: int
    pieces: tuple[str, ...]
    ids: tuple[int, ...]
    learned: tuple[bool, ...]
    fate: Literal["kept", "cut", "left_out", "nothing_to_learn"]
    cut_tokens: int = 0
    cut_answer_tokens: int = 0
    held_back: bool = False
    excluded: bool = False
    limit: int = 0
    control: tuple[bool, ...] = ()
    rejected: "MaskedRow | None" = None
