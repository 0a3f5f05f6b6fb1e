"""What LoRA begins with, other than nothing: PiSSA, OLoRA, EVA, LoftQ.

PiSSA and OLoRA take a part out of the base's weights and put it into the adapter, so "adapter off" would be another
model than the base. So what is saved is ordinary LoRA for the untouched base: the adapter less what it began with, at
twice the rank, as PEFT's own conversion writes it. LoftQ leaves the 4-bit base as it is: its adapter begins with what
compressing lost, so it belongs to the base loaded that way.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from studio.contract.methods import LoraSettings
from studio.engine import weights_file
from studio.engine.batches import Rows
from studio.engine.fused_lora import unpacked

NAMES: dict[str, Any] = {"standard": True, "pissa": "pissa_niter_16", "olora": "olora", "eva": "eva", "loftq": True}
"""As PEFT names them; PiSSA by the fast decomposition, which the paper found as good."""
REWRITING = ("pissa", "olora")
EVA_BATCHES, EVA_ROWS = 16, 4


def remember(model: Any, settings: LoraSettings) -> None:
    """Keep what the adapter began with, where the base was rewritten."""
    if settings.initialisation in REWRITING:
        state = {name: p.detach().clone() for name, p in model.named_parameters() if ".lora_" in name}
        model.studio_start = {name.replace(".default", ""): tensor for name, tensor in state.items()}


def look_at(model: Any, settings: LoraSettings, rows: Rows, train_rows: int, pad_id: int) -> None:
    """For EVA: have the model read some examples; begin with the directions in which its layers' inputs differ most.

    Args:
        model: With its adapter; only the adapter is changed.
        settings: Of LoRA.
        rows: All encoded rows, the training rows first.
        train_rows: How many of them are training rows.
        pad_id: Fills shorter rows.
    """
    if settings.initialisation != "eva":
        return
    from peft import initialize_lora_eva_weights

    was_training = model.training
    model.eval()
    with torch.no_grad():
        batches = list(_batches(rows, train_rows, pad_id, next(model.parameters()).device))
        initialize_lora_eva_weights(model, batches, show_progress_bar=False)
    model.train(was_training)


def make_up(model: Any, settings: LoraSettings, folder: Path) -> None:
    """For LoftQ (arXiv 2310.08659, one round): begin with what 4-bit loading took from each layer, as far as it fits.

    Args:
        model: With its adapter, on a 4-bit base; only the adapter is changed.
        settings: Of LoRA.
        folder: Of the base model: the weights as they were.

    """
    if settings.initialisation != "loftq":
        return
    files = weights_file.places(folder)
    for name, layer in model.named_modules():
        if "default" not in getattr(layer, "lora_A", {}):
            continue
        packed = layer.base_layer.weight
        stored = f"{name.removeprefix('base_model.model.')}.weight"
        with safe_open(files[stored], framework="pt") as file, torch.no_grad():
            whole = file.get_tensor(stored).to(packed.device, torch.float32)  # (out, in)
            left, sizes, right = torch.linalg.svd(whole - unpacked(packed, torch.float32), full_matrices=False)
            root = (sizes[: settings.rank] / layer.scaling["default"]).sqrt()
            layer.lora_B["default"].weight.copy_(left[:, : settings.rank] * root)
            layer.lora_A["default"].weight.copy_(root[:, None] * right[: settings.rank])


def _batches(rows: Rows, train_rows: int, pad_id: int, device: torch.device) -> Iterator[dict[str, torch.Tensor]]:
    """The first training rows, padded on the right; the last batch is filled up, as PEFT wants them alike."""
    wanted = min(train_rows, EVA_BATCHES * EVA_ROWS)
    for start in range(0, wanted, EVA_ROWS):
        chosen = [rows.row((start + place) % train_rows)[0] for place in range(EVA_ROWS)]
        longest = max(map(len, chosen))
        ids = torch.full((EVA_ROWS, longest), pad_id)
        mask = torch.zeros((EVA_ROWS, longest), dtype=torch.long)
        for line, row in enumerate(chosen):
            ids[line, : len(row)] = torch.from_numpy(row.astype("int64"))
            mask[line, : len(row)] = 1
        yield {"input_ids": ids.to(device), "attention_mask": mask.to(device)}


def convert(model: Any, folder: Path) -> None:
    """Turn a saved adapter into ordinary LoRA for the untouched base, whatever it began with.

    Args:
        model: That was saved.
        folder: The adapter folder; its files are written anew where it is no ordinary LoRA yet.
    """
    weights, options = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    told = json.loads(options.read_text(encoding="utf-8"))
    if told["init_lora_weights"] is True:
        return
    told |= {"init_lora_weights": True, "eva_config": None}
    start = getattr(model, "studio_start", None)
    if start is not None:
        _subtract(start, weights)
        grown = 2**0.5 if told["use_rslora"] else 2
        told |= {"r": 2 * told["r"], "lora_alpha": grown * told["lora_alpha"]}
    options.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _subtract(start: dict[str, torch.Tensor], weights: Path) -> None:
    """Put what the adapter began with beside it, with the opposite sign."""
    learned = load_file(weights)
    for name, first in start.items():
        side = 0 if ".lora_A." in name else 1
        less = first.cpu() if side == 0 else -first.cpu()
        learned[name] = torch.cat([learned[name], less], dim=side).contiguous()
    save_file(learned, weights, metadata={"format": "pt"})
