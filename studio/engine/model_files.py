"""What belongs to a model beside its weights: tokenizer, template, how it answers, under which terms it may be used."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from studio.data.own_files import own_files
from studio.engine.weights_file import inside, read_json

BESIDE = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
TERMS = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*", "COPYING*")
KEPT = ("config.json", "generation_config.json", "README.md", "general.jsonl", "probes.jsonl", *BESIDE)
USED = (*KEPT, "*.safetensors", "*.safetensors.index.json", *TERMS)
"""What of a model folder is used, and copied with it."""
LARGEST = 1_000_000
ANSWERING = frozenset(
    {
        "bos_token_id",
        "diversity_penalty",
        "do_sample",
        "early_stopping",
        "epsilon_cutoff",
        "eta_cutoff",
        "length_penalty",
        "max_length",
        "max_new_tokens",
        "min_length",
        "min_new_tokens",
        "min_p",
        "no_repeat_ngram_size",
        "num_beams",
        "penalty_alpha",
        "renormalize_logits",
        "repetition_penalty",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
        "use_cache",
    }
)
"""Keys of generation_config.json that an export takes over, where they hold a number or yes or no."""


def carry(base: Path, folder: Path) -> None:
    """Copy a base model's tokenizer, template and terms of use into another folder; terms that lie elsewhere are not.

    Raises:
        Damaged: A file leads out of the base's folder.
        OSError: The disk fails.
    """
    for name in BESIDE:
        if (base / name).exists():
            shutil.copyfile(inside(base, name), folder / name)
    for path in own_files(base, TERMS):
        if path.stat().st_size <= LARGEST:
            shutil.copyfile(path, folder / path.name)


def _is_plain(value: object) -> bool:
    return value is None or (isinstance(value, bool | int | float) and math.isfinite(value))


def write_generation_config(base: Path, folder: Path, end_ids: Sequence[int], pad_id: int | None) -> None:
    """The base's way of answering, with every token that ends an answer: whoever loads the model stops where it should.

    Only known keys with plain values are taken over: a stranger's others may name code (`custom_generate`).

    Raises:
        Damaged: The base's own file cannot be read, or leads out of its folder.
        OSError: The disk fails.
    """
    there = base / "generation_config.json"
    found = read_json(inside(base, there.name), LARGEST) if there.exists() else {}
    told: dict[str, object] = {key: value for key, value in found.items() if key in ANSWERING and _is_plain(value)}
    told["eos_token_id"] = end_ids[0] if len(end_ids) == 1 else list(end_ids)
    if pad_id is not None:
        told["pad_token_id"] = pad_id
    (folder / "generation_config.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
