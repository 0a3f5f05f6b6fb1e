"""Attention that never looks across rows: several rows lie in one line, each is attended to alone.

Registered through transformers' public attention interface, so that it works in every architecture that has it. A
model loaded with one of these names attends as usual wherever no rows are named (generation, padded batches). On a GPU
one kernel may take all rows together (`row_kernels`); a run says so by another name, once that was tried.
"""

import functools
import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch

from studio.engine import row_kernels

SDPA = "rows"
"""Row by row with torch's scaled dot product attention."""
CAPPED = "capped_rows"
"""Row by row with the architecture's own eager attention, which knows capped scores (gemma2)."""
VARLEN = "rows_varlen"
"""All rows together by torch's variable-length kernel; SDPA where that does not know the numbers."""
FLEX = "rows_flex"
"""All rows together by FlexAttention; SDPA where no rows are named."""
CAPPED_FLEX = "capped_rows_flex"
"""As FLEX, with capped scores; eager where no rows are named."""

Kernel = Callable[..., torch.Tensor | None]
Attend = Callable[..., tuple[torch.Tensor, Any]]


def register() -> None:
    """Make these names known to transformers; twice does no harm."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    alone = functools.partial(_attend, sdpa_attention_forward, False)
    alone_capped = functools.partial(_attend, _own_eager, True)
    AttentionInterface.register(SDPA, alone)
    AttentionInterface.register(CAPPED, alone_capped)
    AttentionInterface.register(VARLEN, functools.partial(_attend_together, row_kernels.varlen, alone))
    AttentionInterface.register(FLEX, functools.partial(_attend_together, row_kernels.flex, alone))
    AttentionInterface.register(CAPPED_FLEX, functools.partial(_attend_together, row_kernels.flex, alone_capped))
    for name in (SDPA, VARLEN, FLEX):
        AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
    for name in (CAPPED, CAPPED_FLEX):
        AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS["eager"])


def kernels(capped: bool, dtype: torch.dtype = torch.bfloat16) -> tuple[str, ...]:
    """Names of the ways to take all rows together that may be tried, the best first.

    Args:
        capped: Whether the architecture caps its scores.
        dtype: Of the states.
    """
    if capped:
        return (CAPPED_FLEX,)
    return (VARLEN, FLEX) if dtype in row_kernels.HALF else (FLEX,)


def arguments(row_lengths: tuple[int, ...], device: torch.device) -> dict[str, Any]:
    """What a model needs to be told about one line that holds rows of these lengths, one after the other.

    The empty mask of four dimensions is transformers' way to be told that no mask need be made.
    """
    return {"row_lengths": row_lengths, "attention_mask": torch.empty(1, 1, 1, 0, device=device)}


def _attend_together(
    kernel: Kernel,
    alone: Attend,
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    row_lengths: tuple[int, ...] | None = None,
    sliding_window: int | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, Any]:
    """Attention of one layer by a kernel that takes all rows at once; as `_attend` where it cannot.

    Dropout of scores is nothing that these kernels know.
    """
    given: dict[str, Any] = {"sliding_window": sliding_window, "scaling": scaling}
    if softcap is not None:
        given["softcap"] = softcap
    if row_lengths is not None and not dropout:
        out = kernel(query, key, value, row_lengths, **given)
        if out is not None:
            return out, None
    return alone(
        module, query, key, value, attention_mask, row_lengths=row_lengths, dropout=dropout, **given, **options
    )


def _own_eager(module: torch.nn.Module, *states: Any, **options: Any) -> tuple[torch.Tensor, Any]:
    """Eager attention of the module's own architecture."""
    architecture = sys.modules[type(module).__module__]
    return architecture.eager_attention_forward(module, *states, **options)  # type: ignore[no-any-return]


def _attend(
    attend: Attend,
    explicit: bool,
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    row_lengths: tuple[int, ...] | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[torch.Tensor, Any]:
    """Attention of one layer.

    Args:
        attend: For one batch of rows of equal length.
        explicit: Whether `attend` always needs a mask, as numbers to be added.
        module: The layer.
        query: (lines, heads, tokens, head width); `key` and `value` may have fewer heads.
        key: As `query`.
        value: As `query`.
        attention_mask: Used where no rows are named.
        row_lengths: Tokens of each row of the one line; None where a line is a row.
        sliding_window: How many tokens a token sees, itself included; None: all before it.
        options: For `attend`.

    Returns:
        (lines, tokens, heads, head width), and what `attend` returns beside it.
    """
    if row_lengths is None:
        return attend(module, query, key, value, attention_mask, sliding_window=sliding_window, **options)
    parts = []
    found = runs(row_lengths)
    # Cut once by `split`: slices would each have a gradient as large as the whole line.
    cuts = [x.split([rows * length for rows, length in found], dim=2) for x in (query, key, value)]
    for (rows, length), *states in zip(found, *cuts, strict=True):
        mask = None
        window = sliding_window if sliding_window is not None and sliding_window < length else None
        if explicit or window is not None:
            mask = _mask(length, window, query, explicit)
        stacked = [x.unflatten(2, (rows, length))[0].transpose(0, 1) for x in states]  # (rows, heads, length, width)
        out, _ = attend(module, *stacked, mask, sliding_window=sliding_window, **options)
        parts.append(out.reshape(1, rows * length, *out.shape[2:]))
    return torch.cat(parts, dim=1), None


def runs(row_lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbouring rows of equal length, as (rows, length)."""
    return [(len(list(rows)), length) for length, rows in itertools.groupby(row_lengths)]


def _mask(length: int, window: int | None, like: torch.Tensor, explicit: bool) -> torch.Tensor:
    """Which token sees which, (1, 1, length, length): truth values, or numbers to be added to scores."""
    places = torch.arange(length, device=like.device)
    distance = places[:, None] - places[None]
    seen = (distance >= 0) if window is None else (distance >= 0) & (distance < window)
    if not explicit:
        return seen[None, None]
    scores = torch.zeros(seen.shape, dtype=like.dtype, device=like.device)
    return scores.masked_fill_(~seen, torch.finfo(like.dtype).min)[None, None]
