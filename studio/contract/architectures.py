"""The architectures that are supported and tested, and the tensors that each of them must have. Knows no torch."""

from collections.abc import Iterator, Mapping

Shape = tuple[int, ...]
Config = Mapping[str, object]

ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "mistral": "MistralForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "phi3": "Phi3ForCausalLM",
}
"""model_type -> class; each has a random tiny model in the tests."""

HEAD_SIZES = {"qwen3": 128, "gemma2": 256, "gemma3_text": 256}
"""Size of one attention head where the config does not say; elsewhere hidden size / heads (transformers' defaults)."""

COUNTS = {
    "vocab_size": 10_000_000,
    "hidden_size": 1_000_000,
    "intermediate_size": 10_000_000,
    "num_hidden_layers": 10_000,
    "num_attention_heads": 100_000,
}
"""What a config must tell, and the largest that is believed."""


def expected_shapes(config: Config) -> dict[str, Shape]:
    """Every tensor of a model and its shape, from a checked config; `lm_head` only where it is not tied.

    Source: the modeling files of transformers 5.23, compared with random tiny models in the tests.
    """
    kind = str(config["model_type"])
    hidden, vocabulary = _count(config, "hidden_size"), _count(config, "vocab_size")
    shapes: dict[str, Shape] = {"model.embed_tokens.weight": (vocabulary, hidden), "model.norm.weight": (hidden,)}
    if not is_tied(config):
        shapes["lm_head.weight"] = (vocabulary, hidden)
    for layer in range(_count(config, "num_hidden_layers")):
        for name, shape in _layer(kind, config):
            shapes[f"model.layers.{layer}.{name}"] = shape
    return shapes


def is_tied(config: Config) -> bool:
    """Whether the output layer is the input embedding."""
    told = config.get("tie_word_embeddings")
    return told if isinstance(told, bool) else str(config["model_type"]).startswith("gemma")


def _layer(kind: str, config: Config) -> Iterator[tuple[str, Shape]]:
    hidden, inner = _count(config, "hidden_size"), _count(config, "intermediate_size")
    heads = _count(config, "num_attention_heads")
    head = _count(config, "head_dim", HEAD_SIZES.get(kind, hidden // heads))
    queries = heads * head
    keys = _count(config, "num_key_value_heads", heads) * head
    bias = kind == "qwen2" or (config.get("attention_bias") is True and kind not in ("mistral", "phi3"))
    if kind == "phi3":
        yield "self_attn.qkv_proj.weight", (queries + 2 * keys, hidden)
        yield "mlp.gate_up_proj.weight", (2 * inner, hidden)
    else:
        for name, size in (("q", queries), ("k", keys), ("v", keys)):
            yield f"self_attn.{name}_proj.weight", (size, hidden)
            if bias:
                yield f"self_attn.{name}_proj.bias", (size,)
        for name in ("gate", "up"):
            yield f"mlp.{name}_proj.weight", (inner, hidden)
    yield "self_attn.o_proj.weight", (hidden, queries)
    yield "mlp.down_proj.weight", (hidden, inner)
    if bias and kind != "qwen2":
        yield "self_attn.o_proj.bias", (hidden,)
    if kind == "llama" and config.get("mlp_bias") is True:
        yield from (("mlp.gate_proj.bias", (inner,)), ("mlp.up_proj.bias", (inner,)), ("mlp.down_proj.bias", (hidden,)))
    if kind in ("qwen3", "gemma3_text"):
        yield from (("self_attn.q_norm.weight", (head,)), ("self_attn.k_norm.weight", (head,)))
    norms = ["input_layernorm", "post_attention_layernorm"]
    if kind.startswith("gemma"):
        norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
    for name in norms:
        yield f"{name}.weight", (hidden,)


def _count(config: Config, key: str, default: int = 0) -> int:
    told = config.get(key)
    return told if isinstance(told, int) else default
