"""Conversations side by side in rows of equal length, so that no work is lost on padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from bpe import ASSISTANT, CONTEXT, END, PAD, Loosener, render, special_id
from conversations import Conversation
from tokenizers import Tokenizer
from torch import Tensor

ROW_TOKENS = 256
OPEN_ROWS = 64
ANSWER_WEIGHT, QUESTION_WEIGHT = 1.0, 0.3
"""How much a word of an answer, and of a question, counts: enough to learn how people ask."""

QUESTION_STRIDE = 3
"""One in three words of a question is predicted at all: a prediction over the vocabulary is a sixth of a step's work."""

assert ROW_TOKENS <= CONTEXT


@dataclass(frozen=True)
class Batch:
    """Packed rows.

    Attributes:
        ids: (rows, tokens) token ids.
        positions: (rows, tokens) place within the own conversation, from 0.
        visible: (rows, 1, tokens, tokens) true where a token may look: earlier, and in its own conversation.
        weights: (rows, tokens - 1) weight of predicting the next token; 0 across conversations and on padding.
    """

    ids: Tensor
    positions: Tensor
    visible: Tensor
    weights: Tensor


@dataclass
class _Row:
    ids: list[int]
    owners: list[int]
    positions: list[int]
    answers: list[bool]

    @property
    def room(self) -> int:
        return ROW_TOKENS - len(self.ids)

    def add(self, ids: list[int], answers: list[bool]) -> None:
        owner = self.owners[-1] + 1 if self.owners else 0
        self.ids += ids
        self.owners += [owner] * len(ids)
        self.positions += range(len(ids))
        self.answers += answers


def pack(
    conversations: Iterator[Conversation], tokenizer: Tokenizer, rows: int, loosener: Loosener | None
) -> Iterator[Batch]:
    """Batches of `rows` packed rows, without end; conversations longer than a row are left out.

    Args:
        conversations: The text.
        tokenizer: From `bpe.train_tokenizer`.
        rows: Rows of a batch.
        loosener: Writes some words in pieces; None: none.
    """
    packed = _rows(conversations, tokenizer, loosener)
    pad = special_id(tokenizer, PAD)
    while True:
        yield _batch([next(packed) for _ in range(rows)], pad)


def _rows(conversations: Iterator[Conversation], tokenizer: Tokenizer, loosener: Loosener | None) -> Iterator[_Row]:
    assistant, end = special_id(tokenizer, ASSISTANT), special_id(tokenizer, END)
    opened: list[_Row] = []
    for conversation in conversations:
        ids = tokenizer.encode(render(conversation)).ids
        if loosener is not None:
            ids = loosener.loosen(ids)
        if len(ids) > ROW_TOKENS:
            continue
        fitting = [row for row in opened if row.room >= len(ids)]
        row = min(fitting, key=lambda row: row.room) if fitting else _Row([], [], [], [])
        if not fitting:
            opened.append(row)
        row.add(ids, _in_answer(ids, assistant, end))
        if len(opened) > OPEN_ROWS:
            fullest = min(opened, key=lambda row: row.room)
            opened.remove(fullest)
            yield fullest


def _in_answer(ids: list[int], assistant: int, end: int) -> list[bool]:
    """True for the tokens of an answer, its end token included, its role tag and the line feed after it not."""
    marks, inside = [], False
    for index, token in enumerate(ids):
        marks.append(inside and ids[index - 1] != assistant)
        if token == assistant:
            inside = True
        elif token == end:
            inside = False
    return marks


def _batch(rows: list[_Row], pad: int) -> Batch:
    def tensor(lists: list[list[int]], filling: int) -> Tensor:
        return torch.tensor([values + [filling] * (ROW_TOKENS - len(values)) for values in lists])

    ids = tensor([row.ids for row in rows], pad)
    owners = tensor([row.owners for row in rows], -1)
    answers = tensor([[int(mark) for mark in row.answers] for row in rows], 0)
    same = owners[:, :, None] == owners[:, None, :]
    visible = same & torch.ones(ROW_TOKENS, ROW_TOKENS, dtype=torch.bool).tril()  # (rows, tokens, tokens)
    learned = (owners[:, 1:] == owners[:, :-1]) & (owners[:, 1:] >= 0)
    places = torch.arange(len(rows))[:, None] + torch.arange(ROW_TOKENS - 1)
    question_weights = QUESTION_WEIGHT * (places % QUESTION_STRIDE == 0)
    weights = torch.where(answers[:, 1:] == 1, ANSWER_WEIGHT, question_weights) * learned
    return Batch(ids, tensor([row.positions for row in rows], 0), visible[:, None], weights)
