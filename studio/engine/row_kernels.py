"""Attention of many rows in one line by one kernel, on a GPU: torch's variable-length kernel, and FlexAttention.

Both compute what `attention` computes row by row, which stays the reference. The first is FlashAttention on half
precision numbers; the second, compiled by torch for the device, knows fp32 and capped scores, too.
"""

import functools
from typing import Any

import torch

WIDEST = 256
"""Head width up to which FlashAttention 2 has kernels; it wants multiples of 8."""
HALF = (torch.bfloat16, torch.float16)
"""The number formats that it knows."""
BLOCK = 128
"""FlexAttention's mask is kept in blocks of so many tokens."""

Masks = dict[int | None, Any]


def varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    row_lengths: tuple[int, ...],
    sliding_window: int | None,
    scaling: float | None,
) -> torch.Tensor | None:
    """Attention of one line by torch's variable-length kernel.

    Args:
        query: (1, heads, tokens, head width), half precision once autocast is applied.
        key: As `query`, perhaps of fewer heads.
        value: As `key`.
        row_lengths: Tokens of each row.
        sliding_window: How many tokens a token sees, itself included; None: all before it.
        scaling: Of the scores; None: one over the square root of the head width.

    Returns:
        (1, tokens, heads, head width); None where the kernel does not know the number format or width.
    """
    query, key, value = _as_autocast(query, key, value)
    width = query.shape[-1]
    if query.dtype not in HALF or width > WIDEST or width % 8:
        return None
    from torch.nn.attention.varlen import varlen_attn

    longest = max(row_lengths)
    # The kernel's window leaves the token itself out of the count; (-1, 0) is its name for plain causal attention.
    left = -1 if sliding_window is None or sliding_window >= longest else sliding_window - 1
    bounds = _bounds(row_lengths, query.device)
    lines = [x[0].transpose(0, 1) for x in (query, key, value)]  # (tokens, heads, head width)
    out = varlen_attn(
        *lines,
        bounds,
        bounds,
        longest,
        longest,
        scale=scaling,
        window_size=(left, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return out[None]  # type: ignore[index]


def flex(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    row_lengths: tuple[int, ...],
    sliding_window: int | None,
    scaling: float | None,
    softcap: float | None = None,
) -> torch.Tensor:
    """Attention of one line by FlexAttention; arguments and result as of `varlen`.

    Args:
        query, key, value, row_lengths, sliding_window, scaling: As of `varlen`; any number format.
        softcap: Scores s become softcap * tanh(s / softcap); None: they stay.
    """
    query, key, value = _as_autocast(query, key, value)
    out = _flex_attention(query.device.type)(
        query,
        key,
        value,
        score_mod=_capping(softcap),
        block_mask=block_mask(row_lengths, sliding_window, query.device),
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return out.transpose(1, 2)  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=4)
def block_mask(row_lengths: tuple[int, ...], sliding_window: int | None, device: torch.device) -> Any:
    """FlexAttention's mask of one line of rows; kept for the layers of a pass.

    A token sees from the beginning of its row, or of its window, to itself. Both ends never go back from one token to
    the next, so that the first and the last token of a block tell which blocks it sees in part and which wholly: no
    (tokens, tokens) array is made.
    """
    from torch.nn.attention.flex_attention import BlockMask

    first = _first_seen(row_lengths, sliding_window, device)
    tokens = len(first)
    count = -(-tokens // BLOCK)
    begins = torch.arange(count, device=device) * BLOCK  # of each block
    ends = (begins + BLOCK - 1).clamp(max=tokens - 1)
    mine, theirs = torch.arange(count, device=device)[:, None], torch.arange(count, device=device)[None]
    seen = (theirs <= mine) & (theirs >= first[begins][:, None] // BLOCK)
    whole = (theirs < mine) & (begins[None] >= first[ends][:, None])

    def sees(batch: torch.Tensor, head: torch.Tensor, place: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return (other <= place) & (other >= first[place])

    return BlockMask.from_kv_blocks(
        *_listed(seen & ~whole), *_listed(whole), BLOCK_SIZE=BLOCK, mask_mod=sees, seq_lengths=(tokens, tokens)
    )


def _first_seen(row_lengths: tuple[int, ...], sliding_window: int | None, device: torch.device) -> torch.Tensor:
    """The first token that each token sees, (tokens,)."""
    lengths = torch.tensor(row_lengths, device=device)
    first = (lengths.cumsum(0) - lengths).repeat_interleave(lengths, output_size=sum(row_lengths))
    if sliding_window is None:
        return first
    return torch.maximum(first, torch.arange(len(first), device=device) - sliding_window + 1)


def _listed(blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Truth values (blocks, blocks) as counts and places, as BlockMask wants them: (1, 1, blocks[, blocks])."""
    places = torch.argsort(blocks.int(), dim=-1, descending=True, stable=True)
    return blocks.sum(-1, dtype=torch.int32)[None, None], places.int()[None, None]


@functools.lru_cache(maxsize=4)
def _bounds(row_lengths: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Where each row begins, and the end, (rows + 1,), int32; kept for the layers of a pass."""
    ends = torch.tensor((0, *row_lengths), dtype=torch.int32)
    return ends.cumsum(0, dtype=torch.int32).to(device)


@functools.cache
def _capping(softcap: float | None) -> Any:
    """What becomes of a score; the same function for the same cap, so that nothing is compiled twice."""
    if softcap is None:
        return None

    def cap(score: torch.Tensor, *places: torch.Tensor) -> torch.Tensor:
        return softcap * torch.tanh(score / softcap)

    return cap


@functools.cache
def _flex_attention(device: str) -> Any:
    """Compiled on a GPU, for lines of any length; on a CPU, where its backward pass is not compiled, as it is."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=True) if device == "cuda" else flex_attention


def _as_autocast(*states: torch.Tensor) -> list[torch.Tensor]:
    """In autocast's number format, as torch's own attention would have them."""
    kind = states[0].device.type
    return [x.to(torch.get_autocast_dtype(kind)) for x in states] if torch.is_autocast_enabled(kind) else list(states)
