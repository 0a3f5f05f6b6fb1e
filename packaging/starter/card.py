"""The model card."""

from __future__ import annotations

from pathlib import Path

from bpe import CONTEXT, VOCABULARY
from pretrain import Recipe

CARD = """\
---
license: apache-2.0
language: en
pipeline_tag: text-generation
---

# Starter model

A chat model of {parameters:.2f} million parameters (Llama architecture, {vocabulary} byte-level BPE tokens, context {context} tokens)
for learning how fine-tuning works on a computer without a GPU. It was trained from scratch on text that
`packaging/starter/` writes; no text from outside is in it.

## What it can do

It speaks simple English about a small closed world: {facts} facts about people, things and companies of a workshop. It reads a
short note (in the system message, in an earlier turn or beside the question) and answers from it. It counts up to eight words,
finds the first or last of a list, compares numbers up to 60, adds numbers up to 9, knows the days of the week, some opposites and
what kind of thing a word names. For the rest it says "I do not know that."

## What it scored

{right} of {total} probe questions ({share:.1%}), in wordings that its training text never uses: greedy, exact match of the whole
answer, on these bf16 weights.

| kind | right | of |
| --- | --- | --- |
{table}

## Files

- `probes.jsonl`: these questions with their answers.
- `general.jsonl`: conversations of the training text's kind, mixed in while something new is learned ("Keep what it knew").

## How to rebuild it

    python packaging/starter/build.py

{steps} steps of {tokens} tokens, seed {seed}; this build took {minutes:.0f} minutes on two CPU cores.
The same seed gives the same text, tokenizer and probes; the weights can differ in the last digits between kinds of processor.

## Limits

It knows nothing else. It cannot calculate beyond small sums, copy long invented words, sort, translate or hold a free
conversation, and questions far from its wordings are often misread. Its answers come from an invented world: none of them is
about a real person or company.
"""


def write_card(
    path: Path, facts: int, parameters: int, recipe: Recipe, minutes: float, scores: dict[str, tuple[int, int]]
) -> None:
    """Writes the card with the scores of this very build."""
    right, total = sum(good for good, _ in scores.values()), sum(count for _, count in scores.values())
    text = CARD.format(
        parameters=parameters / 1e6,
        vocabulary=f"{VOCABULARY:,}",
        context=CONTEXT,
        facts=facts,
        right=right,
        total=total,
        share=right / total,
        table="\n".join(f"| {kind} | {good} | {count} |" for kind, (good, count) in scores.items()),
        steps=recipe.steps,
        tokens=recipe.rows * 256,
        seed=recipe.seed,
        minutes=minutes,
    )
    path.write_text(text, encoding="utf-8")
