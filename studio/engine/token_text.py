"""Token ids back to text, piece by piece, so that the pieces joined are the decoded whole."""

from collections.abc import Sequence
from typing import Any

HELD_MOST = 8
"""Tokens: a character has at most four bytes, so after this many a broken byte is shown as it is."""


class Detokeniser:
    """Decodes a growing sequence; bytes of an unfinished character wait for the rest.

    Args:
        tokenizer: A fast tokenizer of transformers.
        ids: What was read before, whose text is not told again.
        skip_special: Leave out control tokens.
    """

    def __init__(self, tokenizer: Any, ids: Sequence[int] = (), skip_special: bool = False) -> None:
        self._tokenizer, self._skip = tokenizer, skip_special
        self._ids = list(ids)
        # Decoders treat the first token of a text apart (a leading space is dropped), so a few told tokens are
        # decoded along with each new one.
        self._window = max(0, len(self._ids) - 4)
        self._told = len(self._ids)

    def add(self, token: int) -> str:
        """Text that this token completes; empty while a character is unfinished."""
        self._ids.append(token)
        text = self._new_text()
        if text.endswith("�") and len(self._ids) - self._told < HELD_MOST:
            return ""
        self._tell()
        return text

    def rest(self) -> str:
        """What was held back, at the end."""
        if self._told == len(self._ids):
            return ""
        text = self._new_text()
        self._tell()
        return text

    def _new_text(self) -> str:
        before = self._decode(self._ids[self._window : self._told])
        return self._decode(self._ids[self._window :])[len(before) :]

    def _tell(self) -> None:
        self._window, self._told = self._told, len(self._ids)

    def _decode(self, ids: list[int]) -> str:
        return decode(self._tokenizer, ids, self._skip)


def decode(tokenizer: Any, ids: Sequence[int], skip_special: bool = False) -> str:
    """Text of ids as it is: no clean-up of spaces."""
    if not ids:
        return ""
    text = tokenizer.decode(list(ids), skip_special_tokens=skip_special, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)
    return text


def pieces(ids: Sequence[int], tokenizer: Any) -> list[str]:
    """Text of each token; joined they are the decoded whole.

    A character that several tokens make stands at the last of them; the others are empty.
    """
    machine = Detokeniser(tokenizer)
    told = [machine.add(token) for token in ids]
    if told:
        told[-1] += machine.rest()
    return told
