"""GGUF files as transformers reads them: not our code, so what it understands is what others understand."""

from pathlib import Path
from typing import Any

import torch

from studio.engine.parity import _silence
from tests.engine.exported_run import QUESTIONS


def the_file(folder: Path) -> Path:
    """The one GGUF file of an export."""
    (found,) = folder.rglob("*.gguf")
    return found


def loaded(folder: Path, config: Any = None) -> Any:
    """The model in an export; `config` for what the reader does not look up (Gemma's scale, Qwen 3's heads)."""
    from transformers import AutoModelForCausalLM
    from transformers import modeling_gguf_pytorch_utils as reader
    from transformers.utils import logging

    logging.disable_progress_bar()
    _silence(reader)
    file = the_file(folder)
    options = {"config": config} if config is not None else {}
    return AutoModelForCausalLM.from_pretrained(
        str(file.parent), gguf_file=file.name, dtype=torch.float32, attn_implementation="eager", **options
    )


def tokenizer_of(folder: Path) -> Any:
    """The tokenizer in an export."""
    from transformers import AutoTokenizer

    file = the_file(folder)
    return AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)


@torch.no_grad()
def said(model: Any) -> torch.Tensor:
    """Logits, (rows, tokens, vocabulary)."""
    return model.eval()(input_ids=QUESTIONS).logits  # type: ignore[no-any-return]


@torch.no_grad()
def greedy(model: Any, count: int = 32) -> list[list[int]]:
    """The likeliest tokens after each question, one after the other, without any of a library's habits."""
    rows = []
    for question in QUESTIONS:
        ids = question[None]
        for _ in range(count):
            ids = torch.cat([ids, model(input_ids=ids, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)], 1)
        rows.append(ids[0, len(question) :].tolist())
    return rows
