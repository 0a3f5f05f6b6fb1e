"""Unseen questions answered right: the whole answer is word for word as expected."""

import time
from collections.abc import Sequence
from typing import Any

from studio.contract.control import Control, Emit
from studio.contract.events import Progress
from studio.contract.metrics import same_words
from studio.contract.records import Message
from studio.engine import generate

FIRST_BATCH = 8
"""Small, so that a slow machine is noticed before much time is spent."""
BATCH, BATCH_OF_LARGE = 64, 16
LARGE = 1_000_000_000
"""Parameters from which on the memory for many answers at once counts."""
PATIENCE_SECONDS = 20.0
"""A machine that is slower than this gets fewer questions; before and after, the same ones count."""

Question = tuple[tuple[Message, ...], str]
"""A conversation that ends with the user, and the answer that is expected."""


def ask(
    model: Any,
    tokenizer: Any,
    questions: Sequence[Question],
    max_new_tokens: int,
    stage: str,
    emit: Emit,
    control: Control,
) -> list[bool]:
    """Ask a model greedily and compare; stops asking when patience runs out or the user ends the run.

    Returns:
        Whether each question that was asked is answered right; may be shorter than `questions`.
    """
    right: list[bool] = []
    began = time.monotonic()
    size = BATCH_OF_LARGE if sum(p.numel() for p in model.parameters()) >= LARGE else BATCH

    def ended() -> bool:
        return control.poll() in ("stop", "discard")

    while len(right) < len(questions):
        if right and time.monotonic() - began > PATIENCE_SECONDS:
            break
        emit(Progress(stage=stage, done=len(right), total=len(questions), unit="questions"))
        batch = questions[len(right) : len(right) + (size if right else FIRST_BATCH)]
        replies = generate.answers(model, tokenizer, [talk for talk, _ in batch], max_new_tokens, size, ended)
        if ended():
            break  # these answers may be cut
        right += [same_words(reply, wanted) for reply, (_, wanted) in zip(replies, batch, strict=True)]
    return right
