"""Random tiny models of every supported architecture, saved as a real model folder, with a real small tokenizer."""

import json
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ARCHITECTURES = ("llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3_text", "phi3")

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
CONTROL = ("<|pad|>", "<|bos|>", "<|start|>", "<|end|>")

TEXT = """The master of the workshop keeps the small hammer on the left shelf. Who keeps the hammer? The master does.
What is the price of one plank? It costs 12 coins. Which day does the market open? On Friday, at 7 in the morning!
I do not know that. Anna made 30 chairs, 45 tables and 8 doors; Karl sold 96 of them. How many are left? user system
assistant question answer hello there, how are you today? I am fine. Yes, no, maybe: the quick brown fox jumps over it.
"""


@cache
def _tokenizer_json() -> str:
    """A byte-level BPE of 320 tokens, trained here: any text can be written with it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT.splitlines() * 4, trainer)
    return str(tokenizer.to_str())


def tiny_tokenizer(folder: Path) -> Path:
    """Writes a tokenizer with a chat template, an end token and a pad token of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(_tokenizer_json(), encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|bos|>",
        "eos_token": "<|end|>",
        "pad_token": "<|pad|>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 512,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def tiny_model(
    folder: Path,
    architecture: str = "llama",
    tokenizer_folder: Path | None = None,
    seed: int = 0,
    sizes: Mapping[str, float] | None = None,
) -> Path:
    """Writes a random model that loads in a moment: 2 layers, 64 wide, safetensors.

    Args:
        folder: Is made.
        architecture: One of ARCHITECTURES.
        tokenizer_folder: Its tokenizer files are copied; otherwise a tiny tokenizer is made.
        seed: Of the weights.
        sizes: Of the config, where others are wanted.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    if tokenizer_folder is None:
        tiny_tokenizer(folder)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        for file in tokenizer_folder.iterdir():
            shutil.copyfile(file, folder / file.name)
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        model = AutoModelForCausalLM.from_config(_config(architecture, tokenizer, sizes or {}))
    finally:
        torch.set_rng_state(state)
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    return folder


def _config(architecture: str, tokenizer: Any, sizes: Mapping[str, float]) -> Any:
    from transformers import AutoConfig

    options: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.2,
    }
    if architecture.startswith("gemma"):
        options |= {"sliding_window": 16, "query_pre_attn_scalar": 16}
    if architecture in ("phi3", "qwen2"):
        del options["head_dim"]
    options |= sizes
    return AutoConfig.for_model(architecture, **options)
