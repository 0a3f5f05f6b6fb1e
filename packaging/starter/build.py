#!/usr/bin/env python3
"""Builds the starter model and the sample from nothing but this folder's own text, in one command.

python packaging/starter/build.py            writes resources/starter and resources/sample
python packaging/starter/build.py --rows     only the files of rows (probes, general, sample): seconds
python packaging/starter/build.py --out DIR  writes elsewhere
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

os.environ.update({"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"})

import torch
from bpe import Loosener, render, train_tokenizer, wrap_tokenizer
from card import write_card
from conversations import EARLY, GENERAL, Conversation, conversations, make_conversation
from packing import pack
from pretrain import Recipe, make_model, settle_rare, train_model
from probes import Probe, make_probes, require_unseen
from sample import make_sample, write_sample
from scoring import answer_greedily, scores_by_kind
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from world import World, make_world

RESOURCES = Path(__file__).parents[2] / "resources"
WORLD_SEED, TOKENIZER_SEED, GENERAL_SEED, PROBE_SEED = 7, 3, 4, 999
TOKENIZER_TEXTS = 30_000
GENERAL_ROWS = 1500
CHECKED_TEXTS = 120_000
THREADS = 2
SUMS = "SHA256SUMS"


def main(arguments: list[str]) -> int:
    """Builds what is asked for."""
    parser = argparse.ArgumentParser(description="Build the starter model and the sample.")
    parser.add_argument("--out", type=Path, default=RESOURCES, help="folder that receives starter/ and sample/")
    parser.add_argument("--rows", action="store_true", help="write only the files of rows, not the model")
    options = parser.parse_args(arguments)
    starter, sample = options.out / "starter", options.out / "sample"
    starter.mkdir(parents=True, exist_ok=True)
    world = make_world(WORLD_SEED)
    probes = make_probes(PROBE_SEED, world)
    write_rows(world, probes, starter)
    write_sample(make_sample(), sample)
    if not options.rows:
        build_model(world, probes, Recipe(), starter)
    return 0


def write_rows(world: World, probes: list[Probe], folder: Path) -> None:
    """Writes probes.jsonl and general.jsonl."""
    write_jsonl(folder / "probes.jsonl", [probe.row() for probe in probes])
    write_jsonl(folder / "general.jsonl", [{"messages": messages} for messages in general_rows(world)])


def general_rows(world: World) -> list[Conversation]:
    """Short conversations of the training text's kind, for replay while something new is learned."""
    rng = random.Random(GENERAL_SEED)
    rows = (make_conversation(rng, world, GENERAL) for _ in itertools.count())
    return list(itertools.islice((row for row in rows if len(render(row)) < 450), GENERAL_ROWS))


def write_jsonl(path: Path, rows: list[dict]) -> None:
    """One JSON object a line; the file is whole or absent, since others may be reading it."""
    temporary = path.with_suffix(".part")
    temporary.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    os.replace(temporary, path)


def build_model(world: World, probes: list[Probe], recipe: Recipe, folder: Path) -> None:
    """Trains tokenizer and model, scores them as they will be shipped, and puts them in place."""
    torch.set_num_threads(THREADS)
    started = time.monotonic()
    require_unseen(probes, general_rows(world))
    for cycle in recipe.cycles:
        require_unseen(probes, itertools.islice(conversations(cycle.text_seed, world, cycle.mixture), CHECKED_TEXTS))
    texts = itertools.islice(conversations(TOKENIZER_SEED, world), TOKENIZER_TEXTS)
    tokenizer = train_tokenizer(render(conversation) for conversation in texts)
    model = make_model(tokenizer, recipe.seed)
    seen = torch.zeros(model.config.vocab_size, dtype=torch.long)
    for cycle in recipe.cycles:
        loosener = Loosener(tokenizer, cycle.text_seed) if cycle.loose else None
        early = pack(conversations(cycle.text_seed + 1, world, EARLY), tokenizer, recipe.rows, loosener)
        text = pack(conversations(cycle.text_seed, world, cycle.mixture), tokenizer, recipe.rows, loosener)
        seen += train_model(model, early, text, cycle, recipe, say)
    settle_rare(model, seen, recipe.seed)
    minutes = (time.monotonic() - started) / 60
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".starter-") as temporary:
        save_model(model, tokenizer, Path(temporary))
        scores = score_saved(Path(temporary), probes)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        write_card(Path(temporary) / "README.md", world.fact_count, parameters, recipe, minutes, scores)
        write_sums(Path(temporary))
        for path in sorted(Path(temporary).iterdir()):
            os.replace(path, folder / path.name)


def save_model(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes weights as bf16 safetensors, configuration, tokenizer and chat template."""
    wrap_tokenizer(tokenizer).save_pretrained(folder)
    model.generation_config.do_sample = False
    model.generation_config.max_new_tokens = 64
    model.generation_config.eos_token_id = model.config.eos_token_id
    model.generation_config.pad_token_id = model.config.pad_token_id
    model.to(torch.bfloat16).save_pretrained(folder)


def write_sums(folder: Path) -> None:
    """Notes the SHA-256 of each file, as `sha256sum` does: an export asks whether the model is still what was shipped."""
    paths = sorted(path for path in folder.iterdir() if path.name not in (SUMS, "README.md"))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def score_saved(folder: Path, probes: list[Probe]) -> dict[str, tuple[int, int]]:
    """Asks the model as it lies on disk, calculating in fp32, and says what it answered wrongly."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    answers = answer_greedily(model, tokenizer, [[{"role": "user", "content": probe.question}] for probe in probes])
    for probe, answer in zip(probes, answers, strict=True):
        if answer != probe.answer:
            say(f"missed [{probe.kind}] {probe.question[-90:]!r} -> {answer!r}, right: {probe.answer!r}")
    scores = scores_by_kind([probe.kind for probe in probes], answers, [probe.answer for probe in probes])
    say(f"probes: {scores}; all: {sum(right for right, _ in scores.values()) / len(probes):.1%}")
    return scores


def say(text: str) -> None:
    """Progress for the person who waits."""
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
