"""What belongs to a model beside its weights: tokenizer, template, how it answers, under which terms it may be used."""

import json
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


def write_generation_config(base: Path, folder: Path, end_ids: Sequence[int], pad_id: int | None) -> None:
    """The base's way of answering, with every token that ends an answer: whoever loads the model stops where it should.

    Raises:
        OSError: The disk fails.
    """
    there = base / "generation_config.json"
    told = read_json(there, LARGEST) if there.is_file() else {}
    for key in ("_from_model_config", "transformers_version"):
        told.pop(key, None)
    told["eos_token_id"] = end_ids[0] if len(end_ids) == 1 else list(end_ids)
    if pad_id is not None:
        told["pad_token_id"] = pad_id
    (folder / "generation_config.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
