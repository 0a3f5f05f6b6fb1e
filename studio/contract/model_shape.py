"""The sizes of a model that decide how much memory its training takes. Knows no torch."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from studio.contract.architectures import ARCHITECTURES, COUNTS, HEAD_SIZES, Config, expected_shapes, is_tied

PHI_LENGTH = 4096
"""Original length of Phi 3 where its config does not tell it."""


class Linear(NamedTuple):
    """A linear layer: `place` is "self_attn" or "mlp"."""

    place: str
    name: str
    inputs: int
    outputs: int


class ModelShape(msgspec.Struct, frozen=True, kw_only=True):
    """A model in numbers.

    Attributes:
        kind: model_type.
        hidden, inner, layers, vocabulary: Width, width of the feed-forward part, layers, tokens known.
        heads, queries, keys: Heads of attention, and the width of all queries and of all keys.
        parameters: All numbers; `linear` of them in linear layers (which quantisation packs).
        linears: Those of one layer.
        norms: Normalisations of one layer, each over the whole width; `head_norms`: queries and keys have some, too.
        tied: The output layer is the input embedding.
        capped: Attention scores are capped, so that they are held in memory.
        context: Longest text the model was made for, tokens; 0: not told.
        steady: As `steady_length`.
    """

    kind: str
    hidden: int
    inner: int
    layers: int
    vocabulary: int
    heads: int
    queries: int
    keys: int
    parameters: int
    linear: int
    linears: tuple[Linear, ...]
    norms: int
    head_norms: bool
    tied: bool
    capped: bool
    context: int
    steady: int = 0


def shape_of(config: Config) -> ModelShape | None:
    """The shape that a model's config.json tells of; None where it is not one of ARCHITECTURES or lacks a size."""
    sizes = {name: config.get(name) for name in COUNTS}
    if config.get("model_type") not in ARCHITECTURES or not all(isinstance(x, int) and x > 0 for x in sizes.values()):
        return None
    shapes = expected_shapes(config)
    linears, norms, head_norms = [], 0, False
    for name, shape in shapes.items():
        if not name.startswith("model.layers.0."):
            continue
        place, _, rest = name.removeprefix("model.layers.0.").partition(".")
        if len(shape) == 2:
            linears.append(Linear(place, rest.removesuffix(".weight"), shape[1], shape[0]))
        head_norms = head_norms or rest == "q_norm.weight"
        norms += place.endswith("layernorm")
    heads, hidden = _told(config, "num_attention_heads"), _told(config, "hidden_size")
    head = _told(config, "head_dim") or HEAD_SIZES.get(str(config["model_type"]), hidden // heads)
    layers = _told(config, "num_hidden_layers")
    return ModelShape(
        kind=str(config["model_type"]),
        hidden=hidden,
        inner=_told(config, "intermediate_size"),
        layers=layers,
        vocabulary=_told(config, "vocab_size"),
        heads=heads,
        queries=heads * head,
        keys=(_told(config, "num_key_value_heads") or heads) * head,
        parameters=sum(_size(shape) for shape in shapes.values()),
        linear=layers * sum(one.inputs * one.outputs for one in linears),
        linears=tuple(linears),
        norms=norms,
        head_norms=head_norms,
        tied=is_tied(config),
        capped=bool(config.get("attn_logit_softcapping", config["model_type"] == "gemma2")),
        context=_told(config, "max_position_embeddings"),
        steady=steady_length(config),
    )


def steady_length(config: Config) -> int:
    """Longest row in tokens that leaves the other rows of its batch computed as alone; 0: any does.

    Transformers turns positions by the longest row of a batch with LongRoPE, which has one set of factors for texts
    up to the original length and another for longer ones, and with dynamic RoPE beyond the context.
    """
    told, context = (
        config.get("rope_scaling") or config.get("rope_parameters"),
        _told(config, "max_position_embeddings"),
    )
    if not isinstance(told, Mapping):
        return 0
    is_phi = config.get("model_type") == "phi3"
    own, found = _told(config, "original_max_position_embeddings") or PHI_LENGTH * is_phi, []
    for rope in (told, *(one for one in told.values() if isinstance(one, Mapping))):
        kind = rope.get("rope_type", rope.get("type"))
        if kind == "dynamic":
            found.append(context)
        elif kind in ("longrope", "su") or (is_phi and kind == "yarn"):  # phi3 reads all three as LongRoPE
            found.append(own or _told(rope, "original_max_position_embeddings") or context)
    return min(found, default=0)


def _told(config: Config, key: str) -> int:
    told = config.get(key)
    return told if isinstance(told, int) else 0


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for one in shape:
        size *= one
    return size
