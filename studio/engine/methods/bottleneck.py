"""Bottleneck adapters: small blocks inside the layers (Houlsby, arXiv 1902.00751; Pfeiffer, arXiv 2005.00247).

A block stands behind the last linear layer of the feed-forward part (and of attention): y + up(bend(down(y))). It is a
child of that layer, so that no name of the base model changes, and works through a hook.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from studio.contract.methods import BottleneckSettings
from studio.engine import peft_models
from studio.engine.own_adapter import write_folder

KIND = "STUDIO_BOTTLENECK"
"""Where PEFT's adapter folders name their `peft_type`."""
PLACES = {"pfeiffer": ("down_proj",), "houlsby": ("o_proj", "down_proj")}
BENDS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}
CHILD = "bottleneck"


class Block(nn.Module):
    """y + up(bend(down(y))), at first y itself.

    Args:
        features: Width of y.
        width: Width inside.
        activation: Key of BENDS.
        dropout: Share of inner numbers that training ignores.
        device: Where the layer lies.
    """

    def __init__(self, features: int, width: int, activation: str, dropout: float, device: torch.device) -> None:
        super().__init__()
        self.down = nn.Linear(features, width, device=device)
        self.up = nn.Linear(width, features, device=device)
        self.bend = BENDS[activation]()
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.down.weight, std=features**-0.5)
        for part in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(part)

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """(..., features) to the same."""
        inner = self.dropout(self.bend(self.down(y.to(self.down.weight.dtype))))
        return y + self.up(inner).to(y.dtype)


def attach(model: Any, settings: BottleneckSettings, seed: int) -> Any:
    """Freeze a base model and put blocks into its layers; at first they change nothing."""
    peft_models.freeze(model)
    torch.manual_seed(seed)
    put_in(model, settings)
    model.studio_bottleneck = settings
    return model


def put_in(model: Any, settings: BottleneckSettings) -> None:
    """Put blocks behind the layers of PLACES."""
    places = PLACES[settings.places]
    for name, layer in list(model.named_modules()):
        if name.rsplit(".", 1)[-1] in places:
            device = layer.weight.device
            block = Block(layer.out_features, settings.width, settings.activation, settings.dropout, device)
            layer.add_module(CHILD, block)
            layer.register_forward_hook(_pass_through)


def _pass_through(layer: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
    return layer.bottleneck(output)  # type: ignore[no-any-return]


def save(model: Any, folder: Path, base: str) -> None:
    """Write the blocks' weights, and what is needed to put them in again."""
    settings = model.studio_bottleneck
    weights = {name: p for name, p in model.named_parameters() if f".{CHILD}." in name}
    options = {"width": settings.width, "places": settings.places, "activation": settings.activation}
    write_folder(folder, KIND, base, options, weights)


def load(model: Any, options: dict[str, Any]) -> None:
    """Put empty blocks into a base model, for `own_adapter` to fill.

    Args:
        model: A base model, changed in place.
        options: As saved, checked.
    """
    put_in(model, BottleneckSettings(**options))
