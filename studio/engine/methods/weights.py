"""The model's own weights: all of them (full fine-tuning), or those of its last layers."""

import re
from pathlib import Path
from typing import Any

import torch

from studio.contract.methods import FullSettings, LayersSettings
from studio.engine import peft_models
from studio.engine.own_adapter import write_folder

KIND = "STUDIO_WEIGHTS"
"""Where PEFT's adapter folders name their `peft_type`."""
LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.(.+)$")
PARTS = {"attention": "self_attn.", "feed-forward": "mlp.", "all": ""}


def attach(model: Any, settings: LayersSettings | FullSettings, seed: int) -> Any:
    """Let the wanted weights learn, in fp32, whatever the base's precision; the others are frozen."""
    del seed  # nothing new is made
    peft_models.freeze(model)
    for name, parameter in model.named_parameters():
        if _learns(name, settings, int(model.config.num_hidden_layers)):
            parameter.data = parameter.data.to(torch.float32)
            parameter.requires_grad_(True)
    if not settings_embed(settings):
        for embedding in (model.get_input_embeddings(), model.get_output_embeddings()):
            embedding.requires_grad_(False)
    return model


def settings_embed(settings: LayersSettings | FullSettings) -> bool:
    """Whether the table of words learns too."""
    return isinstance(settings, FullSettings) and settings.embeddings


def _learns(name: str, settings: LayersSettings | FullSettings, layers: int) -> bool:
    if isinstance(settings, FullSettings):
        return True
    found = LAYER.search(name)
    if found is None or int(found[1]) < layers - settings.last_layers:
        return False
    return found[2].startswith(PARTS[settings.parts])


def save(model: Any, folder: Path, base: str) -> None:
    """Write the weights that learned, under the base model's own names."""
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    write_folder(folder, KIND, base, {}, weights)
