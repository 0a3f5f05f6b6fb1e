"""The work that every engine of `bench training` is given: random models of real shapes, rows of skewed length.

The facts behind its numbers: 600 rows of 29/195/253/500/1023 tokens (least, median, mean, 90 %, most), 57 % of which
are answer, are what the goals were set on. Nothing here needs a network; all of it follows from a seed.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 600
SHORTEST, MEDIAN, LONGEST = 29, 195, 1023
SPREAD = 0.733
"""Of the logarithm of lengths: a tenth of the rows is longer than 500 tokens, the mean is 253."""
ANSWER_SHARE = 0.57
HELD_BACK = 24
BATCH = 8
RANK = 16
RATE = 1e-3


@dataclass(frozen=True)
class Shape:
    """A model architecture of a certain size, and the length of the rows that it is measured with.

    Attributes:
        name: In tables and on the command line.
        architecture: transformers' name of the model type.
        options: Of its configuration.
        tokens: Tokens of every row; 0: skewed.
    """

    name: str
    architecture: str
    options: dict[str, Any] = field(default_factory=dict)
    tokens: int = 0


def _options(width: int, inner: int, layers: int, heads: int, groups: int, vocabulary: int = 32_000) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "head_dim": width // heads,
        "vocab_size": vocabulary,
    }


_TEN = _options(256, 512, 4, 4, 2)
CPU_SHAPES = {
    shape.name: shape
    for shape in (
        Shape("25M", "llama", _options(384, 1024, 8, 6, 2)),
        Shape("107M", "llama", _options(768, 2304, 12, 12, 4)),
        Shape("qwen3", "qwen3", _TEN),
        Shape("mistral", "mistral", _TEN | {"sliding_window": 256}),
        Shape("gemma3_text", "gemma3_text", _TEN | {"sliding_window": 256, "query_pre_attn_scalar": 64}),
        Shape("phi3", "phi3", _TEN | {"sliding_window": 256}),
        Shape("tiny", "llama", _options(32, 64, 2, 2, 1, vocabulary=320)),
    )
}
_LLAMA_1B = _options(2048, 8192, 16, 32, 8, vocabulary=128_256)
_LLAMA_8B = _options(4096, 14_336, 32, 32, 8, vocabulary=128_256)
_QWEN_1B = _options(2048, 6144, 28, 16, 8, vocabulary=151_936)
_QWEN_8B = _options(4096, 12_288, 36, 32, 8, vocabulary=151_936)
GPU_SHAPES = {
    f"{name}-{length or 'skewed'}": Shape(f"{name}-{length or 'skewed'}", architecture, options, length)
    for name, architecture, options in (
        ("llama-1B", "llama", _LLAMA_1B),
        ("qwen-1.7B", "qwen3", _QWEN_1B),
        ("llama-8B", "llama", _LLAMA_8B),
        ("qwen-8B", "qwen3", _QWEN_8B),
    )
    for length in (0, 2048, 8192)
}
"""The published shapes of Llama 3.2 1B, Llama 3.1 8B, Qwen3 1.7B and 8B."""


@dataclass(frozen=True)
class Work:
    """Rows in the order in which every engine reads them.

    Attributes:
        ids, learned: (tokens,) of all rows, one after the other; `learned` is 1 where a token is learned.
        starts: Where each row begins, (rows + 1,).
        batch: Rows of a step.
    """

    ids: np.ndarray
    learned: np.ndarray
    starts: np.ndarray
    batch: int

    def row(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids (tokens,), and labels with -100 where nothing is learned."""
        place = slice(self.starts[index], self.starts[index + 1])
        return self.ids[place], np.where(self.learned[place], self.ids[place], -100)

    def step(self, number: int) -> range:
        """The rows of a step, counted from 1."""
        return range((number - 1) * self.batch, number * self.batch)

    @property
    def held_back(self) -> range:
        """The rows that nobody learns from."""
        return range(len(self.starts) - 1 - HELD_BACK, len(self.starts) - 1)

    def lengths(self, steps: range) -> list[np.ndarray]:
        """Tokens of the rows of each step."""
        every = np.diff(self.starts)
        return [every[self.step(number)] for number in steps]

    def counts(self, steps: range) -> dict[str, int]:
        """Tokens, learned tokens, and places when each step is padded to its longest row."""
        chosen = self.lengths(steps)
        begin, end = self.starts[self.step(steps[0])[0]], self.starts[self.step(steps[-1])[-1] + 1]
        return {
            "tokens": int(sum(lengths.sum() for lengths in chosen)),
            "learned": int(self.learned[begin:end].sum()),
            "padded": int(sum(lengths.max() * len(lengths) for lengths in chosen)),
        }

    def save(self, path: Path) -> None:
        """Write it where `read_work` finds it."""
        np.savez(path, ids=self.ids, learned=self.learned, starts=self.starts, batch=self.batch)


def read_work(path: Path) -> Work:
    """What `Work.save` wrote."""
    with np.load(path, allow_pickle=False) as saved:
        return Work(saved["ids"], saved["learned"], saved["starts"], int(saved["batch"]))


def make_work(vocabulary: int, rows: int = ROWS, longest: int = LONGEST, fixed: int = 0, batch: int = BATCH) -> Work:
    """Random rows.

    Args:
        vocabulary: Ids are below it; the first ten are left to control tokens.
        rows: How many for training; HELD_BACK more come after them.
        longest: Longer rows are cut.
        fixed: Tokens of every row; 0: skewed.
        batch: Rows of a step.
    """
    dice = np.random.default_rng(20)
    normal = statistics.NormalDist()
    quantiles = [math.exp(math.log(MEDIAN) + SPREAD * normal.inv_cdf((i + 0.5) / rows)) for i in range(rows)]
    lengths = np.clip(np.round(quantiles), min(SHORTEST, longest), longest).astype(int)
    lengths[[0, -1]] = min(SHORTEST, longest), longest
    lengths = dice.permutation(np.full(rows, fixed) if fixed else lengths)
    lengths = np.concatenate([lengths, dice.choice(lengths, HELD_BACK)])
    answers = np.round(lengths * np.clip(dice.normal(ANSWER_SHARE, 0.12, len(lengths)), 0.1, 0.95)).astype(int)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    learned = np.zeros(starts[-1], dtype=np.uint8)
    for end, answer in zip(starts[1:], np.maximum(answers, 1), strict=True):
        learned[end - answer : end] = 1
    return Work(dice.integers(10, vocabulary, starts[-1]), learned, starts, batch)


def make_model(shape: Shape, folder: Path, tokenizer: Callable[[Path], Path], bf16: bool = False) -> None:
    """Write a random model with tied embeddings and a small tokenizer (rows are ids already) into a folder."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer(folder)
    options = dict(shape.options)
    if shape.architecture == "phi3":
        del options["head_dim"]
    config = AutoConfig.for_model(
        shape.architecture,
        **options,
        tie_word_embeddings=True,
        max_position_embeddings=max(2048, shape.tokens),
        bos_token_id=1,
        eos_token_id=3,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16 if bf16 else torch.float32)
    model.save_pretrained(folder)
    (folder / "shape.json").write_text(json.dumps(asdict(shape)), encoding="utf-8")


def operations(shape: Shape, work: Work, steps: range) -> float:
    """Operations that LoRA on all linear layers cannot do without, for these steps.

    `4 W tokens + 6 A tokens + 4 h V learned + attention`: the frozen weights W of the linear layers want no gradient of
    their own, the adapter's A do, the output layer (h, V) is needed where something is learned; of attention's scores
    half is masked, and its backward pass costs twice its forward pass. Computing twice (checkpointing) does not count.
    """
    o = shape.options
    width, inner, head = o["hidden_size"], o["intermediate_size"], o["head_dim"]
    out, groups = o["num_attention_heads"] * head, o["num_key_value_heads"] * head
    sizes = [(width, out), (width, groups), (width, groups), (out, width), *[(width, inner)] * 2, (inner, width)]
    if shape.architecture == "phi3":  # queries, keys and values are one layer; gate and up another
        sizes = [(width, out + 2 * groups), (out, width), (width, 2 * inner), (inner, width)]
    weights = o["num_hidden_layers"] * sum(a * b for a, b in sizes)
    adapter = o["num_hidden_layers"] * sum(RANK * (a + b) for a, b in sizes)
    counted = work.counts(steps)
    window = o.get("sliding_window") or 10**9
    pairs = sum(float(_seen(lengths, window).sum()) for lengths in work.lengths(steps))
    return float(
        (4 * weights + 6 * adapter) * counted["tokens"]
        + 4 * width * o["vocab_size"] * counted["learned"]
        + 12 * out * o["num_hidden_layers"] * pairs
    )


def _seen(lengths: np.ndarray, window: int) -> np.ndarray:
    """Pairs of tokens of which the later sees the earlier, by half a square, of each row."""
    before = np.minimum(lengths, window).astype(float)
    return before * before / 2 + (lengths - before) * before
