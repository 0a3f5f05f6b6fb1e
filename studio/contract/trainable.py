"""What each way of tuning learns and what it keeps besides, in numbers, from a model's shape alone. Knows no torch.

The counts of what is learned are exact (tests/engine/test_trainable.py builds every way and counts); what is kept for
the backward pass is what the graph of PEFT's code, or of ours, holds on to.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from studio.contract import target_layers
from studio.contract.methods import METHODS, tag_of
from studio.contract.model_shape import Linear, ModelShape
from studio.contract.settings import TrainSettings

APART = 1.4
"""Where layers go PEFT's own way instead of the joined one (dropout, DoRA, int8), activations grow by about this."""
PAPER_IA3 = ("k_proj", "v_proj", "qkv_proj", "down_proj")
"""As `engine.methods.ia3.PAPER`."""
INWARD = "down_proj"
LARGEST_BEST = 1 << 29
"""Bytes. Without early stopping more is not kept of the best test, as of a whole model that is trained: memory and
every checkpoint hold it."""


class Learned(NamedTuple):
    """A row: functions of the method's settings and a model's shape.

    Attributes:
        numbers: What learns.
        kept: For each token and layer, beside what the model's own graph keeps.
        held: Once, however many tokens: random matrices, changed weights that the graph holds.
    """

    numbers: Callable[[Any, ModelShape], int]
    kept: Callable[[Any, ModelShape], float]
    held: Callable[[Any, ModelShape], int] = lambda method, shape: 0


def trainable_parameters(method: msgspec.Struct, shape: ModelShape) -> int:
    """Numbers that a way of tuning learns."""
    return LEARNED[tag_of(method)].numbers(method, shape)


def kept_numbers(method: msgspec.Struct, shape: ModelShape) -> float:
    """Numbers that it keeps for the backward pass, for each token and layer."""
    return LEARNED[tag_of(method)].kept(method, shape)


def held_numbers(method: msgspec.Struct, shape: ModelShape) -> int:
    """Numbers that it holds besides, however long the texts are."""
    return LEARNED[tag_of(method)].held(method, shape)


def resting_layers(method: msgspec.Struct, shape: ModelShape) -> int:
    """Layers from the bottom up to the first that learns: they keep nothing for the backward pass.

    Nothing that learns stands before them, so nobody asks for the gradient of what they are given.
    """
    return RESTING.get(tag_of(method), _below_targets)(method, shape)


def keeps_best(numbers: int, settings: TrainSettings) -> bool:
    """Whether a copy of what was learned at the best test is kept while a run goes on.

    Args:
        numbers: That are learned, kept in fp32.
        settings: Of the run.
    """
    if settings.early_stopping:
        return True
    if settings.evaluations < 2 or settings.held_back_share == 0:  # the only test is that of the end
        return False
    return 4 * numbers <= LARGEST_BEST


def virtual_tokens(method: msgspec.Struct) -> int:
    """Learned places before every text."""
    return int(getattr(method, "virtual_tokens", 0))


def adapted(wanted: str, shape: ModelShape) -> list[Linear]:
    """The linear layers of one layer that get an adapter."""
    if wanted == target_layers.ALL:
        return list(shape.linears)
    full = {f"{one.place}.{one.name}": one for one in shape.linears}
    # A name may say which of the layers it means ("layers.0.…"): counted as in all of them, so rather too much.
    names = [name.rpartition("layers.")[2].lstrip("0123456789.") for name in target_layers.words_of(wanted)]
    found = target_layers.found(", ".join(names), full)
    return [one for name, one in full.items() if target_layers.is_meant(name, found)]


def _summed(method: Any, shape: ModelShape, count: Callable[[Linear], int]) -> int:
    """What is counted for each linear layer that gets an adapter, over the whole model; its output layer is one."""
    found = shape.layers * sum(map(count, adapted(method.target_modules, shape)))
    return int(found + sum(map(count, _head(method, shape))))


def _head(method: Any, shape: ModelShape) -> list[Linear]:
    """The output layer, where it is named."""
    is_named = target_layers.HEAD in target_layers.words_of(method.target_modules)
    return [Linear("", target_layers.HEAD, shape.hidden, shape.vocabulary)] if is_named else []


def _lora(method: Any, shape: ModelShape) -> int:
    return _summed(
        method,
        shape,
        lambda one: method.rank * (one.inputs + one.outputs) + (one.outputs if method.dora else 0),
    )


def _adalora(method: Any, shape: ModelShape) -> int:
    return _summed(method, shape, lambda one: method.initial_rank * (one.inputs + one.outputs + 1))


def _vera(method: Any, shape: ModelShape) -> int:
    return _summed(method, shape, lambda one: one.outputs + method.rank)


def _vera_shared(method: Any, shape: ModelShape) -> int:
    chosen = [*adapted(method.target_modules, shape), *_head(method, shape)]
    return int(method.rank * (max(one.inputs for one in chosen) + max(one.outputs for one in chosen)))


def _loha(method: Any, shape: ModelShape) -> int:
    return _summed(method, shape, lambda one: 2 * method.rank * (one.inputs + one.outputs))


def _changed_weights(method: Any, shape: ModelShape) -> int:
    return _summed(method, shape, lambda one: one.inputs * one.outputs)


def _lokr(method: Any, shape: ModelShape) -> int:
    def numbers(one: Linear) -> int:
        (small_in, large_in), (small_out, large_out) = (
            halves(one.inputs, method.factor),
            halves(one.outputs, method.factor),
        )
        parted = method.both_small and method.rank < max(small_out, small_in) / 2
        low = method.rank < max(large_out, large_in) / 2
        small = method.rank * (small_out + small_in) if parted else small_out * small_in
        return int(small + (method.rank * (large_out + large_in) if low else large_out * large_in))

    return _summed(method, shape, numbers)


def halves(size: int, factor: int) -> tuple[int, int]:
    """The two factors of a width that LoKr's two matrices have: as alike as can be, or the smaller at most `factor`."""
    if factor > 0 and size % factor == 0:
        return min(factor, size // factor), max(factor, size // factor)
    limit = factor if factor > 0 else size
    small = max(one for one in range(1, int(size**0.5) + 1) if size % one == 0 and one <= limit)
    return small, size // small


def _oft(method: Any, shape: ModelShape) -> int:
    pairs = method.block_size * (method.block_size - 1) // 2
    return _summed(method, shape, lambda one: one.inputs // method.block_size * pairs)


def _ia3_places(method: Any, shape: ModelShape) -> list[Linear]:
    everywhere = method.target_modules == "all-linear"
    return [one for one in shape.linears if everywhere or one.name.rpartition(".")[2] in PAPER_IA3]


def _ia3(method: Any, shape: ModelShape) -> int:
    return shape.layers * sum(
        one.inputs if one.name.endswith(INWARD) else one.outputs for one in _ia3_places(method, shape)
    )


def _norms(method: Any, shape: ModelShape) -> int:
    return shape.layers * _layer_norms(shape) + shape.hidden


def _layer_norms(shape: ModelShape) -> int:
    return shape.norms * shape.hidden + (2 * shape.queries // shape.heads if shape.head_norms else 0)


def _bottleneck(method: Any, shape: ModelShape) -> int:
    blocks = 2 if method.places == "houlsby" else 1
    return int(shape.layers * blocks * (2 * shape.hidden * method.width + method.width + shape.hidden))


def _prefix(method: Any, shape: ModelShape) -> int:
    states = shape.layers * 2 * shape.keys
    if not method.projection:
        return int(method.virtual_tokens * states)
    width = shape.keys
    return int(method.virtual_tokens * width + shape.hidden * (width + 1) + states * (shape.hidden + 1))


def _ptuning(method: Any, shape: ModelShape) -> int:
    words, inner = method.virtual_tokens * shape.hidden, method.encoder_width
    if method.encoder == "MLP":
        layers = (shape.hidden + 1) * inner + (inner + 1) * inner + (inner + 1) * shape.hidden
        return int(words + layers)
    both = 2 * 4 * inner  # two directions, four gates
    recurrent = both * (shape.hidden + inner + 2) + both * (2 * inner + inner + 2)
    return int(words + recurrent + (2 * inner + 1) * 2 * inner + (2 * inner + 1) * shape.hidden)


def _llama_adapter(method: Any, shape: ModelShape) -> int:
    return int(_upper_layers(method, shape) * (method.prompt_length * shape.hidden + 1))


def _upper_layers(method: Any, shape: ModelShape) -> int:
    """As `engine.methods.llama_adapter.attach` counts them."""
    return max(1, int(method.layers_share * shape.layers))


def _layers(method: Any, shape: ModelShape) -> int:
    place = {"attention": "self_attn", "feed-forward": "mlp"}.get(method.parts, "")
    sizes = sum(one.inputs * one.outputs for one in shape.linears if place in ("", one.place))
    norms = 0
    if not place:
        norms = _layer_norms(shape)
    elif place == "self_attn" and shape.head_norms:
        norms = 2 * shape.queries // shape.heads
    return int(min(method.last_layers, shape.layers) * (sizes + norms))


def _below_last_layers(method: Any, shape: ModelShape) -> int:
    return max(0, shape.layers - int(method.last_layers))


def _below_upper_layers(method: Any, shape: ModelShape) -> int:
    return shape.layers - _upper_layers(method, shape)


def _below_targets(method: Any, shape: ModelShape) -> int:
    """Where each name says which layer it means ("layers.3.mlp.up_proj"), those below the lowest; else none."""
    words = target_layers.words_of(getattr(method, "target_modules", target_layers.ALL))
    told = [re.search(r"(?:^|\.)(\d+)\.", word) for word in words]
    lowest = min(int(one[1]) if one else 0 for one in told)
    return min(lowest, shape.layers - 1)


def _full(method: Any, shape: ModelShape) -> int:
    words = shape.vocabulary * shape.hidden * (1 if shape.tied else 2)
    return shape.parameters - (0 if method.embeddings else words)


def _low_rank_kept(method: Any, shape: ModelShape) -> float:
    rank = getattr(method, "rank", 0) or method.initial_rank
    return float(rank * len(adapted(method.target_modules, shape)))


def _vera_kept(method: Any, shape: ModelShape) -> float:
    return float(sum(2 * method.rank + one.outputs for one in adapted(method.target_modules, shape)))


def _turned_kept(method: Any, shape: ModelShape) -> float:
    return 2 * sum(one.inputs for one in adapted(method.target_modules, shape))


def _ia3_kept(method: Any, shape: ModelShape) -> float:
    return sum(one.outputs if not one.name.endswith(INWARD) else one.inputs for one in _ia3_places(method, shape))


def _bottleneck_kept(method: Any, shape: ModelShape) -> float:
    return float((2 if method.places == "houlsby" else 1) * (2 * method.width + shape.hidden))


def _nothing(method: Any, shape: ModelShape) -> float:
    return 0.0


LEARNED: dict[str, Learned] = {
    "lora": Learned(_lora, _low_rank_kept),
    "adalora": Learned(_adalora, _low_rank_kept),
    "vera": Learned(_vera, _vera_kept, _vera_shared),
    "loha": Learned(_loha, _nothing, _changed_weights),
    "lokr": Learned(_lokr, _nothing, _changed_weights),
    "oft": Learned(_oft, _turned_kept),
    "ia3": Learned(_ia3, _ia3_kept),
    "norms": Learned(_norms, _nothing),
    "bottleneck": Learned(_bottleneck, _bottleneck_kept),
    "prefix": Learned(_prefix, _nothing),
    "prompt": Learned(lambda method, shape: int(method.virtual_tokens * shape.hidden), _nothing),
    "ptuning": Learned(_ptuning, _nothing),
    "llama_adapter": Learned(_llama_adapter, lambda method, shape: 2.0 * shape.queries),
    "layers": Learned(_layers, _nothing),
    "full": Learned(_full, _nothing),
}
"""Every way of tuning by the tag of its settings; QLoRA's are LoRA's."""

if {tag_of(row.settings) for row in METHODS.values()} != set(LEARNED):
    raise AssertionError("every way of tuning needs a row in LEARNED")


RESTING: dict[str, Callable[[Any, ModelShape], int]] = {
    "layers": _below_last_layers,
    "llama_adapter": _below_upper_layers,
}
"""Ways of tuning that say themselves from which layer on they learn; of the others target layers may say it."""


def goes_apart(method: msgspec.Struct, quantisation: str) -> bool:
    """Whether layers go PEFT's own way, which keeps more for the backward pass."""
    tag = tag_of(method)
    if tag == "lora":
        plain = not getattr(method, "dropout", 0.0) and not getattr(method, "dora", False)
        return not plain or quantisation == "int8"
    return tag in ("adalora", "vera", "oft", "ia3")
