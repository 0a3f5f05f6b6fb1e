"""Greedy answers of a model, and how many are exactly right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from bpe import PAD, render
from transformers import PreTrainedModel, PreTrainedTokenizerFast

ANSWER_TOKENS = 48
BATCH = 50


@torch.no_grad()
def answer_greedily(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, conversations: Sequence[list[dict[str, str]]]
) -> list[str]:
    """The most likely answer to each conversation, in the order given."""
    prompts = [render(messages) + "<|assistant|>\n" for messages in conversations]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers = [""] * len(prompts)
    for start in range(0, len(order), BATCH):
        indices = order[start : start + BATCH]
        batch = tokenizer(
            [prompts[index] for index in indices], return_tensors="pt", padding=True, add_special_tokens=False
        )
        written = model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            max_new_tokens=ANSWER_TOKENS,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
        )
        for index, tokens in zip(indices, written[:, batch["input_ids"].shape[1] :], strict=True):
            answers[index] = tokenizer.decode(tokens, skip_special_tokens=True)
    return answers


def share_right(answers: Sequence[str], expected: Sequence[str]) -> float:
    """Share of answers that are exactly as expected."""
    return sum(given == right for given, right in zip(answers, expected, strict=True)) / len(expected)


def scores_by_kind(kinds: Sequence[str], answers: Sequence[str], expected: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Kind -> (right, all)."""
    scores: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for kind, given, right in zip(kinds, answers, expected, strict=True):
        good, total = scores[kind]
        scores[kind] = (good + (given == right), total + 1)
    return dict(scores)
