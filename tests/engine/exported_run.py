"""Runs to export, made in a moment: what a way of tuning would have learned is drawn at random."""

import importlib
from pathlib import Path
from typing import Any

import torch

from studio.contract import events, job
from studio.contract.methods import METHODS
from studio.contract.run_folder import RunFolder, make_folder
from studio.data import base_identity
from studio.engine import base_model
from studio.engine.base_model import Placement
from tests.engine.ways import way_job

CPU = Placement(device="cpu", quantisation="none", precision="fp32")
QUESTIONS = torch.tensor([list(range(5, 25)), list(range(100, 120))])


def learned_run(parent: Path, model: Path, way: str = "lora", seed: int = 1, **values: Any) -> RunFolder:
    """A run's folder as training leaves it, with a visible change in every layer that the way reaches.

    Args:
        parent: Where the folder is made.
        model: The base.
        way: Key of METHODS.
        seed: Of what was "learned".
        values: Settings ("method.rank" as method__rank).
    """
    folder = RunFolder(make_folder(parent / f"run-{way}-{seed}"))
    work = way_job(way, model, parent / "no data", **values)
    job.save(work, folder.job)
    base_identity.remember(folder, base_identity.identify(model, work.model_name))
    module = importlib.import_module(f"studio.engine.methods.{METHODS[way].module}")
    adapted = module.attach(base_model.load(model, CPU), work.settings.method, seed)
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter += torch.randn_like(parameter) * 0.05
    torch.set_rng_state(state)
    module.save(adapted, folder.adapter, str(model))
    ended = events.Finished(adapter=str(folder.adapter), reason="done", steps=1, seconds=1.0)
    folder.events.write_bytes(events.encode(ended))
    return folder


@torch.no_grad()
def said_with_adapter(model: Path, adapter: Path) -> torch.Tensor:
    """Logits of the base with an adapter beside it, (rows, tokens, vocabulary)."""
    base = base_model.load(model, CPU)
    base_model.load_adapter(base, adapter, "a")
    with base_model.using_adapter(base, "a") as answering:
        return answering(input_ids=QUESTIONS).logits  # type: ignore[no-any-return]


@torch.no_grad()
def said_by(model: Path) -> torch.Tensor:
    """Logits of a model folder, loaded as any program loads it."""
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(str(model), dtype=torch.float32, attn_implementation="eager")
    return loaded(input_ids=QUESTIONS).logits  # type: ignore[no-any-return]
