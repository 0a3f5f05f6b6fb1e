"""Adapter folders of our own ways of tuning: laid out like PEFT's, safetensors and JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def write_folder(
    folder: Path, kind: str, base: str, options: Mapping[str, Any], weights: Mapping[str, torch.Tensor]
) -> None:
    """Write an adapter folder.

    Args:
        folder: Made where it is missing.
        kind: Its `peft_type`.
        base: The base model's folder.
        options: What is needed to make the empty adapter again.
        weights: By the names they have in the model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    told = {"peft_type": kind, "base_model_name_or_path": base, "inference_mode": True, **options}
    plain = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in weights.items()}
    save_file(plain, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
