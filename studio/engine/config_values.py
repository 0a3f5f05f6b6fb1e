"""What the allowed keys of config.json may hold: kinds and ranges, checked before a library computes with them.

Knows neither torch nor transformers. Counts that every model must have are checked with the shapes of its weights.
Source: the configuration classes, activations and rope functions of transformers 5.23.
"""

import math
from collections.abc import Callable, Iterator, Mapping

_ACTIVATIONS = """
gelu gelu_10 gelu_fast gelu_new gelu_python gelu_pytorch_tanh gelu_python_tanh gelu_accurate hardswish laplace
leaky_relu linear mish quick_gelu relu relu2 relu6 sigmoid silu swish tanh
"""
ACTIVATIONS = frozenset(_ACTIVATIONS.split())
FORMATS = frozenset({"auto", "float16", "bfloat16", "float32", "float64", "half", "float", "double"})
FORMATS |= {f"torch.{name}" for name in FORMATS}
ROPES = frozenset({"default", "linear", "dynamic", "yarn", "longrope", "su", "llama3", "proportional"})
SCALED = frozenset({"linear", "dynamic", "yarn", "llama3"})
"""Kinds of rope that need a factor."""

Check = Callable[[object], bool]


def _number(least: float, most: float, above: bool = False) -> Check:
    """A finite number from `least` (or above it) to `most`."""

    def check(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return (value > least if above else value >= least) and value <= most

    return check


def _whole(least: int, most: int) -> Check:
    return lambda value: type(value) is int and least <= value <= most


def _one_of(names: frozenset[str]) -> Check:
    return lambda value: isinstance(value, str) and value in names


def _maybe(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list_of(check: Check, most: int = 100_000) -> Check:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(check, value))


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 200


_SHARE, _POSITIVE = _number(0, 1), _number(0, 1e12, above=True)
_COUNT = _whole(1, 2**31 - 1)

TABLE: dict[str, Check] = {
    "_sliding_window_pattern": _maybe(_COUNT),
    "architectures": _maybe(_list_of(_text, 10)),
    "attention_bias": _maybe(_flag),
    "attention_dropout": _maybe(_SHARE),
    "attn_logit_softcapping": _maybe(_POSITIVE),
    "cache_implementation": _maybe(_text),
    "dtype": _maybe(_one_of(FORMATS)),
    "embd_pdrop": _maybe(_SHARE),
    "final_logit_softcapping": _maybe(_POSITIVE),
    "hidden_act": _maybe(_one_of(ACTIVATIONS)),
    "hidden_activation": _maybe(_one_of(ACTIVATIONS)),
    "initializer_range": _maybe(_number(0, 1000)),
    "layer_types": _maybe(_list_of(_text)),
    "max_window_layers": _maybe(_whole(0, 2**31 - 1)),
    "mlp_bias": _maybe(_flag),
    "original_max_position_embeddings": _maybe(_COUNT),
    "partial_rotary_factor": _maybe(_number(0, 1, above=True)),
    "pretraining_tp": _maybe(_COUNT),
    "query_pre_attn_scalar": _maybe(_POSITIVE),
    "resid_pdrop": _maybe(_SHARE),
    "rms_norm_eps": _number(0, 1, above=True),
    "rope_local_base_freq": _maybe(_POSITIVE),
    "rope_theta": _maybe(_POSITIVE),
    "sliding_window": _maybe(_COUNT),
    "sliding_window_pattern": _maybe(_COUNT),
    "tie_word_embeddings": _maybe(_flag),
    "torch_dtype": _maybe(_one_of(FORMATS)),
    "use_bidirectional_attention": _maybe(lambda value: _flag(value) or _text(value)),
    "use_cache": _maybe(_flag),
    "use_sliding_window": _maybe(_flag),
}
"""Key -> what it may hold where it is there. Token numbers and ropes are looked at apart: they hang on other keys."""

ROPE_TABLE: dict[str, Check] = {
    "attention_factor": _maybe(_POSITIVE),
    "beta_fast": _maybe(_POSITIVE),
    "beta_slow": _maybe(_POSITIVE),
    "factor": _maybe(_number(0, 1e6, above=True)),
    "high_freq_factor": _POSITIVE,
    "long_factor": _list_of(_POSITIVE, 4096),
    "low_freq_factor": _POSITIVE,
    "mscale": _maybe(_number(0, 1e6)),
    "mscale_all_dim": _maybe(_number(0, 1e6)),
    "original_max_position_embeddings": _maybe(_COUNT),
    "partial_rotary_factor": _maybe(_number(0, 1, above=True)),
    "rope_theta": _maybe(_POSITIVE),
    "rope_type": _maybe(_one_of(ROPES)),
    "short_factor": _list_of(_POSITIVE, 4096),
    "truncate": _maybe(_flag),
    "type": _maybe(_one_of(ROPES)),
}


def wrong(config: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Keys of a config with a value that no real model has, and the value.

    Args:
        config: Whose counts were checked.
    """
    for key, check in TABLE.items():
        if key in config and not check(config[key]):
            yield key, config[key]
    yield from _wrong_tokens(config)
    for key in ("rope_parameters", "rope_scaling"):
        if config.get(key) is not None:
            yield from _wrong_rope(key, config[key])
    layers, kinds = config.get("num_hidden_layers"), config.get("layer_types")
    if isinstance(layers, int) and isinstance(kinds, list) and len(kinds) != layers:
        yield "layer_types", f"a list of {len(kinds):,}, with {layers:,} layers"
    heads, shared = config.get("num_attention_heads"), config.get("num_key_value_heads")
    if isinstance(heads, int) and isinstance(shared, int) and heads % shared:
        yield "num_key_value_heads", shared


def _wrong_tokens(config: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    known = config.get("vocab_size")
    token = _whole(0, known - 1 if isinstance(known, int) else 0)
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        value = config.get(key)
        several = key == "eos_token_id" and _list_of(token, 1000)(value)
        unset = value is None or (key == "pad_token_id" and value == -1 and type(value) is int)  # as Llama 1 wrote it
        if not (unset or several or token(value)):
            yield key, value


def _wrong_rope(where: str, rope: object) -> Iterator[tuple[str, object]]:
    """Of one kind of layers, or under the name of each kind."""
    if not isinstance(rope, Mapping):
        yield where, rope
        return
    for name in ("full_attention", "sliding_attention"):
        if rope.get(name) is not None:
            yield from _wrong_rope(f"{where}.{name}", rope[name])
    for key, check in ROPE_TABLE.items():
        if key in rope and not check(rope[key]):
            yield f"{where}.{key}", rope[key]
            return
    kind = rope.get("rope_type", rope.get("type"))
    if kind in SCALED and rope.get("factor") is None:
        yield f"{where}.factor", None
    low, high = rope.get("low_freq_factor"), rope.get("high_freq_factor")
    if kind == "llama3" and (low is None or high is None or low == high):
        yield f"{where}.high_freq_factor", high
