"""Random tiny models that were taught a little: their likeliest tokens stand as clear of the others as a real model's.

An untaught random model is full of near ties, which any rounding decides otherwise; so it says nothing about whether
two programs compute alike in coarse numbers. The bases of these runs are tiny random models that the engine itself has
taught whole for some steps, questions included; then an adapter was trained on them. Seeded; some seconds each.
"""

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from studio.contract import events, job
from studio.contract.presets import load_preset
from studio.contract.records import Message
from studio.contract.run_folder import RunFolder, starter_folder
from studio.data.chat_rows import read_chat_rows
from studio.engine import train
from studio.engine.export_source import Wish
from studio.engine.exports import merged
from studio.engine.gguf_tokenizer import SPLITS
from tests.engine.ground import Person, make_dataset, make_job, new_run, sums
from tests.engine.ways import way_job
from tests.helpers.tiny_models import tiny_model
from tests.helpers.tiny_tokenizers import byte_level, sentencepiece

STEPS = 120
ROWS = 500
_NAMED = {name: split for split, name in SPLITS.items()}
_CUTS = {"llama": "llama-bpe", "qwen2": "qwen2", "qwen3": "qwen2", "mistral": "tekken"}


def conversations(count: int) -> list[list[Message]]:
    """Conversations of one to three questions with their answers, every fourth with a system prompt."""
    rows = cycle(read_chat_rows(starter_folder() / "general.jsonl"))
    made = []
    for number in range(count):
        turns = [[turn for turn in row.messages if turn.role != "system"] for row in islice(rows, 1 + number % 3)]
        talk = [turn for row in turns for turn in row[:2]]
        if number % 4 == 3:
            talk.insert(0, Message("system", "You help in the workshop."))
        made.append(talk)
    return made


def tokenizer_like(architecture: str, folder: Path) -> Path:
    """A small tokenizer of the kind that the models of a family have."""
    if architecture in _CUTS:
        return byte_level(folder, _NAMED[_CUTS[architecture]], nfc=architecture.startswith("qwen"))
    return sentencepiece(folder, prefix=architecture == "phi3")


def taught_run(home: Path, architecture: str) -> tuple[Path, RunFolder]:
    """A taught tiny model, and a run that trained an adapter on it; of "starter" the built-in model.

    Args:
        home: Where all of it is made.
        architecture: One of `tests.helpers.tiny_models.ARCHITECTURES`, or "starter".
    """
    if architecture == "starter":
        dataset = make_dataset(home / "data", sums(64)[:48], sums(64)[48:])
        rate = load_preset("sample").settings().learning_rate
        return starter_folder(), _run(home, make_job(starter_folder(), dataset, max_steps=20, learning_rate=rate))
    dataset = make_dataset(home / "data", _rows(conversations(ROWS)))
    untaught = tiny_model(
        home / "random",
        architecture,
        tokenizer_like(architecture, home / "tokenizer"),
        sizes={"initializer_range": 0.05},
    )
    values: dict[str, Any] = {"max_steps": STEPS, "batch_size": 16, "learning_rate": 5e-3, "schedule": "cosine"}
    whole = way_job("full", untaught, dataset, learn_answers_only=False, held_back_share=0.0, **values)
    made = merged.write(_run(home / "whole", whole).path, home / "model", Wish(numbers="f32", check=False))
    model = Path(made.path)
    return model, _run(home, way_job("lora", model, make_dataset(home / "few", sums(64)), held_back_share=0.0))


def _rows(talks: Sequence[list[Message]]) -> list[dict[str, Any]]:
    return [{"messages": [{"role": turn.role, "content": turn.content} for turn in talk]} for talk in talks]


def _run(home: Path, work: job.TrainJob) -> RunFolder:
    folder, person = new_run(home), Person()
    job.save(work, folder.job)
    ended = train.train(work, folder, person, person)
    folder.events.write_bytes(events.encode(ended))
    return folder
