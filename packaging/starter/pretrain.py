"""Training the starter model from scratch: fp32, AdamW, a fixed number of steps, so that a seed reproduces."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from bpe import CONTEXT, END, PAD, VOCABULARY, special_id
from conversations import FINISH, MAIN, POLISH, PRACTICE, Mixture
from packing import ANSWER_WEIGHT, Batch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

REPORT_EVERY = 20
RARE = 100
"""A token that was read fewer times has learned nothing but to be avoided."""


@dataclass(frozen=True)
class Cycle:
    """One rise and fall of the learning rate.

    Attributes:
        steps: Length; fixed, not a time box, so that a seed reproduces.
        early_steps: So many of them use the easier text.
        learning_rate: The peak.
        text_seed: Seed of the text that this cycle reads.
        mixture: What that text is made of.
        loose: Whether some words are written in pieces.
    """

    steps: int
    early_steps: int
    learning_rate: float
    text_seed: int
    mixture: Mixture
    loose: bool = True


@dataclass(frozen=True)
class Recipe:
    """What decides the weights, besides the text. Each cycle was measured to add to those before."""

    seed: int = 0
    cycles: tuple[Cycle, ...] = (
        Cycle(1000, 180, 3e-3, 100, MAIN),
        Cycle(1600, 0, 2e-3, 200, PRACTICE),
        Cycle(1000, 0, 1.5e-3, 300, POLISH),
        Cycle(900, 0, 1.2e-3, 500, FINISH, loose=False),
    )
    rows: int = 8
    final_share: float = 0.02
    warmup_steps: int = 100
    weight_decay: float = 0.05
    max_grad_norm: float = 1.0

    @property
    def steps(self) -> int:
        """Steps of all cycles."""
        return sum(cycle.steps for cycle in self.cycles)


def make_model(tokenizer: Tokenizer, seed: int) -> LlamaForCausalLM:
    """A Llama with 3.1 million random weights."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=None,
        eos_token_id=special_id(tokenizer, END),
        pad_token_id=special_id(tokenizer, PAD),
    )
    return LlamaForCausalLM(config)


def train_model(
    model: LlamaForCausalLM,
    early: Iterator[Batch],
    main: Iterator[Batch],
    cycle: Cycle,
    recipe: Recipe,
    report: Callable[[str], None],
) -> Tensor:
    """Train one cycle in place: `cycle.early_steps` batches of the easier text, then the main text.

    Returns:
        How often each token was read, (vocabulary,).
    """
    optimiser = _make_optimiser(model, cycle, recipe)
    model.train()
    started, losses = time.monotonic(), []
    seen = torch.zeros(model.config.vocab_size, dtype=torch.long)
    for step in range(cycle.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(step, cycle, recipe)
        batch = next(early if step < cycle.early_steps else main)
        seen += batch.ids.flatten().bincount(minlength=len(seen))
        loss, answer_loss = weighted_loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(answer_loss)
        if (step + 1) % REPORT_EVERY == 0:
            seconds = time.monotonic() - started
            mean = sum(losses[-REPORT_EVERY:]) / REPORT_EVERY
            speed = (step + 1) * batch.ids.numel() / seconds
            report(f"step {step + 1}/{cycle.steps}  answer loss {mean:.4f}  {seconds:.0f} s  {speed:.0f} tokens/s")
    model.eval()
    return seen


@torch.no_grad()
def settle_rare(model: LlamaForCausalLM, seen: Tensor, seed: int) -> None:
    """Give tokens that were hardly ever read (most bytes beyond ASCII) a place among the others.

    Training only ever told the model not to write them, which pushed them far out, where no adapter reaches them. Drawn
    from the normal distribution of the trained tokens, as is done for new tokens (Hewitt 2021, "Initializing New Word
    Embeddings for Pretrained Language Models"), they stay unlikely and can be learned.

    Args:
        model: Trained; changed in place.
        seen: How often each token was read, (vocabulary,).
        seed: Of the draws.
    """
    table = model.get_input_embeddings().weight  # (vocabulary, hidden)
    rare = seen < RARE
    trained = table[~rare]
    spread = trained.T.cov() + 1e-5 * torch.eye(table.shape[1])
    torch.manual_seed(seed)
    table[rare] = torch.distributions.MultivariateNormal(trained.mean(dim=0), spread).sample((int(rare.sum()),))


def learning_rate_at(step: int, cycle: Cycle, recipe: Recipe) -> float:
    """Linear warm-up, then cosine down to `final_share` of the peak."""
    warmup = min(1.0, (step + 1) / recipe.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * step / cycle.steps))
    return cycle.learning_rate * warmup * (recipe.final_share + (1 - recipe.final_share) * cosine)


def weighted_loss(model: LlamaForCausalLM, batch: Batch) -> tuple[Tensor, float]:
    """Weighted mean cross-entropy, and the plain mean over answers alone (for the report)."""
    hidden = model.model(
        input_ids=batch.ids, attention_mask=batch.visible, position_ids=batch.positions, use_cache=False
    ).last_hidden_state[:, :-1]  # (rows, tokens - 1, hidden)
    learned = batch.weights > 0
    weights = batch.weights[learned]  # (learned,)
    logits = model.lm_head(hidden[learned])  # (learned, vocabulary)
    losses = functional.cross_entropy(logits, batch.ids[:, 1:][learned], reduction="none")
    answers = weights == ANSWER_WEIGHT
    return (losses * weights).sum() / weights.sum(), float(losses.detach()[answers].mean())


def _make_optimiser(model: LlamaForCausalLM, cycle: Cycle, recipe: Recipe) -> torch.optim.Optimizer:
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=cycle.learning_rate, betas=(0.9, 0.98), fused=True)
