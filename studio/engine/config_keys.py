"""Keys of config.json that transformers is given, by architecture; all others are left out before it reads any.

Knows neither torch nor transformers. Source: the configuration classes of transformers 5.23, and the older names that
they still take (`rope_theta`, `torch_dtype`).
"""

from collections.abc import Mapping

COMMON = frozenset(
    {
        "architectures",
        "attention_dropout",
        "bos_token_id",
        "dtype",
        "eos_token_id",
        "head_dim",
        "hidden_act",
        "hidden_activation",
        "hidden_size",
        "initializer_range",
        "intermediate_size",
        "max_position_embeddings",
        "model_type",
        "num_attention_heads",
        "num_hidden_layers",
        "num_key_value_heads",
        "pad_token_id",
        "partial_rotary_factor",
        "rms_norm_eps",
        "rope_parameters",
        "rope_scaling",
        "rope_theta",
        "tie_word_embeddings",
        "torch_dtype",
        "use_cache",
        "vocab_size",
    }
)
_WINDOW = frozenset({"layer_types", "max_window_layers", "sliding_window", "use_sliding_window"})
_GEMMA = frozenset(
    {
        "_sliding_window_pattern",
        "attention_bias",
        "attn_logit_softcapping",
        "cache_implementation",
        "final_logit_softcapping",
        "layer_types",
        "query_pre_attn_scalar",
        "rope_local_base_freq",
        "sliding_window",
        "sliding_window_pattern",
        "use_bidirectional_attention",
    }
)
OF_KIND: dict[str, frozenset[str]] = {
    "llama": frozenset({"attention_bias", "mlp_bias", "pretraining_tp"}),
    "qwen2": _WINDOW,
    "qwen3": _WINDOW | {"attention_bias"},
    "mistral": frozenset({"sliding_window"}),
    "gemma2": _GEMMA,
    "gemma3_text": _GEMMA,
    "phi3": frozenset({"embd_pdrop", "original_max_position_embeddings", "resid_pdrop", "sliding_window"}),
}
"""model_type -> further keys."""

SILENT = frozenset(
    {
        "_attn_implementation_autoset",
        "_commit_hash",
        "_flash_attn_2_enabled",
        "_name_or_path",
        "attention_bias",
        "chunk_size_feed_forward",
        "id2label",
        "is_encoder_decoder",
        "label2id",
        "max_window_layers",
        "mlp_bias",
        "output_attentions",
        "output_hidden_states",
        "pretraining_tp",
        "problem_type",
        "return_dict",
        "sliding_window",
        "transformers_version",
        "use_sliding_window",
    }
)
"""Keys that many makers write and that change nothing where they are left out; not worth a word."""


def allowed(config: Mapping[str, object]) -> dict[str, object]:
    """The part of a checked config that transformers is given."""
    keys = COMMON | OF_KIND[str(config["model_type"])]
    return {key: value for key, value in config.items() if key in keys}


def left_out(config: Mapping[str, object]) -> list[str]:
    """Keys that are left out and that nobody here knows, in order; they may have meant something to their maker."""
    keys = COMMON | SILENT | OF_KIND[str(config["model_type"])]
    return sorted(key for key, value in config.items() if key not in keys and value is not None)
