"""A model's shape in the words of GGUF: which keys, which names of tensors, in which order their rows lie.

Sources: the GGUF specification (ggml, docs/gguf.md), the keys and name maps of the package `gguf`, and the reader of
transformers, which undoes what is done here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.contract.errors import StudioError

ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
    "phi3": "phi3",
}
"""model_type -> `general.architecture`."""
PATTERNS = {"gemma2": 2, "gemma3_text": 6}
"""Every so many layers one sees the whole text; programs that read GGUF have these numbers built in."""
BIG_GEMMAS = {"gemma2": 46, "gemma3_text": 62}
"""Number of layers by which such programs know the models that scale attention by another width (27B)."""
YARN = (1.0, 32.0)
"""Turns within the first context between which YaRN stretches gradually, as programs that read GGUF have them built in:
llama.cpp reads `yarn_beta_slow` and `yarn_beta_fast` only for kinds of models that are not among these."""
Array = npt.NDArray[np.float32]


def require_supported(config: Any) -> str:
    """See that a model can be told in GGUF.

    Args:
        config: Of transformers.

    Returns:
        Its `general.architecture`.

    Raises:
        StudioError: It computes in a way that readers of GGUF do not know; the message says which.
    """
    kind = config.model_type
    if kind not in ARCHITECTURES:
        raise _unsupported(f"Models of the kind {kind!r} cannot be written yet.")
    _require_known_stretch(config)
    _require_known_caps(config)
    scalar = getattr(config, "query_pre_attn_scalar", None)
    if scalar is not None:
        big = config.num_hidden_layers == BIG_GEMMAS.get(kind)
        known = config.hidden_size // config.num_attention_heads if big else config.head_dim
        if scalar != known:
            raise _unsupported(f"It scales attention by {scalar}, readers of GGUF by {known}.")
    every = PATTERNS.get(kind)
    layers = getattr(config, "layer_types", None)
    if every and layers and any((t == "full_attention") != ((i + 1) % every == 0) for i, t in enumerate(layers)):
        raise _unsupported("Its layers see the whole text in another order than readers of GGUF expect.")
    return ARCHITECTURES[kind]


def _require_known_stretch(config: Any) -> None:
    for parameters in _ropes(config):
        told = parameters.get("rope_type", "default")
        if told not in ("default", "linear", "llama3", "yarn", "longrope"):
            raise _unsupported(f"It stretches its context by {told!r}, for which GGUF has no words.")
        if told != "yarn":
            continue
        turns = (float(parameters.get("beta_slow") or YARN[0]), float(parameters.get("beta_fast") or YARN[1]))
        if turns != YARN:
            raise _unsupported(
                f"YaRN stretches its frequencies of {turns[0]:g} to {turns[1]:g} turns gradually; llama.cpp reads no "
                f"such numbers for this kind of model, and takes {YARN[0]:g} to {YARN[1]:g}."
            )
        if parameters.get("truncate") is False:
            raise _unsupported("YaRN begins between two of its frequencies, where readers of GGUF begin at one.")
    if config.model_type == "gemma3_text":
        whole, window = (_rope(config, f"{kind}_attention").get("rope_type", "default") for kind in ("full", "sliding"))
        if whole not in ("default", "linear") or window != "default":
            raise _unsupported(
                f"It stretches its context by {whole!r} and within its windows by {window!r}, which readers of GGUF do "
                "not do for Gemma 3."
            )


def _require_known_caps(config: Any) -> None:
    """Gemma 2 is read as if it always capped, at 50 and 30 where the file says nothing; zero would make no numbers."""
    attention, last = (getattr(config, name, None) for name in ("attn_logit_softcapping", "final_logit_softcapping"))
    if config.model_type == "gemma2" and not (attention and last):
        missing = "attention (attn_logit_softcapping)" if not attention else "answers (final_logit_softcapping)"
        raise _unsupported(f"It does not cap its {missing}; readers of GGUF cap every Gemma 2.")


def _ropes(config: Any) -> list[Mapping[str, Any]]:
    told = getattr(config, "rope_parameters", None) or {}
    nested = [value for value in told.values() if isinstance(value, Mapping)]
    return nested or [told]


def _rope(config: Any, layers: str) -> Mapping[str, Any]:
    told = getattr(config, "rope_parameters", None) or {}
    inner = told.get(layers)
    return inner if isinstance(inner, Mapping) else told


def describe(writer: Any, config: Any) -> None:
    """Write a model's sizes.

    Args:
        writer: A `gguf.GGUFWriter`.
        config: Of transformers, from `require_supported`.
    """
    head = _head_size(config)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(_context(config))
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(float(config.rms_norm_eps))
    writer.add_key_length(head)
    writer.add_value_length(head)
    rope = _rope(config, "full_attention")
    partial = rope.get("partial_rotary_factor") or getattr(config, "partial_rotary_factor", None) or 1.0
    writer.add_rope_dimension_count(int(head * partial))
    writer.add_rope_freq_base(float(rope.get("rope_theta", 10000.0)))
    _describe_stretch(writer, config, rope)
    if config.model_type.startswith("gemma") or config.model_type == "phi3":
        window = getattr(config, "sliding_window", None)
        if window:
            writer.add_sliding_window(int(window))
    if config.model_type == "gemma3_text":
        writer.add_rope_freq_base_swa(float(_rope(config, "sliding_attention").get("rope_theta", 10000.0)))
    for name, add in (
        ("attn_logit_softcapping", writer.add_attn_logit_softcapping),
        ("final_logit_softcapping", writer.add_final_logit_softcapping),
    ):
        if getattr(config, name, None):
            add(float(getattr(config, name)))


def _describe_stretch(writer: Any, config: Any, rope: Mapping[str, Any]) -> None:
    import gguf

    kind = rope.get("rope_type", "default")
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(getattr(gguf.RopeScalingType, kind.upper()))
        writer.add_rope_scaling_factor(float(rope["factor"]))
    if kind in ("yarn", "longrope"):
        original = rope.get("original_max_position_embeddings") or config.original_max_position_embeddings
        writer.add_rope_scaling_orig_ctx_len(int(original))
    if kind == "yarn":
        stronger = _yarn_strength(config, rope)
        if abs(stronger - 1) > 1e-6:
            writer.add_rope_scaling_attn_factors(stronger)
    if kind == "longrope":
        length = config.max_position_embeddings / int(original)
        factor = rope.get("attention_factor") or np.sqrt(1 + np.log(length) / np.log(int(original)))
        writer.add_rope_scaling_attn_factors(float(factor) if length > 1 else 1.0)


def _yarn_strength(config: Any, rope: Mapping[str, Any]) -> float:
    """By how much attention is stronger than readers of GGUF make it by themselves, where they stretch by YaRN."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    layers = None if rope is config.rope_parameters else "full_attention"
    _, wanted = ROPE_INIT_FUNCTIONS["yarn"](config, "cpu", layer_type=layers)
    own = 0.1 * np.log(max(float(rope["factor"]), 1.0)) + 1.0
    return float(wanted / own)


def _head_size(config: Any) -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _context(config: Any) -> int:
    """Readers of GGUF let Mistral and Qwen see all of the text: longer than its window it would answer otherwise."""
    window = getattr(config, "sliding_window", None)
    slides = config.model_type == "mistral" or getattr(config, "use_sliding_window", False)
    longest = int(config.max_position_embeddings)
    return min(longest, int(window)) if slides and window else longest


def extra_tensors(config: Any) -> Iterator[tuple[str, Array]]:
    """Tensors that GGUF has and the model's files have not: how far each frequency is stretched."""
    rope = _rope(config, "full_attention")
    kind = rope.get("rope_type", "default")
    if kind == "llama3":
        yield "rope_freqs.weight", _llama3_factors(config, rope)
    elif kind == "longrope":
        yield "rope_factors_long.weight", np.array(rope["long_factor"], np.float32)
        yield "rope_factors_short.weight", np.array(rope["short_factor"], np.float32)


def _llama3_factors(config: Any, rope: Mapping[str, Any]) -> Array:
    """By how much each frequency is divided, from the very function by which transformers computes it."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    stretched, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    head = _head_size(config)
    plain = 1.0 / (float(rope["rope_theta"]) ** (np.arange(0, head, 2, dtype=np.float64) / head))
    factors: Array = (plain / stretched.double().numpy()).astype(np.float32)
    return factors


class Names:
    """Names of a model's tensors in GGUF."""

    def __init__(self, config: Any) -> None:
        import gguf

        arch = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == ARCHITECTURES[config.model_type])
        self._map = gguf.get_tensor_name_map(arch, config.num_hidden_layers)

    def of(self, name: str) -> str:
        """GGUF's name for `model.layers.0.mlp.up_proj.weight`.

        Raises:
            StudioError: It has none.
        """
        stem, _, last = name.rpartition(".")
        found = self._map.get_name(stem)
        if found is None:
            raise _unsupported(f"GGUF has no name for {name}.")
        return f"{found}.{last}"


def as_stored(config: Any, name: str, value: Array) -> Array:
    """The numbers of a tensor as GGUF has them.

    Llama's queries and keys: the two halves of each head that are turned together lie side by side. Gemma's norms: one
    is added, which the model would add itself.

    Args:
        config: Of transformers.
        name: The tensor's, as transformers knows it.
        value: (rows, ...) in fp32.
    """
    if ARCHITECTURES[config.model_type] == "llama" and ".self_attn." in name:
        part = name.split(".self_attn.")[1].split(".")[0]
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(part)
        if heads:
            return interleaved(value, heads)
    if config.model_type.startswith("gemma") and name.endswith("norm.weight"):
        return value + np.float32(1.0)
    return value


def interleaved(value: Array, heads: int) -> Array:
    """Rows of each head: first of the first half, first of the second half, second of the first half, …"""
    half = value.shape[0] // heads // 2
    split = value.reshape(heads, 2, half, *value.shape[1:])
    return np.ascontiguousarray(split.swapaxes(1, 2).reshape(value.shape))


def _unsupported(why: str) -> StudioError:
    return StudioError(
        "export.gguf_unsupported",
        "This model cannot be written as GGUF.",
        why,
        "Export the whole model as safetensors instead.",
    )
