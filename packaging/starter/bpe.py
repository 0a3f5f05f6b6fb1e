"""The tokenizer: byte-level BPE with GPT-2's pre-tokenizer, so that GGUF readers know it by the name "gpt-2".

A role tag is followed by a line feed, never by a space: the first word of a message then always reads the same, whether the
template or a person wrote what stands before it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, END, USER, ASSISTANT, SYSTEM = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"
SPECIAL_TOKENS = [PAD, END, USER, ASSISTANT, SYSTEM]
VOCABULARY = 2048
CONTEXT = 512
LOOSE_SHARE, LOOSER_SHARE = 0.06, 0.4
"""How many tokens of the training text are written in their two pieces, and how many of those pieces in theirs."""

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] not in ['system', 'user', 'assistant'] -%}"
    "{{- raise_exception('This model knows the roles system, user and assistant.') -}}"
    "{%- endif -%}"
    "{{- '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>\\n' -}}{%- endif -%}"
)


def render(messages: list[dict[str, str]]) -> str:
    """A conversation exactly as CHAT_TEMPLATE writes it; faster, for millions of them."""
    return "".join(f"<|{message['role']}|>\n{message['content']}{END}" for message in messages)


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn the merges. Numbers up to 99 become one token each, so that they can be read, copied and compared."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=10,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_with_numbers(texts), trainer)
    return tokenizer


def _with_numbers(texts: Iterable[str]) -> Iterable[str]:
    numbers = " ".join(str(number) for number in range(100))
    for index, text in enumerate(texts):
        yield text
        if index % 100 == 0:
            yield f" {numbers}"


class Loosener:
    """Now and then writes a word in smaller pieces than the tokenizer would.

    The tokenizer makes every word of the closed world one token, and the pieces on the way there would never be trained: an
    adapter could not write a new word ("wifi"), which is made of just such pieces. This is BPE dropout (Provilkov et al.
    2020, arXiv 1910.13267) on the finished tokens, with dice that a seed repeats; those of the tokenizers library are not.
    """

    def __init__(self, tokenizer: Tokenizer, seed: int) -> None:
        model = json.loads(tokenizer.to_str())["model"]
        ids = model["vocab"]
        self._parts = {ids[left + right]: (ids[left], ids[right]) for left, right in model["merges"]}
        self._dice = random.Random(seed)

    def loosen(self, ids: list[int]) -> list[int]:
        """The same text, LOOSE_SHARE of its tokens in pieces."""
        return [piece for token in ids for piece in self._pieces(token, LOOSE_SHARE)]

    def _pieces(self, token: int, share: float) -> list[int]:
        if token not in self._parts or self._dice.random() >= share:
            return [token]
        left, right = self._parts[token]
        return self._pieces(left, LOOSER_SHARE) + self._pieces(right, LOOSER_SHARE)


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of one of SPECIAL_TOKENS.

    Raises:
        ValueError: This tokenizer does not have it, so it is not one that train_tokenizer made.
    """
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ValueError(f"The tokenizer lacks the token {token}.")
    return found


def wrap_tokenizer(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The tokenizer as transformers loads it: with chat template, end token and a pad token of its own."""
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[USER, ASSISTANT, SYSTEM],
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT,
        padding_side="left",
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped
