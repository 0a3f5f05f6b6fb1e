"""Which rows go into which step, and how rows become tensors.

The plan of an epoch follows from the seed and the epoch's number alone, so the place in it is all that a checkpoint
has to keep. Rows of similar length share a batch (less padding), but only within chunks of shuffled rows, and the
order of the batches is shuffled again.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import torch

from studio.contract.plan import replayed_rows, steps_per_epoch
from studio.engine import attention

CHUNK_BATCHES = 8
"""Effective batches that are sorted by length together."""


class Rows:
    """Encoded rows, compact: 4 bytes for an id and 1 for whether it is learned.

    A row's first token is never learned: nothing predicts it.
    """

    def __init__(self, rows: Iterable[tuple[Sequence[int], Sequence[int]]] = ()) -> None:
        """Take rows as (ids, labels), where a label of -100 is not learned."""
        self._ids, self._learned, self._starts = array("i"), bytearray(), array("q", [0])
        for ids, labels in rows:
            self.append(ids, labels)

    def append(self, ids: Sequence[int], labels: Sequence[int]) -> None:
        """Add one row, (tokens,) each; not while `row` or a property's array is in use."""
        self._ids.extend(array("i", [int(i) for i in ids]))
        self._learned.extend(bytes(int(place > 0 and label != -100) for place, label in enumerate(labels)))
        self._starts.append(len(self._ids))

    def joined(self, others: "Rows") -> "Rows":
        """These rows and then the others."""
        both = Rows()
        both._ids, both._learned = self._ids + others._ids, self._learned + others._learned
        both._starts = array("q", np.concatenate((self.starts, others.starts[1:] + len(self._ids))).tobytes())
        return both

    @property
    def ids(self) -> np.ndarray:
        """All tokens of all rows, (tokens,), int32."""
        return np.frombuffer(self._ids, dtype=np.int32)

    @property
    def learned(self) -> np.ndarray:
        """Whether each is learned, (tokens,), bool."""
        return np.frombuffer(self._learned, dtype=bool)

    @property
    def starts(self) -> np.ndarray:
        """Where each row begins, (rows + 1,), int64."""
        return np.frombuffer(self._starts, dtype=np.int64)

    @property
    def longest(self) -> int:
        """Tokens of the longest row; 0 without rows."""
        return int(self.lengths.max(initial=0))

    def digest(self) -> str:
        """SHA-256 of all rows."""
        return hashlib.sha256(self._ids.tobytes() + self._learned + self._starts.tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self._starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, (rows,)."""
        return np.diff(self.starts)

    @property
    def learned_counts(self) -> np.ndarray:
        """Learned tokens of each row, (rows,)."""
        sums = np.concatenate(([0], np.cumsum(self.learned, dtype=np.int64)))
        return sums[self.starts[1:]] - sums[self.starts[:-1]]

    def row(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids and learned marks of one row, both (tokens,)."""
        place = slice(self.starts[index], self.starts[index + 1])
        return self.ids[place], self.learned[place]


class Batch(msgspec.Struct, frozen=True):
    """Rows as tensors, on one device.

    Padded, a line is a row; pads stand on the right, where no causal model sees them from a real token, so no
    attention mask is needed. Packed, all rows lie in one line and `positions` restart at each.

    Attributes:
        ids: (lines, tokens).
        positions: (lines, tokens) where packed, else None.
        attention: Further arguments for the model.
        learned: Line and place of each learned token, both (learned,).
        row_of_learned: Which row it belongs to, (learned,).
        row_lengths: Tokens of the row that each place belongs to, (lines, tokens).
        rows: Number of rows.
        tokens: Tokens read, pads left out.
    """

    ids: torch.Tensor
    positions: torch.Tensor | None
    attention: dict[str, Any]
    learned: tuple[torch.Tensor, torch.Tensor]
    row_of_learned: torch.Tensor
    row_lengths: torch.Tensor
    rows: int
    tokens: int

    @property
    def learned_tokens(self) -> int:
        """Tokens with a label."""
        return self.row_of_learned.numel()


def collate(rows: Rows, indices: Sequence[int], pad_id: int, device: torch.device, packed: bool = False) -> Batch:
    """Make one batch, in the order of `indices`."""
    chosen = [rows.row(index) for index in indices]
    lengths = [len(row_ids) for row_ids, _ in chosen]
    row_of: np.ndarray
    if packed:
        ids = np.concatenate([row_ids for row_ids, _ in chosen])[None]
        learned = np.concatenate([mark for _, mark in chosen])[None]
        row_of = np.repeat(np.arange(len(chosen)), lengths)[None]
        positions = torch.from_numpy(np.concatenate([np.arange(n) for n in lengths])[None]).to(device)
    else:
        shape = (len(chosen), max(lengths))
        ids, learned = np.full(shape, pad_id, dtype=np.int32), np.zeros(shape, dtype=bool)
        for number, (row_ids, mark) in enumerate(chosen):
            ids[number, : len(row_ids)], learned[number, : len(mark)] = row_ids, mark
        row_of = np.broadcast_to(np.arange(shape[0])[:, None], shape)
        positions = None
    line, place = np.nonzero(learned)
    return Batch(
        ids=torch.from_numpy(ids.astype(np.int64)).to(device),
        positions=positions,
        attention=attention.arguments(tuple(lengths), device) if packed else {},
        learned=(torch.from_numpy(line).to(device), torch.from_numpy(place).to(device)),
        row_of_learned=torch.from_numpy(row_of[line, place]).to(device),
        row_lengths=torch.from_numpy(np.asarray(lengths)[row_of]).to(device),
        rows=len(chosen),
        tokens=sum(lengths),
    )


class Plan:
    """The order of rows in every epoch.

    Training rows come first in the common numbering, general rows after them. Each epoch reads every training row
    once and draws so many general rows that they are `replay_share` of all.

    Args:
        lengths: Tokens of all rows, (train_rows + general_rows,).
        train_rows: How many of them are training rows.
        replay_share: Share of general rows in an epoch; without general rows it is 0.
        effective_batch: Rows of one step: batch size times accumulation.
        seed: Decides all orders and draws.
    """

    def __init__(
        self, lengths: np.ndarray, train_rows: int, replay_share: float, effective_batch: int, seed: int
    ) -> None:
        self.lengths = lengths
        self.train_rows = train_rows
        self.general_rows = len(lengths) - train_rows
        share = replay_share if self.general_rows else 0.0
        self.replayed = replayed_rows(train_rows, share)
        self.effective_batch = effective_batch
        self.seed = seed

    @property
    def steps_per_epoch(self) -> int:
        """Effective batches of one epoch; the last may hold fewer rows."""
        return steps_per_epoch(self.train_rows + self.replayed, self.effective_batch)

    def epoch(self, number: int) -> list[np.ndarray]:
        """Row numbers of each step of one epoch (counted from 0), shortest first.

        Every step holds its share of general rows, to within one row: a step of general rows alone would undo what the
        others teach, and its loss would say nothing about the examples.
        """
        dice = np.random.default_rng([self.seed, number])
        own, general = dice.permutation(self.train_rows), self.train_rows + self._draw(dice)
        sizes = np.full(self.steps_per_epoch, self.effective_batch)
        sizes[-1] = len(own) + len(general) - sizes[:-1].sum()
        ends = np.cumsum(sizes)
        of_general = np.diff(np.floor(ends * len(general) / max(1, ends[-1]) + 0.5), prepend=0).astype(int)
        pairs = zip(self._alike(own, sizes - of_general), self._alike(general, of_general), strict=True)
        batches = [np.concatenate(pair) for pair in pairs]
        batches = [batch[np.argsort(self.lengths[batch], kind="stable")] for batch in batches]
        return [batches[i] for i in dice.permutation(len(batches))]

    def _alike(self, order: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
        """The rows cut into as many as wanted each, those of similar length together."""
        start = 0
        for first in range(0, len(counts), CHUNK_BATCHES):
            wanted = counts[first : first + CHUNK_BATCHES]
            piece = order[start : start + wanted.sum()]
            start += len(piece)
            piece = piece[np.argsort(self.lengths[piece], kind="stable")]
            yield from np.split(piece, np.cumsum(wanted)[:-1])

    def _draw(self, dice: np.random.Generator) -> np.ndarray:
        """General rows of one epoch: no row twice before every row was drawn once."""
        rounds = -(-self.replayed // max(1, self.general_rows))
        drawn = [dice.permutation(self.general_rows) for _ in range(rounds)]
        return np.concatenate(drawn)[: self.replayed] if drawn else np.zeros(0, dtype=np.int64)


class Feed:
    """Goes through the plan step by step; `place` is all that must be saved to go on from there."""

    def __init__(self, plan: Plan, epoch: int = 0, batch: int = 0) -> None:
        self.plan = plan
        self.epoch = epoch
        self.batch = batch
        self._batches = plan.epoch(epoch)

    @property
    def place(self) -> tuple[int, int]:
        """Epoch, and batch within it, of the next step."""
        return self.epoch, self.batch

    @property
    def epochs_read(self) -> float:
        """Passes over the data so far."""
        return self.epoch + self.batch / len(self._batches)

    def next_step(self) -> np.ndarray:
        """Row numbers of the next effective batch, shortest first."""
        if self.batch >= len(self._batches):
            self.epoch, self.batch = self.epoch + 1, 0
            self._batches = self.plan.epoch(self.epoch)
        self.batch += 1
        return self._batches[self.batch - 1]
