"""Answers: one streamed token by token for the chat, many at once, greedily, for tests."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch

from studio.contract.errors import StudioError
from studio.contract.records import Message
from studio.contract.sampling import Sampling
from studio.engine import virtual_tokens
from studio.engine.token_text import Detokeniser, decode
from studio.engine.tokens import Rules, encode

ShouldStop = Callable[[], bool]


def stream(
    model: Any, tokenizer: Any, messages: Sequence[Message], sampling: Sampling, should_stop: ShouldStop | None = None
) -> "Stream":
    """Answer a conversation piece by piece.

    Args:
        model: From `base_model.load`, with or without adapters.
        tokenizer: From `tokens.load_tokenizer`.
        messages: The turns; the last is the user's.
        sampling: How tokens are drawn; the same seed gives the same answer.
        should_stop: Asked before each token.

    Returns:
        An iterable of pieces of text that also tells the whole once it has ended.

    Raises:
        StudioError: Nothing is asked, or the conversation is longer than the model's context.
    """
    ids = encode(messages, tokenizer, Rules(), reply=True).ids
    _require_room(model, len(ids))
    return Stream(model, tokenizer, ids, sampling, should_stop or (lambda: False))


class Stream:
    """One answer, to be iterated once.

    Attributes:
        text: All that was written so far.
        tokens: How many tokens that took, the end token included.
        ended: "end_token", "length" (the limit, or the context is full) or "stopped".
    """

    def __init__(
        self, model: Any, tokenizer: Any, ids: Sequence[int], sampling: Sampling, should_stop: ShouldStop
    ) -> None:
        self.text = ""
        self.tokens = 0
        self.ended: Literal["end_token", "length", "stopped"] = "length"
        self._model, self._tokenizer, self._ids = model, tokenizer, list(ids)
        self._sampling, self._should_stop = sampling, should_stop

    def __iter__(self) -> Iterator[str]:
        text = Detokeniser(self._tokenizer, skip_special=True)
        for token in self._draw():
            piece = text.add(token)
            if piece:
                self.text += piece
                yield piece
        piece = text.rest()
        if piece:
            self.text += piece
            yield piece

    def _draw(self) -> Iterator[int]:
        """Ids up to the end token, which is counted but not told."""
        model, sampling = self._model, self._sampling
        ends = end_ids(model, self._tokenizer)
        sampler = Sampler(sampling, len(self._tokenizer))
        most = min(sampling.max_new_tokens, context(model) - len(self._ids))
        seen = list(self._ids)
        cache: Any = None
        new = torch.tensor([self._ids], device=model.device)  # (1, tokens)
        for _ in range(most):
            if self._should_stop():
                self.ended = "stopped"
                return
            with answering(model):
                told = model(input_ids=new, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache = told.past_key_values
            token = sampler.choose(told.logits[0, -1], seen)
            self.tokens += 1
            if token in ends:
                self.ended = "end_token"
                return
            seen.append(token)
            new = torch.tensor([[token]], device=model.device)
            yield token
        self.ended = "length"


class Sampler:
    """Chooses the next token: repetition penalty, temperature, top-k, top-p, in this order as transformers does.

    Draws on the CPU in fp32 from a generator of its own, so that the seed decides whatever the device.

    Args:
        sampling: temperature 0 takes the likeliest.
        vocabulary: Tokens that the tokenizer knows; a model's output may be padded beyond them.
    """

    def __init__(self, sampling: Sampling, vocabulary: int) -> None:
        self._sampling, self._vocabulary = sampling, vocabulary
        self._dice = torch.Generator().manual_seed(sampling.seed)

    def choose(self, logits: torch.Tensor, seen: Sequence[int]) -> int:
        """The next token.

        Args:
            logits: Scores, (vocabulary).
            seen: The prompt and what was written, for the repetition penalty.

        Raises:
            StudioError: The scores are no finite numbers; what would be chosen by them means nothing.
        """
        wish = self._sampling
        scores = logits.detach()[: self._vocabulary].float()
        if not bool(torch.isfinite(scores).all()):
            raise StudioError(
                "chat.not_finite",
                "The model computes numbers that are not finite, so it has no answer.",
                "Numbers in its weights, or in the adapter's, are too large.",
                "Use another adapter, or train it again with a lower learning speed.",
            )
        if wish.repetition_penalty != 1:
            place = torch.tensor(sorted(set(seen)), device=scores.device)
            old = scores[place]
            scores = scores.clone()
            scores[place] = torch.where(old < 0, old * wish.repetition_penalty, old / wish.repetition_penalty)
        if wish.temperature == 0:
            return int(scores.argmax())
        scores = scores.cpu() / wish.temperature
        if 0 < wish.top_k < len(scores):
            scores[scores < scores.topk(wish.top_k).values[-1]] = -torch.inf
        chances = scores.softmax(0)
        if wish.top_p < 1:
            falling, order = chances.sort(descending=True)
            # The first token that reaches top_p still counts.
            beyond = falling.cumsum(0) - falling >= wish.top_p
            chances[order[beyond]] = 0
        return int(torch.multinomial(chances, 1, generator=self._dice))


def answers(
    model: Any,
    tokenizer: Any,
    conversations: Sequence[Sequence[Message]],
    max_new_tokens: int,
    batch_size: int = 64,
    should_stop: ShouldStop | None = None,
) -> list[str]:
    """Answer many conversations, always with the likeliest token.

    Args:
        model: From `base_model.load`, with or without adapters.
        tokenizer: From `tokens.load_tokenizer`.
        conversations: Each ends with the user's turn.
        max_new_tokens: Longest answer.
        batch_size: Conversations at once; sorted by length, so that little is padded.
        should_stop: Asked before each token; what is not answered yet stays as it is then.

    Returns:
        The answers in the order of the conversations, without their end tokens.

    Raises:
        StudioError: A conversation is longer than the model's context.
    """
    prompts = [encode(messages, tokenizer, Rules(), reply=True).ids for messages in conversations]
    for prompt in prompts:
        _require_room(model, len(prompt))
    stop = should_stop or (lambda: False)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    written: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = _Batch(model, tokenizer, [prompts[i] for i in chosen])
        with answering(model):
            for place, ids in zip(chosen, batch.write(max_new_tokens, stop), strict=True):
                written[place] = ids
    return [decode(tokenizer, ids, skip_special=True) for ids in written]


class _Batch:
    """Prompts of similar length, padded on the left, answered together; ended answers leave the batch."""

    def __init__(self, model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]]) -> None:
        longest = max(len(prompt) for prompt in prompts)
        pad = tokenizer.pad_token_id
        gaps = [longest - len(prompt) for prompt in prompts]
        device = model.device
        self._ids = torch.tensor([[pad] * gap + list(p) for gap, p in zip(gaps, prompts, strict=True)], device=device)
        self._mask = torch.tensor([[0] * gap + [1] * (longest - gap) for gap in gaps], device=device)
        self._model = model
        self._ends = end_ids(model, tokenizer)
        self._vocabulary = len(tokenizer)
        self._room = context(model) - longest

    def write(self, most: int, should_stop: ShouldStop) -> list[list[int]]:
        """Ids of each answer, end token excepted."""
        written: list[list[int]] = [[] for _ in self._ids]
        rows = list(range(len(written)))  # which answers are still being written
        mask, new = self._mask, self._ids  # (rows, tokens so far), (rows, new tokens)
        places = (mask.cumsum(1) - 1).clamp(min=0)
        cache: Any = None
        for _ in range(min(most, self._room)):
            if should_stop():
                break
            told = self._model(
                input_ids=new,
                attention_mask=mask,
                position_ids=places,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = told.past_key_values
            tokens = told.logits[:, -1, : self._vocabulary].argmax(-1)  # (rows)
            kept = []
            for line, token in enumerate(tokens.tolist()):
                if token not in self._ends:
                    written[rows[line]].append(token)
                    kept.append(line)
            if not kept:
                break
            places = places[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            if len(kept) < len(rows):
                rows = [rows[line] for line in kept]
                index = torch.tensor(kept, device=mask.device)
                mask, places, tokens = mask[index], places[index], tokens[index]
                cache.batch_select_indices(index)
            new = tokens[:, None]
        return written


@contextmanager
def answering(model: Any) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards the model is as it was (a run tests itself in between)."""
    was_training = model.training
    if was_training:
        model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        if was_training:
            model.train()


def end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end an answer: the tokenizer's and those of the model's generation_config."""
    told = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    more = told if isinstance(told, list) else [told]
    return frozenset([*tokenizer.end_ids, *(i for i in more if isinstance(i, int))])


def context(model: Any) -> int:
    """Longest text the model was made for, in tokens, without those that an adapter puts before it."""
    return int(getattr(model.config, "max_position_embeddings", 0) or 2**31) - virtual_tokens.count(model)


def _require_room(model: Any, length: int) -> None:
    most = context(model)
    if length >= most:
        raise StudioError(
            "chat.too_long",
            f"The conversation has {length:,} tokens; the model reads at most {most:,}.",
            "Nothing is left for an answer.",
            "Shorten the question, or start a new conversation.",
        )
